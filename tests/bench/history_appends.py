"""What the bench of the history appends, and what it took."""

import asyncio
import time
from typing import ClassVar, Final
from uuid import uuid4

from infra.clock import utc_now
from infra.history.event import Event, NewEvent, Personal, Plain
from infra.history.store import History, StreamWrite
from tests.bench.rivals.store import summed

STREAM_LENGTH: Final = 20
FILLING: Final = 3
"""So many tasks fill a history: the next events are made while some are written."""


class Seen(Event, frozen=True, kw_only=True):
    """What is appended: some 200 bytes, as an event of a case has."""

    wire_name: ClassVar[str] = "bench.seen"
    alert_id: Plain
    card_id: Plain
    verdict: Plain
    severity: Plain
    distance_km: float
    elapsed_s: int
    ruleset_version: Plain


class SeenOf(Event, frozen=True, kw_only=True):
    """The same with a sentence that is encrypted."""

    wire_name: ClassVar[str] = "bench.seen-of"
    alert_id: Plain
    text: Personal


SEEN: Final = Seen(
    alert_id="5b5d9b9e-0f5c-5a51-9f0e-6f6a1d9f7c11",
    card_id="card-0123456789abcdef",
    verdict="alert",
    severity="high",
    distance_km=9_876.5,
    elapsed_s=3_600,
    ruleset_version="17",
)
SEEN_OF: Final = SeenOf(alert_id=SEEN.alert_id, text="Two payments, an hour apart, in Phnom Penh and in Paris.")


def new(case: object, event: Event = SEEN) -> NewEvent:
    """An event of its own."""
    return NewEvent(
        event=event,
        event_id=uuid4(),
        occurred_at=utc_now(),
        actor="system:casework",
        subject="customer-0123456789",
        correlation_id=f"case-{case}",
        causation_id=SEEN.alert_id,
    )


class Taken:
    """What appends took, in one turn or in many."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self.waits: list[float] = []
        self.seconds = 0.0
        self.cpu_s: float | None = None

    def add(self, waits: list[float], seconds: float, cpu_s: float | None = None) -> None:
        """One more turn."""
        self.waits += waits
        self.seconds += seconds
        if cpu_s is not None:
            self.cpu_s = (self.cpu_s or 0.0) + cpu_s

    def figures(self) -> dict[str, float]:
        """Of all turns together."""
        told = summed(self.waits, self.seconds, self._batch)
        if self.cpu_s is not None:
            told["cpu_us"] = round(self.cpu_s / (len(self.waits) * self._batch) * 1e6, 1)
        return told


async def append(
    history: History, writers: int, batch: int, seconds: float, *, event: Event = SEEN, taken: Taken | None = None
) -> dict[str, float]:
    """So many tasks append batches for so long; the figures of this, and of what ``taken`` had before."""
    taken = taken or Taken(batch)
    waits: list[float] = []
    began, own = time.perf_counter(), time.process_time()
    end = began + seconds

    async def write() -> None:
        stream, version = uuid4().hex, 0
        while time.perf_counter() < end:
            if version >= STREAM_LENGTH and batch == 1:
                stream, version = uuid4().hex, 0
            asked = time.perf_counter()
            await history.append(StreamWrite(f"case-{stream}", [new(stream, event) for _ in range(batch)], version))
            waits.append(time.perf_counter() - asked)
            version += batch

    await asyncio.gather(*(write() for _ in range(writers)))
    taken.add(waits, time.perf_counter() - began, time.process_time() - own)
    return taken.figures()


async def fill(history: History, events: int) -> None:
    """Up to so many, in streams of the usual length; the next batches are made while one is written."""
    left = events - (await history.head()).position

    async def write() -> None:
        nonlocal left
        while left > 0:
            streams = [uuid4().hex for _ in range(min(1_000, left) // STREAM_LENGTH + 1)]
            left -= len(streams) * STREAM_LENGTH
            await history.append(*(StreamWrite(f"case-{s}", [new(s) for _ in range(STREAM_LENGTH)]) for s in streams))

    await asyncio.gather(*(write() for _ in range(FILLING)))
