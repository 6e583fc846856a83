"""Reading ``transactions-refused`` back: what was set aside and is still open.

A refusal may be on the topic several times: made again after a crash, and once more with ``retried_at`` when it was
sent again and taken. All of these have one id, and are one refusal.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from streams.feed.refused import Origin, Refused
from streams.reading import read_to_its_end
from streams.topics import TRANSACTIONS_REFUSED


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal without its original: what a list shows."""

    refusal_id: str
    reason: str
    detail: str
    origin: Origin
    length_bytes: int
    refused_at: datetime
    retried_at: datetime | None = None


def refusals(servers: str) -> Iterator[tuple[bytes | None, Refused]]:
    """Every refusal on the topic with its record's key, partition by partition; repeats are not folded.

    What is no refusal of ours is passed over: the topic is the bank's.

    Raises:
        BrokerAway: the broker does not answer, or stops to.
    """
    for message in read_to_its_end(servers, TRANSACTIONS_REFUSED):
        if (found := _read(message.value())) is not None:
            key = message.key()
            yield key.encode() if isinstance(key, str) else key, found


def folded(servers: str) -> dict[str, Entry]:
    """Every refusal once, by id, oldest first; retried, where it was retried at all.

    Raises:
        BrokerAway: as of ``refusals``.
    """
    found: dict[str, Entry] = {}
    for _key, refused in refusals(servers):
        known = found.get(refused.refusal_id)
        if known is None or (known.retried_at is None and refused.retried_at is not None):
            found[refused.refusal_id] = Entry(
                refusal_id=refused.refusal_id,
                reason=refused.reason,
                detail=refused.detail,
                origin=refused.origin,
                length_bytes=refused.length_bytes,
                refused_at=refused.refused_at,
                retried_at=refused.retried_at,
            )
    return dict(sorted(found.items(), key=lambda each: (each[1].refused_at, each[0])))


def _read(value: bytes | str | None) -> Refused | None:
    try:
        return msgspec.json.decode(value or b"", type=Refused)
    except msgspec.DecodeError:
        return None
