"""What detection has to say, in order, until the broker has acknowledged it.

Alerts and refusals leave in the order in which they were judged: the later word on a suspect stands, so a retry must
never overtake. Several batches of them are under way at once, which an idempotent producer keeps in order; when one
fails, nothing more is said until everything from it on has been said again, in order. Judging goes on meanwhile; only
the position waits (`acknowledged`).

What was found in a partition that has been given up is not said: its next holder finds and says it, and an old word
after a newer one would stand. A worker that stood still looks before it speaks (`PartitionState.is_ours`). What the
broker's driver held already when it stood still is said nevertheless; readers know it for a word that they have heard.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Collection, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from infra.clock import Clock
from infra.metrics import ALERTS, RULESET_ALERTS
from infra.metrics import TRANSACTIONS_REFUSED as REFUSED
from infra.settings import Settings
from rules.alert import encode, make_alert
from rules.transaction import Refusal, Transaction, decode
from streams.detection import failpoint
from streams.detection.evidence import RecordReader
from streams.detection.partition import Partition
from streams.detection.recall import Recall
from streams.detection.rows import Found, Outcome, SetAside
from streams.errors import BrokerAway, StreamsError
from streams.feed.refused import Origin, refusal_message
from streams.feed.rows import explained
from streams.producer import Outgoing, Producer, Sent, answers
from streams.topics import FRAUD_ALERTS, TRANSACTIONS, TRANSACTIONS_REFUSED, ensure_topics

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 200
_AHEAD: Final = 8
"""So many times may be posted before the broker has answered the first: one slow answer holds up nobody behind it."""
_FEW_BLOCKS: Final = 40
"""So many are unpacked at once, which takes some milliseconds; a thread would wait longer for its turn at each."""
_AGAIN_S: Final = 0.25
ROOM: Final = 2_000
"""Outcomes that may wait; beyond that, judging waits for them."""


class _Posted(NamedTuple):
    """Messages under way, what the broker will have said to each, and of how many outcomes they are."""

    outcomes: int
    messages: list[tuple[Partition, Outgoing]]
    posted: list["asyncio.Future[Sent]"]


class Outbox:
    """Sends what the judging brought, in order; `run` does the work, as a task of its own.

    Attributes:
        recall: what passed here lately; whoever judges puts it there.
    """

    def __init__(self, producer: Producer, settings: Settings, clock: Clock) -> None:
        self._producer = producer
        self.recall = Recall()
        self._readers: dict[int, RecordReader] = {}
        self._settings = settings
        self._clock = clock
        self._waiting: deque[tuple[Partition, Outcome]] = deque()
        self._begun = 0
        self._posted: list[_Posted] = []
        self._speaking = asyncio.Lock()
        self._put = 0
        self._sent = 0
        self._changed = asyncio.Condition()

    async def put(self, partition: Partition, outcomes: Sequence[Outcome]) -> None:
        """Takes outcomes to be sent; waits while more than `ROOM` are waiting."""
        if not outcomes:
            return
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) < ROOM)
            self._waiting.extend((partition, outcome) for outcome in outcomes)
            self._put += len(outcomes)
            self._changed.notify_all()

    async def get_ready(self, numbers: Collection[int]) -> None:
        """Connects what looks records up, so that the first alert of a partition need not wait for it."""
        await asyncio.gather(*(self._reader(number).get_ready() for number in numbers))

    @property
    def ticket(self) -> int:
        """Stands for everything that has been put so far."""
        return self._put

    async def acknowledged(self, ticket: int) -> None:
        """Returns when the broker has acknowledged everything that the ticket stands for."""
        if self._sent < ticket:
            async with self._changed:
                await self._changed.wait_for(lambda: self._sent >= ticket)

    async def run(self) -> None:
        """Sends for ever.

        Raises:
            RuntimeError: one of the two ended as if cancelled, and nobody had; nothing would be said any more.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_to_the_end(self._say()))
            tasks.create_task(_to_the_end(self._hear()))

    async def _say(self) -> None:
        """Posts what waits, some at a time, ahead of the broker's answers."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._begun < len(self._waiting) and len(self._posted) < _AHEAD)
            batch = list(islice(self._waiting, self._begun, self._begun + _AT_ONCE))
            raw = await self._look_up(batch)
            failpoint.reached("before-alerts")
            messages = [(partition, self._message(partition, outcome, raw)) for partition, outcome in batch]
            async with self._speaking, self._changed:
                self._begun += len(batch)
                self._posted.append(await self._post(len(batch), messages))
                self._changed.notify_all()

    async def _hear(self) -> None:
        """Takes the broker's answers, in the order in which was posted."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._posted))
            done = self._posted[:1]
            if any(isinstance(answer, StreamsError) for answer in await answers(done[0].posted)):
                async with self._speaking:  # nothing new is said until all that is under way is
                    done = list(self._posted)
                    await self._say_again(done)
            failpoint.reached("after-alerts")
            async with self._changed:
                del self._posted[: len(done)]
                for _ in range(sum(each.outcomes for each in done)):
                    self._waiting.popleft()
                    self._begun -= 1
                    self._sent += 1
                self._changed.notify_all()

    async def _post(self, outcomes: int, messages: list[tuple[Partition, Outgoing]]) -> "_Posted":
        messages = await self._still_ours(messages)
        return _Posted(outcomes, messages, await self._producer.post([message for _partition, message in messages]))

    async def _say_again(self, under_way: Sequence["_Posted"]) -> None:
        """Sends everything from the first that the broker did not take on, until it has taken it in this order.

        What was taken behind the gap is sent again, so that the later word is the later one again.
        """
        messages = [message for each in under_way for message in each.messages]
        told = [answer for each in under_way for answer in await answers(each.posted)]
        said = False
        while (
            failed := next((at for at, each in enumerate(told) if isinstance(each, StreamsError)), None)
        ) is not None:
            if not said:
                logger.warning("the broker took %d of %d alerts, more to come: %s", failed, len(messages), told[failed])
                said = True
            await asyncio.sleep(_AGAIN_S)
            with contextlib.suppress(BrokerAway):
                await asyncio.to_thread(ensure_topics, self._settings.kafka_servers or "", self._settings)
            posted = await self._post(0, messages[failed:])
            messages, told = posted.messages, await answers(posted.posted)

    async def _still_ours(self, messages: list[tuple[Partition, Outgoing]]) -> list[tuple[Partition, Outgoing]]:
        for partition in {id(partition): partition for partition, _message in messages}.values():
            if not partition.released and not await partition.state.is_ours():
                logger.warning("partition %d is another's: what was found in it is not said", partition.number)
                partition.released = True
        return [(partition, message) for partition, message in messages if not partition.released]

    async def close(self) -> None:
        """Ends the look-ups; to be called when `run` has ended."""
        for reader in self._readers.values():
            await reader.close()
        self._readers.clear()

    def _message(self, partition: Partition, outcome: Outcome, raw: Mapping[tuple[int, int], bytes]) -> Outgoing:
        if isinstance(outcome, SetAside):
            REFUSED.labels("detection", outcome.reason).inc()
            return self._refused(partition, outcome)
        finding = outcome.finding
        RULESET_ALERTS.labels(outcome.ruleset.version, outcome.mode, finding.status).inc()
        if outcome.mode == "live":
            ALERTS.labels(finding.status, finding.verdict).inc()
        known: dict[int, Transaction] = {}
        for ref in finding.refs():
            with contextlib.suppress(Refusal, KeyError):
                transaction = decode(raw[partition.number, ref], allow_card_numbers=True)
                if transaction.card_id == outcome.card_id:
                    known[ref] = transaction
        alert = make_alert(
            finding,
            outcome.card_id,
            known,
            raised_at=self._clock(),
            arrived_at=None if outcome.stamp_ms is None else datetime.fromtimestamp(outcome.stamp_ms / 1000, UTC),
            ruleset=outcome.ruleset,
            mode=outcome.mode,
        )
        return Outgoing(FRAUD_ALERTS, outcome.card_id, encode(alert))

    async def _look_up(self, batch: Sequence[tuple[Partition, Outcome]]) -> dict[tuple[int, int], bytes]:
        """The records that the evidence tells of, by partition and ref: from what passed here, else from the topic."""
        asked: dict[int, dict[int, int]] = {}
        for partition, outcome in batch:
            for ref in outcome.finding.refs() if isinstance(outcome, Found) else ():
                offset = partition.offset(ref)
                if offset is not None and partition.identity == self.recall.identity:
                    asked.setdefault(partition.number, {})[offset] = ref
        answers = await asyncio.gather(*(self._records(number, offsets) for number, offsets in asked.items()))
        return {
            (number, refs[offset]): value
            for (number, refs), found in zip(asked.items(), answers, strict=True)
            for offset, value in found.items()
        }

    async def _records(self, number: int, offsets: Collection[int]) -> dict[int, bytes]:
        """One partition's records, in one pass."""
        found, packed = self.recall.find(number, offsets)
        if len(packed) <= _FEW_BLOCKS:
            unpacked = [one.records(wanted) for one, wanted in packed]
        else:
            unpacked = await asyncio.to_thread(lambda: [one.records(wanted) for one, wanted in packed])
        for some in unpacked:
            found.update(some)
        missing = [offset for offset in offsets if offset not in found]
        if missing:
            found.update(await self._reader(number).read(missing))
        return found

    def _reader(self, number: int) -> RecordReader:
        if number not in self._readers:
            self._readers[number] = RecordReader(self._settings.kafka_servers or "", number)
        return self._readers[number]

    def _refused(self, partition: Partition, outcome: SetAside) -> Outgoing:
        value = refusal_message(
            outcome.value,
            reason=outcome.reason,
            detail=explained(outcome.value, outcome.reason, outcome.field),
            origin=Origin(kind="topic", name=TRANSACTIONS, partition=partition.number, offset=outcome.offset),
            refused_at=self._clock(),
            incarnation=partition.identity,
        )
        return Outgoing(TRANSACTIONS_REFUSED, None, value)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """A cancellation that nobody asked for, which a group of tasks would take for a quiet end, is an error."""
    try:
        await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    raise RuntimeError("what is to be said for ever has ended")
