"""Where a partition ends is known to the last record, which a broker that is only asked for it may not tell."""

import asyncio

import confluent_kafka
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.settings import Settings
from streams.detection.ends import ends_of
from streams.detection.intake import consumer_config
from streams.reading import read_to_its_end
from streams.topics import CARD_CONTEXT, TRANSACTIONS
from tests.streams.detection.conftest import until

PLACES = [TopicPartition(topic, number) for topic in (TRANSACTIONS, CARD_CONTEXT) for number in (0, 1)]


def in_one_batch(stage: Settings, place: TopicPartition, count: int) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": stage.kafka_servers or "", "linger.ms": 300})
    for _ in range(count):
        producer.produce(place.topic, partition=place.partition, value=b"{}")
    assert producer.flush(20) == 0


async def test_the_last_batch_counts_to_its_last_record(stage: Settings) -> None:
    for place, batches in zip(PLACES, ((3, 10), (), (7,), (1,)), strict=True):
        for count in batches:
            await asyncio.to_thread(in_one_batch, stage, place, count)
    consumer = AIOKafkaConsumer(bootstrap_servers=stage.kafka_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        assert await ends_of(consumer, PLACES) == dict(zip(PLACES, (13, 0, 7, 1), strict=True))
    finally:
        await consumer.stop()


def test_what_is_read_to_its_end_and_the_lag_count_the_last_batch_as_well(stage: Settings) -> None:
    in_one_batch(stage, PLACES[0], 10)
    assert len(list(read_to_its_end(stage.kafka_servers or "", TRANSACTIONS))) == 10
    consumer = confluent_kafka.Consumer(consumer_config(stage))
    place = confluent_kafka.TopicPartition(TRANSACTIONS, 0, 0)
    try:
        consumer.assign([place])
        until(lambda: consumer.poll(0.1), "the first record")
        assert consumer.get_watermark_offsets(place, cached=True) == (0, 10)
    finally:
        consumer.close()
