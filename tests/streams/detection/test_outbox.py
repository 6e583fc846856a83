"""What was found in a partition that is another's by now is not said, and nobody waits for it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import cast

import pytest

from infra.settings import Settings
from streams.detection import outbox as outbox_room
from streams.detection import state as room
from streams.detection.outbox import Outbox
from streams.detection.partition import Partition
from streams.detection.rows import SetAside
from streams.detection.state import PartitionState
from streams.errors import BrokerAway
from streams.producer import Outgoing, Producer, Sent
from streams.topics import TopicIdentity

IDENTITY = TopicIdentity("first", 2)


class Broker:
    """Takes messages, when it may; answers at once, unless it is slow.

    Attributes:
        refusing: the numbers of the posted messages (from 0 on, each attempt counts) that it does not take.
    """

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self.asked = asyncio.Event()
        self.away = False
        self.slow = False
        self.refusing: set[int] = set()
        self._unanswered: list[tuple[asyncio.Future[Sent], Outgoing, bool]] = []
        self._posted = 0

    def holds(self, count: int) -> bool:
        """Whether it has so many messages that it has not answered yet."""
        return len(self._unanswered) == count

    async def post(self, messages: Sequence[Outgoing]) -> list[asyncio.Future[Sent]]:
        self.asked.set()
        answers = []
        for message in messages:
            answer: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
            takes = not self.away and self._posted not in self.refusing
            self._posted += 1
            self._unanswered.append((answer, message, takes))
            answers.append(answer)
        if not self.slow:
            self.answer()
        return answers

    def answer(self) -> None:
        """Answers what waits."""
        for answer, message, takes in self._unanswered:
            if takes:
                self.taken.append(message)
                answer.set_result(Sent(0, 0))
            else:
                answer.set_exception(BrokerAway("away"))
        self._unanswered.clear()

    def offsets(self) -> list[int]:
        """Of which records it has taken what was said, in this order."""
        return [json.loads(message.value or b"")["origin"]["offset"] for message in self.taken]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def outbox(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outbox]:
    monkeypatch.setattr(outbox_room, "ensure_topics", lambda *_: None)  # there is no broker to ask, which takes long
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


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.001)


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


async def test_more_is_said_before_the_broker_has_answered(redis_url: str, outbox: Outbox, broker: Broker) -> None:
    broker.slow = True
    partition = await claimed(redis_url)
    for offset in range(3):
        await outbox.put(partition, [finding(offset)])
        await until(partial(broker.holds, offset + 1))
    ticket = outbox.ticket
    assert broker.taken == []
    broker.slow = False
    broker.answer()
    async with asyncio.timeout(20):
        await outbox.acknowledged(ticket)
    assert broker.offsets() == [0, 1, 2]
    await partition.state.close()


async def test_what_is_taken_behind_a_gap_is_said_again_behind_what_was_missing(
    redis_url: str, outbox: Outbox, broker: Broker
) -> None:
    broker.slow = True
    broker.refusing = {1}
    partition = await claimed(redis_url)
    for offset in range(4):
        await outbox.put(partition, [finding(offset)])
        await until(partial(broker.holds, offset + 1))
    broker.slow = False
    broker.answer()
    await said(outbox)
    assert broker.offsets() == [0, 2, 3, 1, 2, 3]
    await outbox.put(partition, [finding(4)])
    await said(outbox)
    assert broker.offsets()[-1] == 4
    await partition.state.close()


async def test_nothing_new_is_said_while_something_is_said_again(
    redis_url: str, outbox: Outbox, broker: Broker
) -> None:
    broker.refusing = {0, 1, 2}
    partition = await claimed(redis_url)
    await outbox.put(partition, [finding(0)])
    await broker.asked.wait()
    await outbox.put(partition, [finding(1)])
    await said(outbox)
    assert broker.offsets()[-2:] == [0, 1]
    await partition.state.close()


async def test_what_says_for_ever_does_not_end_without_a_word(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    """As when a driver that ends its own work has whoever asked for it believe itself cancelled."""
    outbox = Outbox(cast("Producer", broker), Settings(kafka_servers="localhost:1"), lambda: datetime.now(UTC))

    async def cancelled(_batch: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(outbox, "_look_up", cancelled)
    partition = await claimed(redis_url)
    await outbox.put(partition, [finding(1)])
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="has ended")):
        async with asyncio.timeout(20):
            await outbox.run()
    await partition.state.close()
