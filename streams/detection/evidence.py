"""Reads records back by offset, to say in an alert what the memory does not hold: merchants, amounts, recent payments.

That is rare (once an alert), and worth at most `timeout_s`: a record that the topic no longer has, or that does not
come in time, is left out, and the evidence says so.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from typing import Any, Final

import confluent_kafka
from confluent_kafka import KafkaException, TopicPartition

from streams.topics import TRANSACTIONS

logger = logging.getLogger(__name__)

_POLL_S: Final = 0.05


class RecordReader:
    """A second consumer, in no group, that only looks records up; used by one task at a time.

    Args:
        servers: Kafka bootstrap servers.
        timeout_s: how long all records of one look-up may take together.
    """

    def __init__(self, servers: str, *, timeout_s: float = 1.5) -> None:
        self._timeout_s = timeout_s
        self._config: dict[str, Any] = {
            "bootstrap.servers": servers,
            "group.id": "ringback-detection-evidence",  # librdkafka wants one; it is neither joined nor committed to
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 5,
            "queued.min.messages": 1,
            "fetch.message.max.bytes": 16_384,
            "fetch.queue.backoff.ms": 5,
            "logger": logging.getLogger(__name__),
            "log_level": 0,
        }
        self._consumer: confluent_kafka.Consumer | None = None

    async def read(self, partition: int, offsets: Collection[int]) -> dict[int, bytes]:
        """The records at these offsets, as far as the topic has them."""
        if not offsets:
            return {}
        return await asyncio.to_thread(self._read, partition, sorted(offsets))

    async def close(self) -> None:
        """Ends the consumer."""
        if self._consumer is not None:
            await asyncio.to_thread(self._consumer.close)
            self._consumer = None

    def _read(self, partition: int, offsets: list[int]) -> dict[int, bytes]:
        if self._consumer is None:
            self._consumer = confluent_kafka.Consumer(self._config)
        found: dict[int, bytes] = {}
        until = time.monotonic() + self._timeout_s
        try:
            for offset in offsets:
                value = self._one(self._consumer, partition, offset, until)
                if value is not None:
                    found[offset] = value
            self._consumer.unassign()
        except KafkaException as error:
            logger.warning("records of partition %d could not be read back: %s", partition, error)
        return found

    @staticmethod
    def _one(consumer: confluent_kafka.Consumer, partition: int, offset: int, until: float) -> bytes | None:
        consumer.assign([TopicPartition(TRANSACTIONS, partition, offset)])
        while time.monotonic() < until:
            message = consumer.poll(_POLL_S)
            if message is None:
                continue
            if message.error() is not None:
                return None
            if message.partition() == partition and message.offset() == offset:
                value: bytes | None = message.value()
                return value
            if message.partition() == partition and (message.offset() or 0) > offset:
                return None  # compacted or deleted: the next one came instead
        return None
