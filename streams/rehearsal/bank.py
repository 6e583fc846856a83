"""The rehearsal bank: publishes its customers, and has a card system that answers ``card-commands`` on ``card-events``.

It reads its topic from the beginning whenever it starts or the broker has lost it, and can afford to: what was done is
remembered in a file, and is not done again. It can be told to answer twice, late, never, or with a refusal.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import confluent_kafka
import msgspec
import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition
from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError

from infra.clock import Clock, utc_now
from infra.settings import Settings
from streams.contracts.card_command import CardCommand
from streams.errors import StreamsError
from streams.producer import Outgoing, Producer
from streams.rehearsal.card_system import SHIPPING, CardSystem, refused
from streams.rehearsal.people import customers, story_customer
from streams.topics import CARD_COMMANDS, CARD_EVENTS, CUSTOMERS, TopicIdentity, ensure_topics, topic_identity

REHEARSAL_CUSTOMERS: Final = 120
REHEARSAL_SEED: Final = 7

_LOOK_EVERY_S: Final = 1.0
_RETRY_S: Final = 0.5
_log: Final = structlog.get_logger(__name__)


class BankFault(BaseModel):
    """How the next ``count`` commands are answered: ``refuse`` does nothing and says so, the others do the thing."""

    mode: Literal["none", "twice", "late", "never", "refuse"] = "none"
    count: int = Field(default=1, ge=0, le=1_000_000)


class RehearsalBank:
    """The service. ``start`` returns at once; it works whenever the broker is there.

    Args:
        settings: where the broker is, and the home that its memory is kept under.
        clock: when things are done.
        dispatch_after_s: a reissued card is on its way after this, and delivered after twice as long.
        late_s: how late a late answer is.
    """

    def __init__(
        self, settings: Settings, clock: Clock = utc_now, *, dispatch_after_s: float = 3.0, late_s: float = 5.0
    ) -> None:
        self._settings = settings
        self._servers = settings.kafka_servers or ""
        self._clock = clock
        self._dispatch_after_s = dispatch_after_s
        self._late_s = late_s
        self._fault = BankFault(count=0)
        self.card_system = CardSystem(Path(settings.home) / "rehearsal" / "bank.jsonl")
        self._producer = Producer(self._servers, client_id="rehearsal-bank")
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begins to publish and to answer."""
        await self._producer.start()
        self._spawn(self._work())

    async def stop(self) -> None:
        """Ends; what is not answered yet is answered after the next start, if it is sent again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._producer.stop()

    def misbehave(self, fault: BankFault) -> None:
        """From now on."""
        self._fault = fault

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        published: TopicIdentity | None = None
        while True:
            try:
                await asyncio.to_thread(ensure_topics, self._servers, self._settings)
                identity = await asyncio.to_thread(topic_identity, self._servers, CUSTOMERS)
                if identity != published:
                    await self._publish_customers()
                    published = identity
                    for command_id in self.card_system.reissues():
                        self._spawn(self._ship(command_id))
                await self._answer_commands(await asyncio.to_thread(topic_identity, self._servers, CARD_COMMANDS))
            except (StreamsError, KafkaException):
                _log.info("rehearsal bank waits for the broker")
            await asyncio.sleep(_RETRY_S)

    async def _publish_customers(self) -> None:
        people = [story_customer(), *customers(REHEARSAL_CUSTOMERS, REHEARSAL_SEED)]
        sent = await self._producer.send_all(
            [Outgoing(CUSTOMERS, each["customer_id"], msgspec.json.encode(each)) for each in people]
        )
        for outcome in sent:
            if isinstance(outcome, StreamsError):
                raise outcome

    async def _answer_commands(self, identity: TopicIdentity) -> None:
        """Answers until the topic is another one."""
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "rehearsal-bank",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
                "log_level": 0,
            }
        )
        try:
            consumer.assign(
                [TopicPartition(CARD_COMMANDS, each, OFFSET_BEGINNING) for each in range(identity.partitions)]
            )
            loop = asyncio.get_running_loop()
            look_at = loop.time() + _LOOK_EVERY_S
            while True:
                for message in await asyncio.to_thread(consumer.consume, 500, 0.05):
                    if message.error() is None:
                        await self._take(message.value() or b"")
                if loop.time() > look_at:
                    if await asyncio.to_thread(topic_identity, self._servers, CARD_COMMANDS) != identity:
                        return
                    look_at = loop.time() + _LOOK_EVERY_S
        finally:
            await asyncio.to_thread(consumer.close)

    async def _take(self, value: bytes) -> None:
        try:
            command = CardCommand.model_validate_json(value)
        except ValidationError as error:
            _log.error(
                "card command not understood", fields=[".".join(map(str, each["loc"])) for each in error.errors()]
            )
            return
        mode = self._next_mode()
        if mode == "refuse":
            await self._send(refused(command, "told to refuse", self._clock()))
            return
        event = self.card_system.do(command, self._clock())
        if command.action == "reissue" and self.card_system.received[command.command_id] == 1:
            self._spawn(self._ship(command.command_id))
        if mode == "late":
            self._spawn(self._send_late(event))
        elif mode != "never":
            for _ in range(2 if mode == "twice" else 1):
                await self._send(event)

    def _next_mode(self) -> str:
        if self._fault.count < 1:
            return "none"
        self._fault = self._fault.model_copy(update={"count": self._fault.count - 1})
        return self._fault.mode

    async def _send(self, event: dict[str, Any]) -> None:
        await self._producer.send(CARD_EVENTS, event["card_id"], msgspec.json.encode(event))

    async def _send_late(self, event: dict[str, Any]) -> None:
        await asyncio.sleep(self._late_s)
        with suppress(StreamsError):  # the command comes again
            await self._send(event)

    async def _ship(self, command_id: str) -> None:
        for state in SHIPPING:
            await asyncio.sleep(self._dispatch_after_s)
            event = self.card_system.shipping(command_id, state, self._clock())
            while True:
                try:
                    await self._send(event)
                except StreamsError:
                    await asyncio.sleep(_RETRY_S)
                else:
                    break


def bank_router(bank: RehearsalBank) -> APIRouter:
    """``/rehearsal/bank``: what the card system did, and how it shall misbehave."""
    router = APIRouter(prefix="/rehearsal/bank", tags=["rehearsal"])

    @router.get("")
    async def report() -> dict[str, Any]:
        return bank.card_system.report()

    @router.post("/faults")
    async def misbehave(fault: BankFault) -> BankFault:
        bank.misbehave(fault)
        return fault

    return router
