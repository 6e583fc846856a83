"""What an erasure would make unreadable: the events of some streams that are sealed with keys that live."""

from collections import Counter
from collections.abc import Collection, Mapping

import msgspec

from infra.history.store import History


class SealedEvents(msgspec.Struct, frozen=True):
    """Events of one type that are sealed with one subject's living key, and how many there are."""

    subject: str
    type: str
    count: int


async def sealed_events(history: History, streams: Collection[str]) -> list[SealedEvents]:
    """The events of these streams whose personal data can still be read, by subject and type.

    Raises:
        Unavailable: retryable.
    """
    async with history.keys() as (keys, conn):
        cursor = await conn.execute(
            "SELECT e.subject, e.type, e.key_id, count(*) FROM history.stream_versions v"
            " JOIN history.events e ON e.position = v.position"
            " WHERE v.stream = ANY (%s) AND e.key_id IS NOT NULL AND e.subject IS NOT NULL GROUP BY 1, 2, 3",
            (list(streams),),
        )
        rows = await cursor.fetchall()
        found = await keys.store.find(conn, {row[2] for row in rows})
        living = {key.key_id for key in found if key.wrapped is not None}
    counts = Counter[tuple[str, str]]()
    for subject, name, key_id, count in rows:
        if key_id in living:
            counts[subject, name] += count
    return [SealedEvents(subject, name, count) for (subject, name), count in sorted(counts.items())]


def by_type(found: Collection[SealedEvents]) -> Mapping[str, int]:
    """How many events of each type, the most frequent first."""
    counts = Counter[str]()
    for one in found:
        counts[one.type] += one.count
    return dict(counts.most_common())
