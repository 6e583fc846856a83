"""What a customer's stream says of cases: which one is open, and to which case each alert belongs."""

from collections.abc import Mapping

from msgspec import Struct

from infra.history.store import History
from outreach.customers.events import AlertFiled, CaseNamed, CaseReleased


class Index(Struct, frozen=True, kw_only=True):
    """The stream's answer at a version. ``open_case`` is empty where no case is open."""

    stream: str
    version: int
    open_case: str
    filed: Mapping[str, str]


async def read_index(history: History, stream: str) -> Index:
    """Reads the stream.

    Raises:
        Unavailable: the history is away; retryable.
    """
    version, open_case, filed = 0, "", dict[str, str]()
    for recorded in await history.read_stream(stream):
        version = recorded.version
        match recorded.event:
            case CaseNamed(case_id=case_id):
                open_case = case_id
            case CaseReleased(case_id=case_id):
                open_case = "" if open_case == case_id else open_case
            case AlertFiled(alert_id=alert_id, case_id=case_id):
                filed[alert_id] = case_id
            case _:
                pass
    return Index(stream=stream, version=version, open_case=open_case, filed=filed)
