"""The transaction feed: librdkafka's consumer in a thread, whole batches to the agent.

Faust pays some 100 µs an event and nothing noticeable a batch. The thread asks for one record, waits until no more than
one batch is before it, takes whatever else is there by then, and puts it on the agent's channel: under load that is up
to 5,000 records, on a quiet feed it is one, which has not waited for others.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Coroutine, Iterable, Sequence
from itertools import groupby
from typing import Any, Final, TypeVar

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from mode import Service

from infra.metrics import DETECTION_LAG, DETECTION_LAG_SECONDS, DETECTION_STILL_SECONDS
from infra.settings import Settings
from infra.telemetry import not_ready, ready
from streams.detection.beginning import remembered, said
from streams.detection.custody import Batch, Custody
from streams.detection.lag import Lag, Lagging
from streams.detection.recall import blocks
from streams.detection.rows import Rows
from streams.errors import StreamsError
from streams.group import leave
from streams.runner import HEARTBEAT_S, SESSION_TIMEOUT_S
from streams.topics import TRANSACTIONS, ensure_topics

logger = logging.getLogger(__name__)

GROUP: Final = "ringback-detection"
BATCH: Final = 5_000
"""At most; batches of 2,000 cost an eighth more processor time."""
_AHEAD: Final = 2
"""Batches at a time, the one that is judged and the next: what arrives meanwhile is one batch, and not many small ones
that each ask Redis for their cards."""
_APART_S: Final = 0.008
"""From one batch to the next at least: each costs a millisecond of the processor, however few records are in it."""
_POLL_S: Final = 0.1
_AGAIN_S: Final = 0.5
_LAG_EVERY_S: Final = 2.0
_NOTE_EVERY_S: Final = 1.0

Answer = TypeVar("Answer")


class Intake(Service):
    """Reads `transactions` for as long as the app runs; joins the group anew whenever it is told to.

    Args:
        settings: names the broker.
        channel: takes `Batch`es; whoever takes one out says so when it is `judged`.
        custody: claims and gives up the partitions.
    """

    def __init__(self, settings: Settings, channel: Any, custody: Custody, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings
        self._channel = channel
        self._custody = custody
        self._room = threading.Semaphore(_AHEAD)
        self._ending = threading.Event()
        self._anew = threading.Event()
        self._thread: threading.Thread | None = None
        self._running: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Future[None] | None = None
        self._assignment = 0
        self._joined = False
        self._consumer: confluent_kafka.Consumer | None = None
        self._lagging: dict[int, Lagging] = {}
        self._stuck: list[int] = []
        self._lag_told = 0.0
        self._noted_s = 0.0
        self._next_s = 0.0
        self._noted: dict[int, int] = {}

    def join_anew(self) -> None:
        """Has every partition claimed anew: leaves the group and joins it again, unless that is under way already.

        May be called from any thread.
        """
        self._anew.set()

    def judged(self) -> None:
        """A batch has been taken out of the channel and is done with: there is room for another."""
        self._room.release()

    async def on_start(self) -> None:
        """Begins reading."""
        self._running = asyncio.get_running_loop()
        self._over = self._running.create_future()
        self._thread = threading.Thread(
            target=self._run_to_the_end, args=(self._running, self._over), name="ringback-intake", daemon=True
        )
        self._thread.start()

    async def ended(self) -> None:
        """Returns when the reading has ended because it was told to; to be awaited after the start.

        Raises:
            Exception: what it ended of. Nothing is read any more: leave the process.
        """
        if self._over is not None:
            await asyncio.shield(self._over)

    async def on_stop(self) -> None:
        """Leaves the group, which flushes, and ends."""
        self._ending.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run_to_the_end(self, loop: asyncio.AbstractEventLoop, over: "asyncio.Future[None]") -> None:
        """Runs, and says on the loop how it ended; a thread that dies would leave a worker that stands still."""
        try:
            self._run()
        except Exception as error:
            logger.critical("the intake ended for a reason that is not understood", exc_info=error)
            loop.call_soon_threadsafe(over.set_exception, error)
        else:
            loop.call_soon_threadsafe(over.set_result, None)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._anew.clear()
            if not self._topics_are_there():
                continue
            self._joined = False
            consumer = self._consumer = confluent_kafka.Consumer(
                consumer_config(self._settings) | {"on_commit": self._noted_or_not}
            )
            try:
                consumer.subscribe(
                    [TRANSACTIONS], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
                )
                while not (self._ending.is_set() or self._is_to_leave()):
                    self._read(consumer)
            except KafkaException as error:
                logger.warning("reading begins anew: %s", error)
                self._ending.wait(_AGAIN_S)
            finally:
                self._consumer = None
                leave(consumer, joined=self._joined)
                del consumer  # its last reference

    def _is_to_leave(self) -> bool:
        """Whether the group is to be left and joined anew; a join that is under way is as good, and never left."""
        if self._joined or not self._anew.is_set():
            return self._anew.is_set()
        self._anew.clear()
        self._topics_are_there()
        return False

    def _read(self, consumer: confluent_kafka.Consumer) -> None:
        first = consumer.poll(_POLL_S)
        if first is not None and self._has_room():
            passed_on = False
            try:
                passed_on = self._pass_on(first, consumer)
            finally:
                if not passed_on:
                    self._room.release()  # nobody will say of it that it is judged
        if time.monotonic() - self._noted_s > _NOTE_EVERY_S:
            self._noted_s = time.monotonic()
            self._note(consumer)
        self._tell_lag()

    def _pass_on(self, first: Message, consumer: confluent_kafka.Consumer) -> bool:
        """Puts the record, and what else is there, on the channel; False where nothing came there."""
        good = messages = [first, *consumer.consume(BATCH - 1, 0)]
        if any(map(Message.error, messages)):
            good = [message for message in messages if message.error() is None]
            self._notice(messages)
        return bool(good) and self._wait_for(self._put(Batch(self._assignment, _by_partition(good)))) is True

    def _has_room(self) -> bool:
        """Waits for it, and until the last batch is long enough ago; False when the service ends meanwhile."""
        while not self._room.acquire(timeout=_POLL_S):
            self._tell_lag()
            if self._ending.is_set():
                return False
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        self._next_s = time.monotonic() + _APART_S
        return True

    def _note(self, consumer: confluent_kafka.Consumer) -> None:
        """Notes with the group up to where everything is said; too low a note costs repetitions, so nobody waits."""
        stored = self._custody.stored
        if stored and stored != self._noted:
            self._noted = stored
            said = [
                TopicPartition(TRANSACTIONS, number, position, metadata=self._custody.identity)
                for number, position in stored.items()
            ]
            with contextlib.suppress(KafkaException):
                consumer.commit(offsets=said, asynchronous=True)

    def _noted_or_not(self, error: KafkaError | None, said: list[TopicPartition]) -> None:
        if error is not None or any(each.error is not None for each in said):
            self._noted = {}  # the next time, then

    async def _put(self, batch: Batch) -> bool:
        await self._custody.judging.wait()
        await self._channel.put(batch)
        return True

    def _notice(self, messages: Sequence[Message]) -> None:
        """Errors come as messages. A topic that is gone is made again; librdkafka itself gets over the others."""
        errors = {error.code(): error for message in messages if (error := message.error()) is not None}
        for code, error in errors.items():
            logger.warning("while reading: %s", error.str())
            if error.fatal():
                raise KafkaException(error)
            if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):  # noqa: SLF001 - public
                self._anew.set()
        self._ending.wait(0.05)

    def _topics_are_there(self) -> bool:
        try:
            ensure_topics(self._settings.kafka_servers or "", self._settings)
        except StreamsError as error:
            logger.warning("waiting for the broker: %s", error)
            self._ending.wait(_AGAIN_S)
            return False
        return True

    def _assigned(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        if not partitions:  # there are more workers than partitions: this one stands by
            if self._running is not None:
                self._running.call_soon_threadsafe(self._custody.settled.set)
            return
        self._joined = True
        taken = self._wait_for(self._custody.take([partition.partition for partition in partitions]))
        if taken is None:
            return
        self._assignment, begin = taken
        unknown = [number for number, offset in begin.items() if offset is None]
        self._custody.said = said(consumer, unknown, self._custody.identity) if unknown else {}
        since = (
            remembered(consumer, unknown, self._custody.now_ms - self._custody.remembered_s * 1000) if unknown else {}
        )
        consumer.assign(
            [
                TopicPartition(TRANSACTIONS, number, since[number] if offset is None else offset)
                for number, offset in begin.items()
            ]
        )

    def _revoked(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        del consumer, partitions  # the classic protocol takes all of them
        self._joined = False
        self._wait_for(self._custody.give_up(flush=True), to_the_end=True)

    def _lost(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        del consumer, partitions
        self._joined = False
        self._wait_for(self._custody.give_up(flush=False), to_the_end=True)

    def _wait_for(self, asked: Coroutine[Any, Any, Answer], *, to_the_end: bool = False) -> Answer | None:
        """The answer of a coroutine on the event loop; None when the service ends meanwhile."""
        if self._running is None or self._running.is_closed():
            asked.close()
            return None
        future = asyncio.run_coroutine_threadsafe(asked, self._running)
        while True:
            try:
                return future.result(0.1)
            except concurrent.futures.CancelledError:  # what it waited for was dropped meanwhile: claimed anew, then
                self._anew.set()
                return None
            except concurrent.futures.TimeoutError:
                self._tell_lag()
                if self._ending.is_set() and not to_the_end:
                    future.cancel()
                    return None

    def _tell_lag(self) -> None:
        """Now and then, from wherever the thread is: who waits for the judging is who sees that it stands still."""
        now_s = time.monotonic()
        if now_s - self._lag_told < _LAG_EVERY_S or self._consumer is None:
            return
        self._lag_told = now_s
        progress, stuck = self._custody.progress, []
        for number in self._lagging.keys() - progress.keys():
            del self._lagging[number]
            _tell(number, Lag(0, 0.0, 0.0))  # another worker tells of it
        for number, (position, applied_ms) in progress.items():
            _low, end = self._consumer.get_watermark_offsets(TopicPartition(TRANSACTIONS, number), cached=True)
            if end >= 0:
                lag = self._lagging.setdefault(number, Lagging(now_s)).look(
                    position=position,
                    end=end,
                    applied_ms=applied_ms,
                    now_ms=self._custody.now_ms,
                    now_s=now_s,
                )
                _tell(number, lag)
                if lag.stuck:
                    stuck.append(number)
        self._complain(stuck)

    def _complain(self, stuck: list[int]) -> None:
        if stuck and not self._stuck:
            logger.error("nothing is judged of partitions %s, although records wait there", stuck)
            not_ready()
        elif self._stuck and not stuck:
            logger.warning("partitions %s are judged again", self._stuck)
            ready()
        self._stuck = stuck


def _tell(number: int, lag: Lag) -> None:
    DETECTION_LAG.labels(str(number)).set(lag.records)
    DETECTION_LAG_SECONDS.labels(str(number)).set(lag.behind_s)
    DETECTION_STILL_SECONDS.labels(str(number)).set(lag.still_s)


def consumer_config(settings: Settings) -> dict[str, Any]:
    """How the transaction feed is consumed: large fetches under load, tens of milliseconds on a quiet feed."""
    return {
        "bootstrap.servers": settings.kafka_servers or "",
        "group.id": GROUP,
        "client.id": GROUP,
        "enable.auto.commit": False,  # the position lies in Redis, beside the state that it belongs to
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": int(SESSION_TIMEOUT_S * 1000),
        "heartbeat.interval.ms": int(HEARTBEAT_S * 1000),
        "check.crcs": False,
        "queued.min.messages": 40_000,
        "queued.max.messages.kbytes": 8_192,  # of values, all partitions together; as much again for their frames
        "fetch.message.max.bytes": 1_048_576,
        "fetch.wait.max.ms": 20,  # the embedded broker wakes no waiting fetch
        "fetch.queue.backoff.ms": 5,
        "fetch.error.backoff.ms": 100,
        "reconnect.backoff.max.ms": 1_000,
        "topic.metadata.refresh.interval.ms": 5_000,
        "allow.auto.create.topics": False,
        "logger": logger,
        "log_level": 0,
    }


def _by_partition(messages: Iterable[Message]) -> list[tuple[int, Rows]]:
    """The batch by partition, each in its order; they come in long runs of one partition."""
    apart: dict[int, list[Message]] = {}
    for number, run in groupby(messages, Message.partition):
        apart.setdefault(number or 0, []).extend(run)
    return [(number, _rows(own)) for number, own in apart.items()]


def _rows(messages: Sequence[Message]) -> Rows:
    first, last = messages[0].offset() or 0, messages[-1].offset() or 0
    gapless = last - first + 1 == len(messages)  # unless the topic is compacted or written in transactions
    offsets = range(first, last + 1) if gapless else [offset or 0 for offset in map(Message.offset, messages)]
    values = [value or b"" for value in map(Message.value, messages)]  # a tombstone is a row that cannot be read
    stamps = [stamp for _kind, stamp in map(Message.timestamp, messages)]
    return Rows(offsets, stamps, values, blocks(offsets, values))
