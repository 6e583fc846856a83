"""When the bank wrote a message is known, so that one from before an erasure is told from one that came after it."""

import time
from datetime import timedelta

import confluent_kafka
import pytest

from infra.clock import utc_now
from infra.settings import Settings
from streams.intake import _incoming
from streams.producer import Producer
from streams.topics import CUSTOMERS, ensure_topics, topic_identities


@pytest.fixture
async def message(settings: Settings) -> confluent_kafka.Message:
    ensure_topics(settings.kafka_servers or "", settings)
    async with Producer(settings.kafka_servers or "", client_id="test") as producer:
        sent = await producer.send(CUSTOMERS, "sokha", b"{}")
    reader = confluent_kafka.Consumer({"bootstrap.servers": settings.kafka_servers, "group.id": "test-written-at"})
    try:
        reader.assign([confluent_kafka.TopicPartition(CUSTOMERS, sent.partition, sent.offset)])
        deadline = time.monotonic() + 30
        while (found := reader.poll(0.2)) is None or found.error():
            assert time.monotonic() < deadline
        return found
    finally:
        reader.close()


async def test_a_message_carries_the_moment_at_which_it_was_written(
    settings: Settings, message: confluent_kafka.Message
) -> None:
    identities = topic_identities(settings.kafka_servers or "", [CUSTOMERS])
    incoming = _incoming(message, identities)
    assert incoming.written_at is not None
    assert abs(utc_now() - incoming.written_at) < timedelta(minutes=5)
