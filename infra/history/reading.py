"""The ways of reading the history, each with the index that it goes by (schema.sql); nothing here opens what is sealed.

Each statement takes as long after ten years as on the first day: `ORDER BY position LIMIT` along an index of each
range from the wanted position on, a stream through ``history.stream_versions`` to its positions and no other range.
"""

from collections.abc import Collection
from typing import Any, Final, TypedDict, Unpack

from infra.history.canonical import COLUMNS, StoredEvent
from infra.history.errors import Unreadable
from infra.history.writes import Connection

_ALL: Final = f"SELECT {COLUMNS} FROM history.events"  # noqa: S608 -- constants, as everywhere in this module
_AFTER: Final = "position > %s ORDER BY position LIMIT %s"

EVERYTHING: Final = f"{_ALL} WHERE {_AFTER}"
OF_TYPE: Final = f"{_ALL} WHERE type = %s AND {_AFTER}"
OF_CATEGORY: Final = f"{_ALL} WHERE split_part(stream, '-', 1) = %s AND {_AFTER}"
OF_CORRELATION: Final = f"{_ALL} WHERE correlation_id = %s AND {_AFTER}"

# LIMIT 1 keeps the planner from joining any other way than position by position, each in the one range that has it.
_AT: Final = f"LATERAL ({_ALL} e WHERE e.position = at.position LIMIT 1) e ON true"

# Types beside each other: their first positions are merged, so that a rare one is not looked for among the frequent.
OF_TYPES: Final = f"""
SELECT e.* FROM (
    SELECT p.position FROM unnest(%s::text[]) AS wanted (type)
      JOIN LATERAL (SELECT position FROM history.events e
                     WHERE e.type = wanted.type AND {_AFTER}) p ON true
     ORDER BY p.position LIMIT %s) at
  JOIN {_AT} ORDER BY at.position
"""  # noqa: S608
_STREAM: Final = f"""
SELECT e.*, at.version, at.position FROM history.stream_versions at
  LEFT JOIN {_AT} WHERE at.stream = %s AND at.version > %s ORDER BY at.version"""  # noqa: S608
STREAM: Final = f"{_STREAM} LIMIT %s"
STREAM_BACKWARDS: Final = f"{_STREAM} DESC LIMIT %s"


class Wanted(TypedDict, total=False):
    """Which events are read; nothing, or None: all. At most one of these at once.

    Attributes:
        types: only of these wire names.
        category: only of the streams whose names begin so, up to the first ``-``: ``case``, ``customer``.
        correlation_id: only of this case or other conversation.
    """

    types: Collection[str] | None
    category: str | None
    correlation_id: str | None


def narrowed(wanted: Wanted) -> bool:
    """Whether not every event is wanted.

    Raises:
        ValueError: two things are wanted at once: there is no index for that.
    """
    by = [name for name, value in wanted.items() if value is not None]
    if len(by) > 1:
        raise ValueError(
            "the history is read by types, by category or by correlation, not by two of them at once:"
            f" {' and '.join(by)}"
        )
    return bool(by)


async def rows(conn: Connection, *, after: int, limit: int, **wanted: Unpack[Wanted]) -> list[StoredEvent]:
    """Up to ``limit`` rows after a position, in order.

    Raises:
        ValueError: more than one thing is wanted.
        psycopg.Error: PostgreSQL did not answer.
    """
    narrowed(wanted)
    if (types := wanted.get("types")) is not None:
        names = sorted({name for name in types if "\0" not in name})  # PostgreSQL keeps no such text
        if len(names) != 1:
            return await _fetch(conn, OF_TYPES, (names, after, limit, limit)) if names else []
        return await _fetch(conn, OF_TYPE, (names[0], after, limit))
    for query, value in ((OF_CATEGORY, wanted.get("category")), (OF_CORRELATION, wanted.get("correlation_id"))):
        if value is not None:
            return await _fetch(conn, query, (value, after, limit)) if "\0" not in value else []
    return await _fetch(conn, EVERYTHING, (after, limit))


async def stream_rows(
    conn: Connection, stream: str, *, after: int, limit: int | None, backwards: bool
) -> list[StoredEvent]:
    """The stream's rows after a version; with ``backwards`` from the newest on.

    Raises:
        Unreadable: an event that the stream must have is not where it was written.
        psycopg.Error: PostgreSQL did not answer.
    """
    if "\0" in stream:
        return []
    query = STREAM_BACKWARDS if backwards else STREAM
    cursor = await conn.execute(query.encode(), (stream, after, limit), binary=True)
    found = []
    for row in await cursor.fetchall():
        *event, version, position = row
        if event[0] is None:
            raise Unreadable(
                f"{stream} has a version {version} at position {position}, and no event is there: its range was"
                " detached, or it was removed (ringback history verify)"
            )
        found.append(StoredEvent(*event))
    return found


async def _fetch(conn: Connection, query: str, values: tuple[Any, ...]) -> list[StoredEvent]:
    cursor = await conn.execute(query.encode(), values, binary=True)  # text would double every byte of payload
    return [StoredEvent(*row) for row in await cursor.fetchall()]
