"""The feed on a real broker, and a reader of what it wrote."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from typing import Any, TypeAlias
from uuid import uuid4

import confluent_kafka
import httpx
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from fastapi import FastAPI

from infra.clock import utc_now
from infra.problems import install_problems
from infra.settings import Settings
from streams import topics
from streams.entrance import Entrance
from streams.feed.batch import BYTES_AT_MOST
from streams.feed.http import feed_router
from streams.producer import Producer
from streams.rate import RateLimit

KEY = "feed-key-of-the-test"
Row: TypeAlias = Callable[..., dict[str, Any]]


def feed_app(producer: Producer, feed_key: str | None = KEY) -> FastAPI:
    app = FastAPI()
    install_problems(app)
    app.include_router(feed_router(producer, feed_key=feed_key, clock=utc_now))
    app.add_middleware(
        Entrance,
        rate=RateLimit(1000, 1000),
        closing=asyncio.Event(),
        body_limits={"/": 1024, "/v1/transactions": BYTES_AT_MOST},
    )
    return app


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://feed.test", headers=headers)


@pytest.fixture(scope="module")
def broker(kafka_servers: str) -> str:
    topics.ensure_topics(kafka_servers, Settings())
    return kafka_servers


@pytest.fixture
async def producer(broker: str) -> AsyncIterator[Producer]:
    async with Producer(broker, client_id="test-feed", timeout_s=5) as started:
        yield started


@pytest.fixture
async def feed(producer: Producer) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(feed_app(producer), Authorization=f"Bearer {KEY}") as client:
        yield client


@pytest.fixture
def row() -> Row:
    def make(number: int = 0, **changes: Any) -> dict[str, Any]:
        return {
            "transaction_id": f"t-{number}",
            "card_id": f"card-{number % 7}",
            "occurred_at": "2026-03-14T10:00:00Z",
            "amount": "4.50",
            "currency": "USD",
            "channel": "card_present",
            "entry_mode": "chip",
            **changes,
        }

    return make


class Ends:
    """Reads what came into a topic. The end of a partition is known by a marker that the reader itself puts there."""

    def __init__(self, servers: str, topic: str) -> None:
        self._topic = topic
        self._producer = confluent_kafka.Producer({"bootstrap.servers": servers})
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "test-reader",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        self._partitions = sorted(self._consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        self._consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in self._partitions])
        self.messages()

    def messages(self) -> list[tuple[str | None, bytes]]:
        """Key and value of every message that came since the last time."""
        marker = uuid4().bytes
        for partition in self._partitions:
            self._producer.produce(self._topic, marker, partition=partition)
        assert self._producer.flush(10) == 0
        found: list[tuple[str | None, bytes]] = []
        ended: set[int | None] = set()
        give_up = monotonic() + 20
        while len(ended) < len(self._partitions):
            assert monotonic() < give_up, f"the ends of {self._topic} were not seen"
            for message in self._consumer.consume(1000, timeout=0.05):
                assert message.error() is None
                key, value = message.key(), message.value() or b""
                if value == marker:
                    ended.add(message.partition())
                elif len(value) != len(marker):
                    found.append((key.decode() if isinstance(key, bytes) else None, value))
        return found

    def values(self) -> list[Any]:
        return [json.loads(value) for _, value in self.messages()]

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def sent(broker: str) -> Iterator[Ends]:
    reader = Ends(broker, topics.TRANSACTIONS)
    yield reader
    reader.close()


@pytest.fixture
def refused(broker: str) -> Iterator[Ends]:
    reader = Ends(broker, topics.TRANSACTIONS_REFUSED)
    yield reader
    reader.close()
