"""Topics in, for the roles that act on messages one by one: handled in order, acknowledged when durable.

librdkafka consumes batches, a Faust agent handles them, and only then are the offsets committed. The consumer group's
name holds the topics' identities: under another identity (the broker forgot its topics, or somebody recreated one)
the committed offsets of the old one are not even seen, and everything is read from the start. That is harmless,
because whatever the handler does is recognised by its ids.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final, Self

import confluent_kafka
import msgspec
import structlog
from confluent_kafka import KafkaException

from infra.clock import Clock
from infra.history.cancellation import end
from infra.history.event import derived_id
from infra.metrics import MESSAGES_REFUSED
from infra.settings import Settings
from rules.card_number import looks_like_card_number
from streams.errors import BrokerAway, TopicMissing
from streams.feed.refused import Origin, refusal_message
from streams.follower import RETRYABLE
from streams.group import leave
from streams.handing import Handing
from streams.producer import Producer
from streams.runner import SESSION_TIMEOUT_S, App
from streams.topics import TRANSACTIONS_REFUSED, TopicIdentity, ensure_topics, topic_identities

log = structlog.get_logger(__name__)

_BATCH: Final = 200
_LANES: Final = 6
_POLL_S: Final = 0.02
"""`consume` waits so long for a full batch: what comes alone is handled after this, which she waits for too."""
_LOOK_EVERY_S: Final = 1.0
_PAUSE_S: Final = 0.2
_PAUSE_AT_MOST_S: Final = 10.0


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """One message. ``cause`` names it for ever: the topic's identity, the partition and the offset.

    ``written_at``: the broker's time stamp; None where it gave none.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    cause: str
    written_at: datetime | None = None


