"""The history in figures: how much there is of what, and how far its readers have come."""

from typing import LiteralString

import msgspec
from psycopg.rows import TupleRow

from infra.history.store import Connection, History


class Reader(msgspec.Struct, frozen=True):
    """A subscription or a read model, and how many events it has still to read.

    ``behind`` of a subscription counts every event, also of the types that it does not want.
    """

    name: str
    position: int
    behind: int


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """All figures, of one moment.

    Attributes:
        position: of the last event; as many events there are.
        head_hash: the last event's hash, in hex; note it elsewhere to compare it one day.
        types: events by wire name, the most frequent first.
        keys: customers' keys that are there.
        destroyed_keys: keys that are destroyed.
        bytes: what the events and their indexes take on disk.
    """

    position: int
    head_hash: str
    streams: int
    types: dict[str, int]
    keys: int
    destroyed_keys: int
    bytes: int
    subscriptions: list[Reader]
    projections: list[Reader]


async def stats(history: History) -> Stats:
    """Counts, in one snapshot.

    Raises:
        Unavailable: retryable.
    """
    async with history.keys() as (keys, conn):  # they may lie in another database: outside the snapshot
        counted = await keys.store.counts(conn)
    async with history.transaction() as conn:
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        ((position, head_hash),) = await _rows(conn, "SELECT position, encode(hash, 'hex') FROM history.head")
        ((streams, size),) = await _rows(
            conn,
            "SELECT (SELECT count(*) FROM history.stream_versions WHERE version = 1),"
            " (SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree('history.events'))",
        )
        types = await _rows(conn, "SELECT type, count(*) FROM history.events GROUP BY type ORDER BY 2 DESC, 1")
        subscriptions = await _rows(conn, "SELECT name, position FROM history.subscriptions ORDER BY name")
        projections = await _rows(conn, "SELECT name, position FROM views.checkpoints ORDER BY name")
    return Stats(
        position=position,
        head_hash=head_hash,
        streams=streams,
        types=dict(types),
        keys=sum(counted.by_master.values()),
        destroyed_keys=counted.destroyed,
        bytes=size,
        subscriptions=[Reader(name, at, position - at) for name, at in subscriptions],
        projections=[Reader(name, at, position - at) for name, at in projections],
    )


async def _rows(conn: Connection, query: LiteralString) -> list[TupleRow]:
    return await (await conn.execute(query)).fetchall()
