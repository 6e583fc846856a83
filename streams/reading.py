"""Reads a topic from its beginning to its present end, in no group: for commands that look at what is there."""

import random
from collections.abc import Iterator
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.errors import BrokerAway

_WITHIN_S: Final = 20.0


def read_to_its_end(servers: str, topic: str) -> Iterator[Message]:
    """Every record that is there now, partition by partition each in its order; none where there is no such topic.

    Raises:
        BrokerAway: the broker does not answer, or stops to.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"ringback-reads-{random.getrandbits(64):x}",  # librdkafka wants one; nobody joins it
            "enable.auto.commit": False,
            "enable.partition.eof": True,  # the one sign of an end that every broker gives rightly
            "log_level": 0,
        }
    )
    try:
        open_ends = _partitions(consumer, topic)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in open_ends])
        while open_ends:
            message = consumer.poll(_WITHIN_S)
            if message is None:
                raise BrokerAway(f"{topic} cannot be read: nothing came for {_WITHIN_S:.0f} s")
            if (error := message.error()) is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                open_ends.discard(message.partition() or 0)
            else:
                raise BrokerAway(f"{topic} cannot be read: {error.str()}")
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> set[int]:
    try:
        found = consumer.list_topics(topic, timeout=_WITHIN_S).topics[topic]
    except KafkaException as error:
        raise BrokerAway(f"the broker does not answer: {error}") from error
    return set() if found.error is not None else set(found.partitions)
