"""The producer: answers with the broker's word, and places keys as every other producer of the house does."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiokafka
import pytest
from aiokafka.partitioner import DefaultPartitioner

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.errors import BrokerAway, TopicMissing
from streams.producer import Outgoing, Producer, Sent
from streams.topics import FRAUD_ALERTS, TRANSACTIONS, ensure_topics, topic_identity


@pytest.fixture
def topics(kafka_servers: str) -> str:
    ensure_topics(kafka_servers, Settings(partitions=4))
    return kafka_servers


@pytest.fixture
def mortal() -> Iterator[EmbeddedServers]:
    """A broker that the test may kill."""
    with (
        tempfile.TemporaryDirectory(prefix="ringback-producer-") as folder,
        EmbeddedServers(Path(folder) / "home", which=frozenset({"kafka"})) as ground,
    ):
        yield ground


async def test_a_message_is_answered_with_where_it_lies(topics: str) -> None:
    async with Producer(topics, client_id="test") as producer:
        first = await producer.send(FRAUD_ALERTS, "card-1", b"1")
        second = await producer.send(FRAUD_ALERTS, "card-1", b"2")
    assert (second.partition, second.offset) == (first.partition, first.offset + 1)


async def test_many_messages_are_answered_each_in_their_order(topics: str) -> None:
    async with Producer(topics, client_id="test") as producer:
        answers = await producer.send_all([Outgoing(FRAUD_ALERTS, "card-9", str(n).encode()) for n in range(500)])
    offsets = [answer.offset for answer in answers if isinstance(answer, Sent)]
    assert offsets == list(range(offsets[0], offsets[0] + 500))


async def test_every_producer_places_a_key_in_the_same_partition(topics: str) -> None:
    keys = [f"card-{number}" for number in range(64)]
    partitions = list(range(4))
    async with Producer(topics, client_id="test") as producer:
        ours = [await producer.send(TRANSACTIONS, key, b"{}") for key in keys]
    other = aiokafka.AIOKafkaProducer(bootstrap_servers=topics)
    await other.start()
    try:
        theirs = [await other.send_and_wait(TRANSACTIONS, key=key.encode(), value=b"{}") for key in keys]
    finally:
        await other.stop()
    assert [sent.partition for sent in ours] == [sent.partition for sent in theirs]
    assert [sent.partition for sent in ours] == [
        DefaultPartitioner()(key.encode(), partitions, partitions) for key in keys
    ]


async def test_a_broker_that_is_away_is_said_so_and_a_new_one_is_served(mortal: EmbeddedServers) -> None:
    servers = mortal.addresses.kafka_servers
    ensure_topics(servers, Settings(partitions=2))
    before = topic_identity(servers, TRANSACTIONS)
    async with Producer(servers, client_id="test", timeout_s=2.0) as producer:
        await producer.send(FRAUD_ALERTS, "card", b"1")
        os.kill(mortal.pid("kafka") or 0, signal.SIGKILL)
        with pytest.raises(BrokerAway):
            await producer.send(FRAUD_ALERTS, "card", b"2")
        mortal.restart("kafka")
        ensure_topics(servers, Settings(partitions=2))
        for _attempt in range(20):
            try:
                await producer.send(FRAUD_ALERTS, "card", b"2")
                break
            except BrokerAway:
                continue
        else:
            pytest.fail("the new broker took nothing")
    assert topic_identity(servers, TRANSACTIONS) != before


def test_a_topic_that_is_not_there_is_told_from_a_broker_that_is_away(topics: str) -> None:
    with pytest.raises(TopicMissing):
        topic_identity(topics, "nobody-made-this")


def test_topics_that_exist_stay_as_they_are(topics: str) -> None:
    before = topic_identity(topics, TRANSACTIONS)
    assert ensure_topics(topics, Settings(partitions=9)) == []
    assert topic_identity(topics, TRANSACTIONS) == before
