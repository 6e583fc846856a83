"""What a rule set has raised, live or in the shadow: read back from ``fraud-alerts``."""

from datetime import datetime
from typing import Literal

import msgspec

from streams.reading import read_to_its_end
from streams.topics import FRAUD_ALERTS


class _Words(msgspec.Struct):
    words: str = ""


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as it stands: the last that was said of it under this rule set."""

    alert_id: str
    status: Literal["raised", "revised", "withdrawn"]
    card_id: str
    suspect: str
    against: str | None = None
    verdict: str
    severity: str
    ruleset_version: str
    mode: Literal["live", "shadow"]
    raised_at: datetime
    evidence: _Words = msgspec.field(default_factory=_Words)


def raised_by(servers: str, version: str, mode: str | None = None) -> list[Raised]:
    """Every alert of a version that the topic still holds, as it stands, in the order in which they were raised.

    Args:
        servers: Kafka bootstrap servers.
        version: of the rule set.
        mode: ``live`` or ``shadow``; None: both.

    Raises:
        BrokerAway: the broker does not answer.
    """
    standing: dict[tuple[str, str], Raised] = {}
    for message in read_to_its_end(servers, FRAUD_ALERTS):
        try:
            alert = msgspec.json.decode(message.value() or b"", type=Raised)
        except msgspec.DecodeError:  # the topic is the bank's
            continue
        if alert.ruleset_version == version and mode in {None, alert.mode}:
            standing[alert.mode, alert.alert_id] = alert
    return sorted(standing.values(), key=lambda each: (each.raised_at, each.alert_id))
