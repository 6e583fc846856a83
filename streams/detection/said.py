"""What was said of cards' payments, read from `card-context` beside the partitions in hand.

How far each partition has come is stored in its own hash, with the state that it belongs to. Whoever claims a partition
reads on from there to the end of the topic before it judges anything; from the beginning, where nothing is stored or
the topic was made anew: of one card only the newest word is heeded, so that to read again does no harm.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from infra.settings import Settings
from rules.context import MOST_NAMED
from rules.memory import Context, QuietPair
from streams.detection.ends import ends_of
from streams.detection.hang_up import hang_up
from streams.errors import BrokerAway, TopicMissing
from streams.topics import CARD_CONTEXT, TRANSACTIONS, ensure_topics, topic_identity

logger = logging.getLogger(__name__)

_AGAIN_S: Final = 0.25
_WAIT_MS: Final = 100
_SCALE: Final = 1e7
_US: Final = 1_000_000


class Word(NamedTuple):
    """What was said of one card's payments; its offset in `card-context`, and the broker's time stamp of it."""

    card_id: str
    context: Context
    offset: int
    stamp_ms: int


class Heard(NamedTuple):
    """News of one partition: the words in their order, and where to read on."""

    said: list[Word]
    identity: str
    position: int


class _Quiet(msgspec.Struct, frozen=True):
    transaction_id: str
    lat: float
    lon: float
    other_lat: float
    other_lon: float
    since: datetime


class _Message(msgspec.Struct, frozen=True):
    card_id: str
    version: int
    said_at: datetime
    confirmed: list[str] = []
    struck_out: list[str] = []
    quiet: list[_Quiet] = []


_decode = msgspec.json.Decoder(_Message).decode


class Sayings:
    """Reads `card-context` for the partitions in hand; used by one task at a time.

    Attributes:
        identity: of the topic that is read.
        ends: where the partitions of `transactions` ended when this was begun.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers = settings.kafka_servers or ""
        self._consumer: AIOKafkaConsumer | None = None
        self.identity = ""
        self.ends: dict[int, int] = {}
        self._news: dict[int, Heard] = {}

    async def begin(self, stored: Mapping[int, tuple[str, int] | None]) -> None:
        """Reads to the end for these partitions, each from where it is stored; waits for a broker that is away."""
        await self.close()
        while stored:
            try:
                await asyncio.to_thread(ensure_topics, self._servers, self._settings)
                self.identity = str(await asyncio.to_thread(topic_identity, self._servers, CARD_CONTEXT))
                await self._open(stored)
            except (BrokerAway, TopicMissing, KafkaError, TimeoutError) as error:
                logger.info("waiting for %s: %r", CARD_CONTEXT, error)
                await self.close()
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    async def look(self) -> None:
        """Takes what has come since."""
        if self._consumer is not None:
            try:
                await self._take(self._consumer, 0)
            except KafkaError as error:
                logger.info("%s is not read: %r", CARD_CONTEXT, error)

    def news(self, partition: int, until: int | None = None) -> Heard | None:
        """What is new of the partition, once; None: nothing is.

        Args:
            partition: by its number.
            until: only what lies before this position in `card-context`; the rest is new still.
        """
        heard = self._news.pop(partition, None)
        if heard is None or until is None or heard.position <= until:
            return heard
        later = [word for word in heard.said if word.offset >= until]
        self._news[partition] = heard._replace(said=later)
        return heard._replace(said=heard.said[: len(heard.said) - len(later)], position=until)

    def named(self, partition: int, until: int | None = None) -> set[str]:
        """The cards of which there is news, as `news` would tell it."""
        heard = self._news.get(partition)
        return set() if heard is None else {word.card_id for word in heard.said if until is None or word.offset < until}

    async def close(self) -> None:
        """Ends the connection, and forgets what was not asked for."""
        consumer, self._consumer = self._consumer, None
        self._news.clear()
        self.ends = {}
        if consumer is not None:
            await hang_up(consumer)

    async def _open(self, stored: Mapping[int, tuple[str, int] | None]) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            client_id="ringback-detection-context",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
        )
        self._consumer = consumer
        await consumer.start()
        places = {number: TopicPartition(CARD_CONTEXT, number) for number in stored}
        feed = {number: TopicPartition(TRANSACTIONS, number) for number in stored}
        ends = await ends_of(consumer, [*places.values(), *feed.values()])
        self.ends = {number: ends[place] for number, place in feed.items()}
        consumer.assign(list(places.values()))
        begins = await consumer.beginning_offsets(list(places.values()))
        for number, place in places.items():
            known = stored[number]
            at = known[1] if known is not None and known[0] == self.identity else 0
            consumer.seek(place, min(max(at, begins[place]), ends[place]))
        for place in places.values():
            while await consumer.position(place) < ends[place]:
                await self._take(consumer, _WAIT_MS)

    async def _take(self, consumer: AIOKafkaConsumer, wait_ms: int) -> None:
        for place, records in (await consumer.getmany(timeout_ms=wait_ms)).items():
            before = self._news.get(place.partition)
            said = before.said if before is not None else []
            for record in records:
                if (word := _read(record.value)) is not None:
                    said.append(Word(*word, record.offset, record.timestamp))
            self._news[place.partition] = Heard(said, self.identity, records[-1].offset + 1)


def _read(value: bytes | None) -> tuple[str, Context] | None:
    """A card, and what was said of its payments; None for a message that says nothing, or nothing that can be read."""
    if not value:
        return None
    try:
        message = _decode(value)
        context = Context(
            version=message.version,
            at_us=int(message.said_at.timestamp() * _US),
            confirmed=tuple(message.confirmed[-MOST_NAMED:]),
            struck_out=tuple(message.struck_out[-MOST_NAMED:]),
            quiet={one.transaction_id: _pair(one) for one in message.quiet[-MOST_NAMED:]},
        )
    except (msgspec.DecodeError, ValueError) as error:
        logger.warning("a message of %s cannot be read: %s", CARD_CONTEXT, type(error).__name__)
        return None
    return message.card_id, context


def _pair(one: _Quiet) -> QuietPair:
    return QuietPair(
        int(one.lat * _SCALE),
        int(one.lon * _SCALE),
        int(one.other_lat * _SCALE),
        int(one.other_lon * _SCALE),
        int(one.since.timestamp() * _US),
    )
