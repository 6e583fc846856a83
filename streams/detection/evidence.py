"""Reads records back by offset, to say in an alert what the memory does not hold: merchants, amounts, recent payments.

Only what `streams.detection.recall` does not hold any more is asked of the broker: the records of several alerts in one
pass over the partition. A record that the topic no longer has, or that does not come in time, is left out, and the
evidence says so.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from typing import Any, Final

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.topics import TRANSACTIONS

logger = logging.getLogger(__name__)

_POLL_S: Final = 0.05
_READ_THROUGH: Final = 400
"""Records that are cheaper read over than sought past: some 2 µs each, a seek 1 to 4 ms."""
_PASS_S: Final = 15.0


class RecordReader:
    """A second consumer, in no group, that only looks records of one partition up; used by one task at a time.

    Args:
        servers: Kafka bootstrap servers.
        partition: of `transactions`.
        patience_s: how long one record may take; after that, or 15 s in all, the rest of the look-up is given up.
    """

    def __init__(self, servers: str, partition: int, *, patience_s: float = 3.0) -> None:
        self._partition = partition
        self._patience_s = patience_s
        self._config: dict[str, Any] = {
            "bootstrap.servers": servers,
            "group.id": "ringback-detection-evidence",  # librdkafka wants one; it is neither joined nor committed to
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 5,
            "queued.min.messages": 1,
            "fetch.message.max.bytes": 65_536,
            "check.crcs": False,
            "fetch.queue.backoff.ms": 5,
            "logger": logger,
            "log_level": 0,
        }
        self._consumer: confluent_kafka.Consumer | None = None

    async def read(self, offsets: Collection[int]) -> dict[int, bytes]:
        """The records at these offsets, as far as the topic has them."""
        if not offsets:
            return {}
        return await asyncio.to_thread(self._read, sorted(offsets))

    async def close(self) -> None:
        """Ends the consumer."""
        if self._consumer is not None:
            await asyncio.to_thread(self._consumer.close)
            self._consumer = None

    def _read(self, offsets: list[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        give_up = time.monotonic() + _PASS_S
        try:
            consumer = self._ready(offsets[0])
            at = offsets[0]
            for offset in offsets:
                if offset < at:
                    continue  # read over: the topic has it no more
                if at < 0 or offset > at + _READ_THROUGH:
                    consumer.seek(TopicPartition(TRANSACTIONS, self._partition, offset))
                at = self._one(consumer, offset, found, give_up)
            consumer.pause([TopicPartition(TRANSACTIONS, self._partition)])
        except (KafkaException, TimeoutError) as error:
            logger.warning("records of partition %d could not be read back: %s", self._partition, error)
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None
        return found

    def _ready(self, offset: int) -> confluent_kafka.Consumer:
        if self._consumer is None:
            self._consumer = confluent_kafka.Consumer(self._config)
            self._consumer.assign([TopicPartition(TRANSACTIONS, self._partition, offset)])
        else:
            self._consumer.seek(TopicPartition(TRANSACTIONS, self._partition, offset))
            self._consumer.resume([TopicPartition(TRANSACTIONS, self._partition)])
        return self._consumer

    def _one(self, consumer: confluent_kafka.Consumer, offset: int, found: dict[int, bytes], give_up: float) -> int:
        """Reads until the offset is passed; answers the offset that comes next, -1 if the topic has it no more."""
        until = min(time.monotonic() + self._patience_s, give_up)
        while time.monotonic() < until:
            message = consumer.poll(_POLL_S)
            if message is None:
                continue
            if (error := message.error()) is not None:
                if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - public: the offset is out of range
                    return -1
                continue
            seen = message.offset() or 0
            value = message.value()
            if seen == offset and value is not None:
                found[offset] = value
            if seen >= offset:
                return seen + 1
        raise TimeoutError(f"offset {offset} did not come in time")
