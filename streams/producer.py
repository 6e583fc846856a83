"""One producer for everything that we write to topics, answering when the broker has acknowledged.

librdkafka batches and retries; what is added here is that asyncio waits for the broker's word on each message, that
every producer places keys alike, and that a broker which forgot its producers is met with a new one.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from streams.errors import BrokerAway, StreamsError, Undeliverable
from streams.topics import PARTITIONER

_PERMANENT: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
    }
)
_POLL_S: Final = 0.05


class Sent(NamedTuple):
    """Where the broker put a message."""

    partition: int
    offset: int


class Outgoing(NamedTuple):
    """One message to send; `headers` travel as they are. Without a value it takes its key out of a compacted topic."""

    topic: str
    key: str | bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] | None = None


class Producer:
    """Sends messages and waits for the broker's acknowledgement (`acks=all`, idempotent, in order a partition).

    At most `queue` messages wait at a time; what comes beyond that waits for room, as long as `timeout_s`. Usable from
    one event loop; an async context manager.

    Args:
        servers: Kafka bootstrap servers.
        client_id: how the broker's logs name us.
        timeout_s: how long the broker may take to acknowledge before a message counts as `BrokerAway`.
        linger_ms: how long a message may wait for others to share its request.
        queue: how many messages may wait for the broker.
        gapless: of messages that are posted together, none is sent behind one that was not; a message that is not
            written in time takes every later one with it.
    """

    def __init__(
        self,
        servers: str,
        *,
        client_id: str,
        timeout_s: float = 10.0,
        linger_ms: float = 2.0,
        queue: int = 50_000,
        gapless: bool = False,
    ) -> None:
        self._timeout_s = timeout_s
        self._gapless = gapless
        self._config: dict[str, Any] = {
            "bootstrap.servers": servers,
            "client.id": client_id,
            "partitioner": PARTITIONER,
            "acks": "all",
            "enable.idempotence": True,
            "enable.gapless.guarantee": gapless,
            "linger.ms": linger_ms,
            "message.timeout.ms": int(timeout_s * 1000),
            "queue.buffering.max.messages": queue,
            "queue.buffering.max.kbytes": 262_144,
            "compression.type": "zstd",
            "message.max.bytes": 4_000_000,
            "topic.metadata.refresh.interval.ms": 30_000,
            "reconnect.backoff.max.ms": 1000,
            "logger": logging.getLogger(__name__),
            "log_level": 2,  # that a broker is away is said once, by whoever waits for it
            "error_cb": self._note,
        }
        self._useless = False
        self._inner: confluent_kafka.Producer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._settled: deque[tuple[asyncio.Future[Sent], Sent | StreamsError]] = deque()

    async def start(self) -> Self:
        """Begins; a broker that is away is found out by the first message, not here."""
        self._loop = asyncio.get_running_loop()
        self._inner = confluent_kafka.Producer(self._config)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._poll, name="ringback-producer", daemon=True)
        self._thread.start()
        return self

    async def stop(self, *, timeout_s: float = 5.0) -> None:
        """Waits up to `timeout_s` for the broker to take what is still on its way, then ends."""
        if self._inner is None or self._thread is None:
            return
        await asyncio.to_thread(self._inner.flush, timeout_s)
        self._inner.purge()
        await asyncio.to_thread(self._inner.flush, 1.0)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)
        self._settle()
        self._inner = self._thread = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def send(
        self, topic: str, key: str | bytes | None, value: bytes | None, headers: Mapping[str, bytes] | None = None
    ) -> Sent:
        """Sends one message and waits until the broker has acknowledged it.

        Raises:
            BrokerAway: not acknowledged in time; it may nevertheless have been written. Retryable.
            Undeliverable: the broker will never take it.
        """
        return await (await self._enqueue(Outgoing(topic, key, value, headers)))

    async def send_all(self, messages: Sequence[Outgoing]) -> list[Sent | StreamsError]:
        """Sends many at once, and answers for each, in their order: where it lies, or why it does not."""
        return await answers(await self.post(messages))

    async def post(self, messages: Sequence[Outgoing]) -> list["asyncio.Future[Sent]"]:
        """Hands many over in their order and does not wait for the broker; `answers` of what is returned does.

        Those that are posted later are taken later, unless one before them fails: then they may be taken although it
        was not, and whoever minds the order sends them again behind it.
        """
        posted: list[asyncio.Future[Sent]] = []
        first: confluent_kafka.Producer | None = None
        failed: StreamsError | None = None
        for message in messages:
            try:
                if failed is not None:
                    raise failed
                answer = await self._enqueue(message, first)
                first = self._inner if self._gapless else None
            except StreamsError as error:
                failed = error if self._gapless else None
                answer = asyncio.get_running_loop().create_future()
                answer.set_exception(error)
            answer.add_done_callback(_seen)  # whoever posted it may be cancelled before it asks
            posted.append(answer)
        return posted

    async def _enqueue(self, message: Outgoing, only: confluent_kafka.Producer | None = None) -> asyncio.Future[Sent]:
        if self._loop is None or self._inner is None:
            raise BrokerAway("the producer is not started")
        answer: asyncio.Future[Sent] = self._loop.create_future()

        def acknowledged(error: KafkaError | None, sent: confluent_kafka.Message) -> None:
            outcome = _as_error(error) if error is not None else Sent(sent.partition() or 0, sent.offset() or 0)
            if isinstance(outcome, BrokerAway) and self._inner is inner:
                self._useless = True
            self._settled.append((answer, outcome))

        give_up = self._loop.time() + self._timeout_s
        while True:
            try:
                inner = self._current()
                if only is not None and inner is not only:
                    raise BrokerAway("what stood before it was given to a producer that has ended")
                inner.produce(
                    message.topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers.items()) if message.headers else [],
                    on_delivery=acknowledged,
                )
            except BufferError as error:
                if self._loop.time() > give_up:
                    raise BrokerAway(f"{self._config['queue.buffering.max.messages']} messages wait already") from error
                await asyncio.sleep(0.005)
            except KafkaException as error:
                known = error.args[0] if error.args and isinstance(error.args[0], KafkaError) else None
                raise _as_error(known) if known else BrokerAway(str(error)) from error
            else:
                return answer

    def _current(self) -> confluent_kafka.Producer:
        """The producer in use; one that the broker has made useless for ever is replaced."""
        inner = self._inner
        if inner is None:
            raise BrokerAway("the producer has ended")
        if self._useless:
            # An idempotent producer whose broker forgot it (the embedded broker started again) stays unusable: it ends
            # in a fatal error, or tries for ever to renew an id that nobody knows. A new one costs a millisecond.
            self._useless = False
            self._inner = confluent_kafka.Producer(self._config)
            inner.purge()
            with contextlib.suppress(KafkaException):
                inner.poll(0)
            inner = self._inner
        return inner

    def _note(self, error: KafkaError) -> None:
        if error.fatal():
            self._useless = True

    def _poll(self) -> None:
        while not self._stopping.is_set():
            inner = self._inner
            if inner is not None:
                try:
                    inner.poll(_POLL_S)
                except KafkaException:  # raised for a fatal state only; what waited has been told by its callback
                    self._useless = True
                    self._stopping.wait(_POLL_S)
            if self._settled and self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        while self._settled:
            answer, outcome = self._settled.popleft()
            if answer.done():  # whoever waited has been cancelled
                continue
            if isinstance(outcome, StreamsError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)


async def answers(posted: Sequence["asyncio.Future[Sent]"]) -> list[Sent | StreamsError]:
    """What the broker said to each posted message, when it has said it of all."""
    told: list[Sent | StreamsError] = []
    for answer in posted:
        try:
            told.append(await answer)
        except StreamsError as error:
            told.append(error)
    return told


def _seen(answer: "asyncio.Future[Sent]") -> None:
    if not answer.cancelled():
        answer.exception()


def _as_error(error: KafkaError) -> StreamsError:
    if error.code() in _PERMANENT:
        return Undeliverable(error.str())
    return BrokerAway(error.str())
