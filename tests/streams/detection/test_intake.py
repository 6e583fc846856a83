"""How much the intake reads at a time, and how its thread ends."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from infra.settings import Settings
from streams.detection.custody import Batch
from streams.detection.intake import Intake


class Feed:
    """A consumer of records that somebody else puts there; one is always there."""

    def __init__(self) -> None:
        self.offset = -1
        self.there = 0
        self.polled = threading.Semaphore(0)
        self.broken = False

    def poll(self, timeout: float) -> Message:
        assert timeout > 0
        self.polled.release()
        return self._next()

    def consume(self, at_most: int, timeout: float) -> list[Message]:
        assert (at_most, timeout) > (0, -1)
        if self.broken:
            raise KafkaException(KafkaError(KafkaError._FATAL))
        there, self.there = self.there, 0
        return [self._next() for _ in range(there)]

    def _next(self) -> Message:
        self.offset += 1
        return Message(topic="transactions", partition=0, offset=self.offset, value=b"{}", timestamp=(1, 0))


class Channel:
    """Keeps what is put there."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def put(self, batch: Batch) -> None:
        self.batches += [list(rows.offsets) for _number, rows in batch.rows]


def reading(channel: Channel) -> Intake:
    """An intake whose agent listens; `_read` may be called from a thread."""
    custody = SimpleNamespace(judging=asyncio.Event(), stored={}, progress={})
    custody.judging.set()
    intake = Intake(Settings(kafka_servers="127.0.0.1:1"), channel=channel, custody=cast("Any", custody))
    intake._running = asyncio.get_running_loop()
    return intake


async def test_what_is_waited_for_and_dropped_does_not_end_the_reading() -> None:
    intake = Intake(Settings(kafka_servers="127.0.0.1:1"), channel=None, custody=cast("Any", None))
    intake._running = asyncio.get_running_loop()

    async def dropped() -> str:
        raise asyncio.CancelledError

    assert await asyncio.to_thread(intake._wait_for, dropped()) is None
    assert intake._anew.is_set()


async def test_what_ends_the_reading_is_told_to_whoever_waits_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise KeyError("nobody thought of this")

    intake = Intake(Settings(kafka_servers="127.0.0.1:1"), channel=None, custody=cast("Any", None))
    monkeypatch.setattr(intake, "_run", broken)
    await intake.on_start()
    with pytest.raises(KeyError, match="nobody thought of this"):
        await asyncio.wait_for(intake.ended(), 10)
    await intake.on_stop()


async def test_what_arrives_while_one_batch_is_judged_and_one_waits_is_a_single_batch() -> None:
    feed, channel = Feed(), Channel()
    intake = reading(channel)
    for _ in range(2):
        await asyncio.to_thread(intake._read, cast("Any", feed))
    third = asyncio.create_task(asyncio.to_thread(intake._read, cast("Any", feed)))
    for _ in range(3):
        await asyncio.to_thread(feed.polled.acquire)
    feed.there = 4
    assert not third.done()
    intake.judged()
    await asyncio.wait_for(third, 10)
    assert channel.batches == [[0], [1], [2, 3, 4, 5, 6]]


async def test_a_consumer_that_fails_takes_up_no_room() -> None:
    feed, channel = Feed(), Channel()
    intake = reading(channel)
    feed.broken = True
    for _ in range(3):
        with pytest.raises(KafkaException):
            await asyncio.to_thread(intake._read, cast("Any", feed))
    feed.broken = False
    await asyncio.wait_for(asyncio.to_thread(intake._read, cast("Any", feed)), 10)
    assert channel.batches == [[3]]
