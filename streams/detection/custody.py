"""The partitions that this worker has in its care, from the claim to the last flush."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Final, NamedTuple

from infra.clock import Clock
from infra.metrics import DETECTION_BATCH_SECONDS, DETECTION_FLUSH_SECONDS, DETECTION_PARTITIONS
from infra.settings import Settings
from streams.detection import failpoint
from streams.detection.errors import LetGo, TopicReplaced
from streams.detection.incarnation import Incarnation
from streams.detection.knowledge import Knowledge
from streams.detection.outbox import Outbox
from streams.detection.partition import REMEMBERED_S, Partition
from streams.detection.rows import Rows
from streams.detection.state import PartitionState
from streams.detection.stretch import Hearing
from streams.detection.tally import count
from streams.errors import BrokerAway, TopicMissing
from streams.topics import TopicIdentity, ensure_topics

logger = logging.getLogger(__name__)

FLUSH_CARDS: Final = 8_000
"""Changed cards that begin a flush at once."""
FLUSH_ROWS: Final = 12_000
"""So do so many judged records, however few cards they are of: they are kept until they are flushed."""
FLUSH_EVERY_S: Final = 0.25
"""So often each partition is flushed that changed, however little it is."""
_MUCH: Final = 2_500
"""A batch of so many records says that more are waiting. While so, flushes by time are a second apart: a card
that is seen again meanwhile is written once, and nobody waits for the position of a worker that is behind."""
_BEHIND_EVERY: Final = 4
_AT_MOST: Final = 2
"""So many times as much may be judged while a flush is under way; then judging waits for it."""
_AGAIN_S: Final = 0.25
_LAST_FLUSH_S: Final = 5.0


class Batch(NamedTuple):
    """Records as they were consumed, by partition, under the assignment of that number."""

    assignment: int
    rows: list[tuple[int, Rows]]


class Custody:
    """Claims partitions, judges what comes of them, flushes, and gives them up.

    Its methods may be called from several tasks; they take turns. Whatever makes a partition's state worthless (another
    worker's claim, a Redis that forgot, a topic made anew) ends in `dropped`, which makes the intake join the group
    anew.

    What a worker holds is bounded: `detection_cards_kept` cards a partition, the records that are not flushed yet (some
    ten thousand a partition; while Redis is away twice that, then judging waits), 48 MiB of compressed recent
    records, and 8 MiB fetched ahead.

    Attributes:
        judging: set when the agent listens; what is put on a channel before would be lost.
        said: by partition, up to where all has been said although Redis forgot it; set by the intake after each `take`.
        settled: set as soon as the group has said for the first time which partitions are ours, and they are claimed.
    """

    def __init__(self, settings: Settings, outbox: Outbox, clock: Clock, *, dropped: Callable[[LetGo], None]) -> None:
        self._settings = settings
        self._servers = settings.kafka_servers or ""
        self._outbox = outbox
        self._clock = clock
        self._dropped = dropped
        self._incarnation = Incarnation(self._servers)
        self._knowledge = Knowledge(settings, outbox, written=self._written, intended=self._intended)
        self._identity: TopicIdentity | None = None
        self._held: dict[int, Partition] = {}
        self._flushes: dict[int, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self._assignment = 0
        self._stored: dict[int, int] = {}
        self.said: dict[int, int] = {}
        self._behind = False
        self._ticks = 0
        self._closing: set[asyncio.Future[None]] = set()
        self.settled = asyncio.Event()
        self.judging = asyncio.Event()

    @property
    def now_ms(self) -> int:
        """The present moment, milliseconds since 1970 UTC."""
        return int(self._clock().timestamp() * 1000)

    @property
    def positions(self) -> dict[int, int]:
        """The next offset to be judged of each partition in hand."""
        return {number: position for number, (position, _applied_ms) in self.progress.items()}

    @property
    def progress(self) -> dict[int, tuple[int, int]]:
        """The same, and the broker's time stamp of the newest record judged, milliseconds; from any thread."""
        return {number: (each.position, each.applied_ms) for number, each in list(self._held.items())}

    @property
    def stored(self) -> dict[int, int]:
        """The position of each partition in hand that was written last; what came before it has been said."""
        return dict(self._stored)

    @property
    def identity(self) -> str:
        """Of the topic whose partitions are in hand."""
        return str(self._identity)

    @property
    def remembered_s(self) -> int:
        """How far behind the present what is in the topic may still matter, seconds."""
        return max([REMEMBERED_S, *(each.memory_s + 86_400 for each in self._knowledge.announced)])

    async def take(self, numbers: Iterable[int]) -> tuple[int, dict[int, int | None]]:
        """Claims these partitions, in place of what was held before.

        Returns:
            The number of this assignment, which batches must carry, and for each partition the offset to begin at;
            None is the topic's beginning.
        """
        async with self._turn:
            await self._drop()
            self._assignment += 1
            self._identity = await self._identified()
            self.said = {}
            self._outbox.recall.begin(str(self._identity))
            begin: dict[int, int | None] = {}
            for number in sorted(numbers):
                state = PartitionState(self._settings.redis_url or "", number)
                claim = await state.claim(self._identity, self._clock())
                failpoint.reached("claimed")
                partition = Partition(
                    state,
                    claim,
                    identity=str(self._identity),
                    cards_kept=self._settings.detection_cards_kept,
                    allow_card_numbers=self._settings.allow_card_numbers,
                )
                again = await partition.load()
                self._held[number] = partition
                begin[number] = claim.position
                if claim.reissue:
                    logger.warning(
                        "partition %d: the topic was replaced; %d standing alerts are sent again, and the feed is to "
                        "send again everything since the time that `gaps` names",
                        number,
                        len(again),
                    )
                await self._outbox.put(partition, again)
            await self._knowledge.begin(self._held.values())
            await self._outbox.get_ready(self._held)
            failpoint.reached("loaded")
            _tell_held(len(self._held))
            logger.info("claimed partitions %s of %s", sorted(self._held), self._identity)
            self.settled.set()
            return self._assignment, begin

    async def judge(self, batch: Batch) -> None:
        """Judges a batch; one of an earlier assignment counts for nothing."""
        async with self._turn:
            if batch.assignment != self._assignment:
                return
            began = time.perf_counter()
            self._behind = sum(len(rows.offsets) for _number, rows in batch.rows) >= _MUCH
            asked = [(self._held[number], rows) for number, rows in batch.rows if number in self._held]
            try:
                for partition, rows in asked:
                    if partition.stretch is None and partition.ask_ahead(rows):  # else they are judged in parts
                        await asyncio.sleep(0)  # so that Redis is asked while the next ones' rows are decoded
                for partition, rows in asked:
                    await self._judge_batch(partition, rows)
            finally:
                for partition, _ in asked:
                    partition.ask_no_more()
            DETECTION_BATCH_SECONDS.observe(time.perf_counter() - began)

    async def _judge_batch(self, partition: Partition, rows: Rows) -> None:
        if self._held.get(partition.number) is not partition:
            return
        if not await self._knowledge.inform(partition, rows.offsets[0]):
            return
        self._outbox.recall.keep(partition.number, rows.offsets, rows.values, rows.blocks)  # alerts ask for them
        for run in [rows] if partition.stretch is None else partition.stretch.parts(rows):
            if run is rows or await self._knowledge.inform(partition, run.offsets[0]):
                await self._judge(partition, run)

    async def _judge(self, partition: Partition, rows: Rows) -> None:
        for part, was_said in rows.parts(self.said.get(partition.number, 0)):
            outcomes = await partition.judge(part)
            count(partition.counts, len(part.offsets), outcomes, was_said=was_said)
            failpoint.reached("judged")
            if partition.stretch is not None:
                outcomes = partition.stretch.judged(part, outcomes)
            if outcomes and not was_said:
                await self._outbox.put(partition, outcomes)
                await asyncio.sleep(0)  # what was found leaves before the rest is judged
        if partition.dirty >= FLUSH_CARDS or partition.pending >= FLUSH_ROWS:
            await self._begin_flush(partition)

    async def flush_next(self) -> float:
        """Begins a flush of the partition whose turn it is, if it changed and none is under way.

        One after the other: whoever judges asks Redis for cards, and would wait for the flushes of all.

        Returns:
            How many seconds later it is the next one's turn; while behind, four times as many.
        """
        async with self._turn:
            self._ticks += 1
            held = list(self._held.values())
            if held and (partition := held[self._ticks % len(held)]).number not in self._flushes:
                await self._begin_flush(partition)
            return FLUSH_EVERY_S * (_BEHIND_EVERY if self._behind else 1) / max(1, len(held))

    async def sweep(self) -> None:
        """Goes on looking for cards that are too old to matter, a little of each partition."""
        async with self._turn:
            for partition in list(self._held.values()):
                await partition.sweep()

    async def look_for_replacement(self) -> None:
        """Asks the broker whether the topic is still the one that is read, so that a quiet one is noticed as well."""
        async with self._turn:
            identity = self._identity if self._held else None
            assignment = self._assignment
        if identity is None:
            return
        try:
            now = await self._incarnation.now()
        except TopicMissing:
            now = None
        except BrokerAway:
            return
        if now != identity and assignment == self._assignment:  # else it has been given up meanwhile
            self.let_go(TopicReplaced(f"the topic was {identity}, and is {now} now"))

    async def look_for_loss(self) -> None:
        """Asks Redis of partitions of which nothing was written lately, so that a quiet one is noticed as well."""
        for partition in list(self._held.values()):
            try:
                await partition.state.look()
            except LetGo as error:
                if self._held.get(partition.number) is partition:
                    self.let_go(error)
                return

    async def hear(self) -> None:
        """Looks for news of rule sets and of what was said, for the partitions whose next record is known."""
        await self._knowledge.look_for_rulesets()
        async with self._turn:
            await self._knowledge.look([partition for partition in self._held.values() if partition.begun])

    async def give_up(self, *, flush: bool) -> None:
        """Ends the care of all partitions; with `flush`, what was judged is written first, if that is quick."""
        failpoint.reached("before-hand-over")
        try:
            async with asyncio.timeout(_LAST_FLUSH_S), self._turn:
                if flush:
                    await self._flush_now()
        except TimeoutError:  # the broker or Redis is away, and whoever judges waits for it
            logger.warning("not flushed in time; what was judged since the last flush is judged again")
        except LetGo as error:
            logger.warning("not flushed: %s", error)
        failpoint.reached("after-hand-over")
        self._assignment += 1
        await self._drop()
        await self._knowledge.close()

    def let_go(self, error: LetGo) -> None:
        """Drops every partition unflushed, and says so."""
        logger.warning("letting go of all partitions: %s", error)
        self._assignment += 1  # nothing that is still on its way is judged
        self._end_flushes()  # they may wait for a broker that is away, and what they write would be worthless
        held, self._held, self._stored = self._held, {}, {}
        _tell_held(0)
        for partition in held.values():
            partition.released = True
            closing = asyncio.ensure_future(partition.state.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._dropped(error)

    async def _identified(self) -> TopicIdentity:
        while True:
            try:
                return await self._incarnation.now()
            except (BrokerAway, TopicMissing) as error:
                logger.info("waiting for the topic: %s", error)
                await asyncio.sleep(_AGAIN_S)
                if isinstance(error, TopicMissing):
                    await asyncio.to_thread(ensure_topics, self._servers, self._settings)

    async def _written(self, partition: Partition, first: Callable[[], None] | None = None) -> bool:
        """Writes all that the partition changed, and what `first` changes; False where it was let go meanwhile."""
        await self._flush_ended(partition)
        if self._held.get(partition.number) is partition:
            if first is not None:
                first()
            await self._begin_flush(partition)
            await self._flush_ended(partition)
        return self._held.get(partition.number) is partition

    async def _intended(self, partition: Partition, hearing: Hearing) -> bool:
        """Writes what is about to be heeded, and nothing else; False where it was let go meanwhile."""
        await self._flush_ended(partition)
        if self._held.get(partition.number) is partition:
            self._begin_to_write(partition, partition.state.intend(hearing))
            await self._flush_ended(partition)
            failpoint.reached("intended")
        return self._held.get(partition.number) is partition

    async def _flush_ended(self, partition: Partition) -> None:
        if (running := self._flushes.get(partition.number)) is not None:
            await asyncio.wait([running])

    async def close(self) -> None:
        """Ends what is read beside the partitions; to be called when all are given up."""
        await self._knowledge.close()

    async def _begin_flush(self, partition: Partition) -> None:
        if partition.stretch is not None and partition.stretch.kept:
            return  # the position would pass what nobody has been told yet
        running = self._flushes.get(partition.number)
        if running is not None:
            if partition.dirty < _AT_MOST * FLUSH_CARDS and partition.pending < _AT_MOST * FLUSH_ROWS:
                return
            await asyncio.wait([running])
            if self._held.get(partition.number) is not partition:
                return
        identity = self._identity
        change = partition.snapshot()
        if change is None or identity is None:
            return
        ticket = self._outbox.ticket

        async def write() -> None:
            began = time.perf_counter()
            await self._outbox.acknowledged(ticket)
            await self._incarnation.confirm(identity)
            failpoint.reached("before-write")
            await partition.state.flush(change)
            failpoint.reached("after-write")
            partition.written()
            if self._held.get(partition.number) is partition:
                self._stored[partition.number] = change.position
            DETECTION_FLUSH_SECONDS.observe(time.perf_counter() - began)

        self._begin_to_write(partition, write())

    def _begin_to_write(self, partition: Partition, write: Coroutine[None, None, None]) -> None:
        task = self._flushes[partition.number] = asyncio.create_task(write)
        task.add_done_callback(lambda done: self._flushed(partition, done))

    def _flushed(self, partition: Partition, task: asyncio.Task[None]) -> None:
        if self._flushes.get(partition.number) is task:
            del self._flushes[partition.number]
        if task.cancelled() or (error := task.exception()) is None or self._held.get(partition.number) is not partition:
            return
        if isinstance(error, LetGo):
            self.let_go(error)
        else:
            logger.critical("a flush failed for a reason that is not understood", exc_info=error)
            self.let_go(LetGo(repr(error)))

    async def _flush_now(self) -> None:
        if self._flushes:
            await asyncio.wait(list(self._flushes.values()))
        for partition in list(self._held.values()):
            await self._begin_flush(partition)
        if self._flushes:
            done, _ = await asyncio.wait(list(self._flushes.values()))
            for flush in done:
                if not flush.cancelled():  # by whoever let everything go meanwhile
                    flush.result()

    def _end_flushes(self) -> None:
        for task in self._flushes.values():
            task.cancel()
        self._flushes.clear()

    async def _drop(self) -> None:
        self._end_flushes()
        held, self._held, self._stored = self._held, {}, {}
        _tell_held(0)
        for partition in held.values():
            partition.released = True
            await partition.state.close()


def _tell_held(partitions: int) -> None:
    DETECTION_PARTITIONS.labels(str(os.getpid())).set(partitions)
