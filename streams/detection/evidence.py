"""Reads records back by offset, to say in an alert what the memory does not hold: merchants, amounts, recent payments.

Only what `streams.detection.recall` does not hold any more is asked of the broker. A record that the topic no longer
has, or that does not come in time, is left out, and the evidence says so.

aiokafka and not librdkafka: a seek of the latter waits for its broker thread, which now and then sleeps for a second
(seen on Apache Kafka 4.1 and on the embedded broker: up to 6 s for eight records, against some 60 ms here).
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.detection.hang_up import hang_up
from streams.topics import TRANSACTIONS

logger = logging.getLogger(__name__)

_PASS_S: Final = 15.0
_FETCH_BYTES: Final = 16_384
"""Of one fetch; a broker gives at least one batch of records, however long."""


class RecordReader:
    """Looks records of one partition up, in no group; used by one task at a time.

    Args:
        servers: Kafka bootstrap servers.
        partition: of `transactions`.
        patience_s: how long one record may take; after that, or 15 s in all, the rest of the look-up is given up.
    """

    def __init__(self, servers: str, partition: int, *, patience_s: float = 3.0) -> None:
        self._servers = servers
        self._here = TopicPartition(TRANSACTIONS, partition)
        self._patience_s = patience_s
        self._consumer: AIOKafkaConsumer | None = None

    async def get_ready(self) -> None:
        """Connects, so that the first look-up need not; a broker that is away is met then."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._open()
        except (KafkaError, TimeoutError) as error:
            logger.info("records of partition %d cannot be read back yet: %s", self._here.partition, error)

    async def read(self, offsets: Collection[int]) -> dict[int, bytes]:
        """The records at these offsets, as far as the topic has them."""
        found: dict[int, bytes] = {}
        if not offsets:
            return found
        try:
            async with asyncio.timeout(_PASS_S):
                await self._read(sorted(offsets), found)
        except (KafkaError, TimeoutError) as error:
            logger.warning("records of partition %d could not be read back: %r", self._here.partition, error)
            await self.close()
        return found

    async def close(self) -> None:
        """Ends the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await hang_up(consumer)

    async def _read(self, offsets: list[int], found: dict[int, bytes]) -> None:
        consumer = await self._open()
        consumer.resume(self._here)
        following = None
        for offset in offsets:
            if offset != following:
                consumer.seek(self._here, offset)
            with contextlib.suppress(OffsetOutOfRangeError):  # the topic has it no more
                async with asyncio.timeout(self._patience_s):
                    record = await consumer.getone(self._here)
                following = record.offset + 1
                if record.offset == offset and record.value is not None:
                    found[offset] = record.value
        consumer.pause(self._here)

    async def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._servers,
                client_id="ringback-detection-evidence",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_wait_ms=5,
                max_partition_fetch_bytes=_FETCH_BYTES,
                check_crcs=False,
            )
            try:
                await consumer.start()
                consumer.assign([self._here])
                consumer.pause(self._here)  # or it reads on by itself
            except BaseException:
                await hang_up(consumer)
                raise
            self._consumer = consumer
        return self._consumer
