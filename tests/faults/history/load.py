"""Writers and a reader on one history, who try again as the product does, and the verdict on what they leave."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from infra.clock import Clock, utc_now
from infra.history.errors import CheckpointMoved, Unavailable
from infra.history.event import NewEvent, derived_id
from infra.history.store import Connection, History, StreamWrite
from infra.history.subscription import Subscription
from infra.history.verify import verify
from tests.infra.history.notes import Counted, NoteTaken

_PAUSE_S = 0.02
_READER = "faults"


@dataclass
class Told:
    """What the writers and the reader were told, all in all."""

    positions: dict[UUID, int] = field(default_factory=dict)
    """Where each event is, by what its append answered; of a batch the last."""
    written: int = 0
    within: int = 0
    unavailable: int = 0
    repeated: int = 0
    moments: list[datetime] = field(default_factory=list)


class Load:
    """Writers that append until they are told to stop, each to a stream of its own and to those that all share.

    Args:
        random: the run's.
        told: what they were told.
    """

    def __init__(self, random: Random, told: Told | None = None) -> None:
        self.told = told or Told()
        self.stopping = False
        self.random = random
        self._seen = 0
        self._passed: list[str] = []

    async def prepare(self, history: History) -> None:
        """Makes the table that stands for a role's own rows."""
        async with history.pool.connection() as conn:
            await conn.execute("CREATE TABLE views.done (writer integer, number integer, PRIMARY KEY (writer, number))")

    async def write(self, history: History, writer: int, *, clock: Clock = utc_now, pause_s: float = 0.0) -> None:
        """Appends until it is stopped; what is unavailable is tried again with the same ids."""
        version = number = 0
        while not self.stopping:
            number += 1
            own = [self._event(writer, number, place, clock) for place in range(self.random.randint(1, 4))]
            shared = self._event(writer, number, "shared", clock)
            writes = [StreamWrite(f"case-{writer}", own, version)]
            if number % 3:
                writes.append(StreamWrite(f"customer-{self.random.randrange(5)}", [shared]))
            within = self._done(writer, number) if number % 4 == 0 else None
            appended = await self._until_answered(partial(history.append, *writes, within=within))
            version += len(own)
            assert appended.versions[f"case-{writer}"] == version, (
                "an event of its own stream was lost, or is there twice"
            )
            self.told.positions[writes[-1].events[-1].event_id] = appended.position
            self.told.written += sum(len(write.events) for write in writes)
            self.told.within += within is not None
            self.told.repeated += appended.repeated
            await asyncio.sleep(pause_s)

    async def read(self, history: History, until: Callable[[], int | None]) -> None:
        """Follows from its checkpoint, again and again, until ``until`` names the last position and it is read."""
        while (end := until()) is None or self._seen < end:
            try:
                subscription = Subscription(history, _READER)
                before = await subscription.checkpoint()
                async with aclosing(subscription.batches(limit=50)) as batches:
                    async for batch in batches:
                        positions = [recorded.position for recorded in batch]
                        if positions != list(range(before + 1, before + 1 + len(positions))):
                            self._passed.append(f"{positions[0]} to {positions[-1]}, not from {before + 1}")
                        before = positions[-1]
                        async with history.transaction() as conn:
                            await subscription.advance(conn, before)
                        self._seen = max(self._seen, before)
                        if (end := until()) is not None and self._seen >= end:
                            return
            except (Unavailable, CheckpointMoved):
                await asyncio.sleep(_PAUSE_S)

    async def judge(self, history: History) -> None:
        """Holds the history to what it told: nothing lost, nothing twice, no hole, the chain whole."""
        told = self.told
        found: dict[UUID, int] = {}
        after = 0
        moments = []
        while batch := await history.read(after=after, limit=5_000):
            assert [recorded.position for recorded in batch] == list(range(after + 1, after + len(batch) + 1)), "a hole"
            assert not found.keys() & {recorded.event_id for recorded in batch}, "an event twice"
            found |= {recorded.event_id: recorded.position for recorded in batch}
            moments += [recorded.recorded_at for recorded in batch]
            after = batch[-1].position
        assert moments == sorted(moments), "a moment goes back"
        told.moments = moments
        assert len(found) == told.written, "an event was acknowledged and is lost, or nobody was told of it"
        wrong = {event_id for event_id, position in told.positions.items() if found.get(event_id) != position}
        assert not wrong, f"{len(wrong)} events are not where their writers were told"
        async with history.pool.connection() as conn:
            cursor = await conn.execute("SELECT count(*) FROM views.done")
            assert await cursor.fetchone() == (told.within,), "what was to happen within an append, and that append"
        assert not self._passed, f"the reader passed an event: {self._passed[:3]}"
        verified = await verify(history)
        assert verified.intact, verified.problems[:3]

    async def _until_answered(self, append: Callable[[], Any]) -> Any:
        while True:
            try:
                return await append()
            except Unavailable:
                self.told.unavailable += 1
                await asyncio.sleep(_PAUSE_S)

    @staticmethod
    def _event(writer: int, number: int, place: object, clock: Clock) -> NewEvent:
        event = Counted(number=number) if number % 2 else NoteTaken(about="card", text="It was not me")
        return NewEvent(
            event=event,
            event_id=derived_id("faults", writer, number, place),
            occurred_at=clock(),
            actor=f"system:{writer}",
            subject=f"customer-{writer % 3}",
            correlation_id=f"case-{writer}",
        )

    @staticmethod
    def _done(writer: int, number: int) -> Any:
        async def within(conn: Connection) -> None:
            await conn.execute("INSERT INTO views.done VALUES (%s, %s) ON CONFLICT DO NOTHING", (writer, number))

        return within
