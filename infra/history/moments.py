"""Moments of the history: ``recorded_at`` never goes back along the positions, so a moment is a position."""

from datetime import UTC, datetime

import msgspec

from infra.history.errors import HistoryError
from infra.history.store import Connection, History


class NoMoment(HistoryError):
    """What was given is neither a moment nor a position of this history; the message says what is."""


class Moment(msgspec.Struct, frozen=True):
    """Everything up to the position was recorded then, and nothing behind it.

    Attributes:
        position: 0: before the first event.
        at: the moment that was asked for; where a position was, when its event was recorded.
    """

    position: int
    at: datetime

    def __str__(self) -> str:
        """The moment in UTC, and the position that it is."""
        if self.at.year == 1:
            return "the beginning, position 0"
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC, position {self.position}"


async def moment(history: History, given: str) -> Moment:
    """The moment that somebody names: RFC 3339 with an offset, or a position.

    Raises:
        NoMoment: it is neither, or the history does not go so far.
        Unavailable: retryable.
    """
    text = given.strip()
    async with history.transaction() as conn:
        head = await _head(conn)
        if text.isascii() and text.isdigit():
            position = int(text)
            if position > head:
                raise NoMoment(f"the history ends at position {head}; {position} is not there yet")
            found = await _recorded(conn, position) if position else datetime.min.replace(tzinfo=UTC)
            if found is None:
                raise NoMoment(f"position {position} is not there (ringback history verify)")
            return Moment(position, found.astimezone(UTC))
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise NoMoment(
                f"{text!r} is no moment: give one with its offset, as 2026-03-01T09:30:00Z or"
                " 2026-03-01T16:30:00+07:00, or a position"
            )
        return Moment(await position_at(conn, at, head), at.astimezone(UTC))


async def position_at(conn: Connection, at: datetime, head: int) -> int:
    """The last position that was recorded by then; 0 where nothing was. A few look-ups, however long the history is."""
    known, unknown = 0, head + 1
    while unknown - known > 1:
        middle = (known + unknown) // 2
        recorded = await _recorded(conn, middle)
        if recorded is not None and recorded <= at:
            known = middle
        else:
            unknown = middle
    return known


async def _recorded(conn: Connection, position: int) -> datetime | None:
    cursor = await conn.execute("SELECT recorded_at FROM history.events WHERE position = %s", (position,))
    row = await cursor.fetchone()
    return row[0] if row else None


async def _head(conn: Connection) -> int:
    ((position,),) = await (await conn.execute("SELECT position FROM history.head")).fetchall()
    return int(position)
