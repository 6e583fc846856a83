"""Following the history from a stored checkpoint, by one leader at a time.

The checkpoint moves in the transaction of what was done about the events (``append(..., within=...)``), so that both
happen or neither. Whoever begins to lead or to read claims a new epoch; an older one moves nothing any more, whatever
it believes.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar, Unpack

from infra.history.canonical import StoredEvent
from infra.history.errors import CheckpointMoved
from infra.history.event import Event, Recorded
from infra.history.leadership import Leadership, leading
from infra.history.reading import Wanted, narrowed
from infra.history.store import Connection, History


class _Placed(Protocol):
    @property
    def position(self) -> int: ...


PlacedT = TypeVar("PlacedT", bound=_Placed)


class Subscription:
    """A named reader of the history, with a checkpoint that outlives it.

    Args:
        history: what is read.
        name: stable; the checkpoint is kept under it.
        wanted: only of these types, this category or this correlation.

    Raises:
        ValueError: more than one of types, category and correlation.
    """

    def __init__(self, history: History, name: str, **wanted: Unpack[Wanted]) -> None:
        self.name = name
        self._wanted = wanted
        self._narrowed = narrowed(wanted)
        self._history = history
        self._epoch: int | None = None
        self._leadership: Leadership | None = None

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[None]:
        """Waits until no other process leads this subscription, then leads it: ``async with subscription.lead():``.

        Raises:
            Unavailable: PostgreSQL cannot be reached: try again.
        """
        async with leading(self._history.postgres_url, f"subscription.{self.name}") as leadership:
            self._leadership = leadership
            try:
                await self._claim()
                yield
            finally:
                self._leadership = None
                self._epoch = None

    async def checkpoint(self) -> int:
        """The stored checkpoint: everything up to this position is done; 0 at first.

        Raises:
            Unavailable: retryable.
        """
        async with self._history.transaction() as conn:
            cursor = await conn.execute("SELECT position FROM history.subscriptions WHERE name = %s", (self.name,))
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def batches(self, limit: int = 500) -> AsyncGenerator[list[Recorded[Event]], None]:
        """The events after the stored checkpoint in order, then new ones as they come; never an empty batch.

        Reading does not move the checkpoint: :meth:`advance` does.

        Raises:
            Unavailable: PostgreSQL or the leadership is lost: lead and read again.
            WrongMasterKey, Unreadable: an event does not open.
        """
        async for batch in self._follow(self._history.read, limit):
            yield batch

    async def stored_batches(self, limit: int = 500) -> AsyncGenerator[list[StoredEvent], None]:
        """As :meth:`batches`, but as the rows are stored: personal data stays sealed."""
        async for batch in self._follow(self._history.read_stored, limit):
            yield batch

    async def advance(self, conn: Connection, position: int) -> None:
        """Moves the checkpoint inside the caller's transaction; the same position once more is harmless.

        Raises:
            CheckpointMoved: another has taken over, or the checkpoint is beyond this position. Stop: the
                transaction must not be committed.
        """
        cursor = await conn.execute(
            "UPDATE history.subscriptions SET position = %s WHERE name = %s AND epoch = %s AND position <= %s",
            (position, self.name, self._epoch, position),
        )
        if cursor.rowcount != 1:
            raise CheckpointMoved(
                f"the subscription {self.name} cannot advance to {position}: another leads it, or has moved it on"
            )

    async def _claim(self) -> int:
        async with self._history.transaction() as conn:
            cursor = await conn.execute(
                "INSERT INTO history.subscriptions AS s (name, epoch) VALUES (%s, 1)"
                " ON CONFLICT (name) DO UPDATE SET epoch = s.epoch + 1 RETURNING epoch, position",
                (self.name,),
            )
            row = await cursor.fetchone()
        if row is None:
            raise CheckpointMoved(f"the subscription {self.name} cannot be claimed")
        self._epoch = row[0]
        return int(row[1])

    async def _follow(self, read: Callable[..., Awaitable[list[PlacedT]]], limit: int) -> AsyncIterator[list[PlacedT]]:
        position = await self.checkpoint() if self._epoch is not None else await self._claim()
        while True:
            if self._leadership is not None:
                self._leadership.check()
            hints = self._history.wake.heard()
            batch = await read(after=position, limit=limit, **self._wanted)
            if not batch and self._narrowed:
                # Nothing is wanted up to here: the next read begins behind it. Read again, for what came in between.
                scanned = (await self._history.head()).position
                batch = await read(after=position, limit=limit, **self._wanted)
                position = max(position, scanned) if not batch else position
            if batch:
                position = batch[-1].position
                yield batch
            else:
                await self._history.wake.wait(hints)