class NotUsable(Exception):
    """The message says nothing that can be acted on; it is set aside, and what is behind it goes on.

    Args:
        reason: a word for counting.
        detail: for a person; no personal data.
        private: the message holds personal data, and only its place is kept, not its text.
    """

    def __init__(self, reason: str, detail: str, *, private: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.private = reason, detail, private


class _Replaced(Exception):
    """A topic is another one now."""


class Intake:
    """Reads topics and has each message handled until that is durable.

    Messages with one key are handled in their order, those of different keys at the same time.

    Args:
        app: the role's app, not started yet.
        settings: where the broker is.
        role: names the consumer group.
        topics: what is read.
        handle: does what follows from a message; raises `NotUsable`, or a retryable error, or what nobody understands.
        clock: says when something was set aside.
    """

    def __init__(
        self,
        app: App,
        settings: Settings,
        role: str,
        topics: Sequence[str],
        *,
        handle: Callable[[Incoming], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._servers = settings.kafka_servers or ""
        self._role = role
        self._topics = list(topics)
        self._handle = handle
        self._clock = clock
        self._lanes = asyncio.Semaphore(_LANES)
        self._producer: Producer | None = None
        self._hands: Handing[list[Incoming]] = Handing(app, f"{role}-intake", self._work)

    async def run(self) -> None:
        """Consumes until it is cancelled; a broker that is away is waited for, one that forgot is read anew.

        Raises:
            Exception: something that is not understood; the caller leaves the process.
        """
        async with Producer(self._servers, client_id=f"ringback-{self._role}") as producer:
            self._producer = producer
            while True:
                try:
                    identities = await self._identities()
                    await self._consume(identities)
                except (BrokerAway, TopicMissing, _Replaced) as error:
                    log.warning("intake begins again", role=self._role, error=type(error).__name__)
                    await asyncio.sleep(_PAUSE_S)

    async def _identities(self) -> Mapping[str, TopicIdentity]:
        await asyncio.to_thread(ensure_topics, self._servers, self._settings)
        return await self._look()

    async def _look(self) -> Mapping[str, TopicIdentity]:
        return await asyncio.to_thread(topic_identities, self._servers, self._topics)

    async def _consume(self, identities: Mapping[str, TopicIdentity]) -> None:
        group = derived_id(*(f"{name}={identity}" for name, identity in sorted(identities.items()))).hex[:12]
        watch = asyncio.create_task(self._watch(identities))
        try:
            async with _Consumer(self._servers, f"ringback-{self._role}-{group}", self._topics) as consumer:
                while not watch.done():
                    messages = await consumer.consume()
                    if messages:
                        await self._hands.give([_incoming(message, identities) for message in messages])
                        await consumer.commit(messages)
            await watch
        finally:
            await end(watch)

    async def _watch(self, identities: Mapping[str, TopicIdentity]) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                now = await self._look()
            except BrokerAway:
                continue
            except TopicMissing as error:
                raise _Replaced(str(error)) from error
            if now != identities:
                raise _Replaced("a topic has another identity")

    async def _work(self, messages: list[Incoming]) -> None:
        lanes: dict[tuple[str, bytes], list[Incoming]] = {}
        for message in messages:
            lanes.setdefault((message.topic, message.key), []).append(message)
        async with asyncio.TaskGroup() as tasks:
            for lane in lanes.values():
                tasks.create_task(self._lane(lane))

    async def _lane(self, messages: list[Incoming]) -> None:
        async with self._lanes:
            for message in messages:
                await self._durably(message)

    async def _durably(self, message: Incoming) -> None:
        pause_s = _PAUSE_S
        while True:
            try:
                try:
                    await self._handle(message)
                except NotUsable as refusal:
                    await self._set_aside(message, refusal)
            except RETRYABLE as error:
                log.warning("message waits", topic=message.topic, error=type(error).__name__, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_AT_MOST_S)
            else:
                return

    async def _set_aside(self, message: Incoming, refusal: NotUsable) -> None:
        origin = Origin(kind="topic", name=message.topic, partition=message.partition, offset=message.offset)
        raw = b"" if refusal.private else message.value
        aside = refusal_message(
            raw, reason=refusal.reason, detail=refusal.detail, origin=origin, refused_at=self._clock()
        )
        if self._producer is None:
            raise BrokerAway("the producer is not started")
        # The key is kept as it is, unlike the bytes.
        key = None if looks_like_card_number(message.key.decode(errors="replace")) else message.key or None
        await self._producer.send(TRANSACTIONS_REFUSED, key, aside)
        MESSAGES_REFUSED.labels(message.topic, refusal.reason).inc()
        log.warning(
            "message set aside",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            reason=refusal.reason,
        )


class _Consumer:
    """librdkafka's consumer, every call in one thread of its own; `joined`: it has partitions."""

    def __init__(self, servers: str, group: str, topics: Sequence[str]) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")
        self._topics = list(topics)
        self._config: dict[str, Any] = {
            "bootstrap.servers": servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "session.timeout.ms": int(SESSION_TIMEOUT_S * 1000),
            "heartbeat.interval.ms": 2000,
            "fetch.wait.max.ms": 20,
            "partition.assignment.strategy": "range",
            "log_level": 0,
        }

    async def __aenter__(self) -> Self:
        self.joined = False
        self._consumer = confluent_kafka.Consumer(self._config)
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked)
        return self

    async def __aexit__(self, *_: object) -> None:
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._leave)
        try:
            await asyncio.shield(closing)
        finally:
            self._thread.shutdown(wait=False)

    def _leave(self) -> None:
        leave(self._consumer, joined=self.joined)
        del self._consumer  # its last reference

    def _assigned(self, _: confluent_kafka.Consumer, partitions: list[confluent_kafka.TopicPartition]) -> None:
        self.joined = bool(partitions)

    def _revoked(self, _: confluent_kafka.Consumer, partitions: list[confluent_kafka.TopicPartition]) -> None:
        del partitions
        self.joined = False

    async def consume(self) -> list[confluent_kafka.Message]:
        """What has come, at once or within a moment; errors of the connection are librdkafka's to mend."""
        got = await self._call(self._consumer.consume, _BATCH, _POLL_S)
        return [message for message in got if message.error() is None]

    async def commit(self, messages: Sequence[confluent_kafka.Message]) -> None:
        """Commits behind these messages; one that does not get through is made good by the next."""
        ends = {(message.topic(), message.partition()): message.offset() for message in messages}
        offsets = [
            confluent_kafka.TopicPartition(topic, part, offset + 1)
            for (topic, part), offset in ends.items()
            if topic is not None and part is not None and offset is not None  # none is missing on what was consumed
        ]
        try:
            await self._call(lambda: self._consumer.commit(offsets=offsets, asynchronous=True))
        except KafkaException as error:
            log.warning("offsets not committed", error=error.args[0].name() if error.args else "unknown")

    async def _call(self, call: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)


def _incoming(message: confluent_kafka.Message, identities: Mapping[str, TopicIdentity]) -> Incoming:
    topic, partition, offset = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
    key, value = message.key(), message.value()
    stamped, stamp_ms = message.timestamp()
    return Incoming(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key.encode() if isinstance(key, str) else key or b"",
        value=value.encode() if isinstance(value, str) else value or b"",
        cause=f"{topic}:{identities[topic]}:{partition}:{offset}",
        written_at=datetime.fromtimestamp(stamp_ms / 1000, UTC)
        if stamped != confluent_kafka.TIMESTAMP_NOT_AVAILABLE and stamp_ms > 0
        else None,
    )
