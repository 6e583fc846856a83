"""What was found in a partition that is another's by now is not said, and nobody waits for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from infra.settings import Settings
from streams.detection import state as room
from streams.detection.outbox import Outbox
from streams.detection.partition import Partition
from streams.detection.rows import SetAside
from streams.detection.state import PartitionState
from streams.errors import BrokerAway, StreamsError
from streams.producer import Outgoing, Producer, Sent
from streams.topics import TopicIdentity

IDENTITY = TopicIdentity("first", 2)


class Broker:
    """Takes messages, when it may."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self.asked = asyncio.Event()
        self.away = False

    async def send_all(self, messages: Sequence[Outgoing]) -> list[Sent | StreamsError]:
        self.asked.set()
        if self.away:
            return [BrokerAway("away") for _ in messages]
        self.taken += messages
        return [Sent(0, 0) for _ in messages]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def outbox(broker: Broker) -> AsyncIterator[Outbox]:
    made = Outbox(cast("Producer", broker), Settings(kafka_servers="localhost:1"), lambda: datetime.now(UTC))
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await made.close()


async def claimed(redis_url: str) -> Partition:
    state = PartitionState(redis_url, 0)
    return Partition(state, await state.claim(IDENTITY, datetime.now(UTC)), identity=str(IDENTITY))


def finding(offset: int) -> SetAside:
    return SetAside("not_json", "", offset, b"?")


async def said(outbox: Outbox) -> None:
    async with asyncio.timeout(20):
        await outbox.acknowledged(outbox.ticket)


async def test_what_was_found_in_a_partition_that_was_given_up_is_not_said(
    redis_url: str, outbox: Outbox, broker: Broker
) -> None:
    given_up, kept = await claimed(redis_url), await claimed(redis_url)
    given_up.released = True
    await outbox.put(given_up, [finding(1)])
    await outbox.put(kept, [finding(2)])
    await said(outbox)
    assert len(broker.taken) == 1
    for each in (given_up, kept):
        await each.state.close()


async def test_who_stood_still_looks_before_it_speaks(
    redis_url: str, outbox: Outbox, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_FRESH_S", -1.0)
    sleeper = await claimed(redis_url)
    successor = await claimed(redis_url)
    await outbox.put(sleeper, [finding(1)])
    await said(outbox)
    assert (broker.taken, sleeper.released) == ([], True)
    await outbox.put(successor, [finding(1)])
    await said(outbox)
    assert len(broker.taken) == 1
    for each in (sleeper, successor):
        await each.state.close()


async def test_what_the_broker_did_not_take_is_not_said_after_the_partition_was_given_up(
    redis_url: str, outbox: Outbox, broker: Broker
) -> None:
    broker.away = True
    partition = await claimed(redis_url)
    await outbox.put(partition, [finding(1)])
    await broker.asked.wait()
    partition.released = True
    broker.away = False
    await said(outbox)
    assert broker.taken == []
    await partition.state.close()
