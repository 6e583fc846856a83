"""What is let go of holds nobody up, and what was given up is not let go of a second time."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest
import redis.asyncio

from streams.detection import custody as room
from streams.detection import knowledge
from streams.detection import state as state_room
from streams.detection.custody import FLUSH_EVERY_S, Batch
from streams.detection.errors import LetGo, StateLost
from streams.detection.partition import Partition
from streams.detection.rows import Outcome, Rows
from streams.detection.state import hash_name
from streams.topics import TopicIdentity
from tests.streams.detection.conftest import NothingSaid
from tests.streams.detection.payments import PARIS, payment
from tests.streams.detection.unplugged import Broker, Said, unplugged

OLD, NEW = TopicIdentity("old", 1), TopicIdentity("new", 1)


class Asked(Broker):
    """Says which topic there is, as soon as it may."""

    def __init__(self, servers: str) -> None:
        super().__init__(servers)
        self.identity = OLD
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()

    async def now(self) -> TopicIdentity:
        self.asked.set()
        await self.may_answer.wait()
        return self.identity


class Unsent(Said):
    """An outbox whose broker is away: what is in it stays there."""

    ticket = 1

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = asyncio.Event()

    async def put(self, _partition: Partition, outcomes: Sequence[Outcome]) -> None:
        del outcomes

    async def acknowledged(self, ticket: int) -> None:
        del ticket
        self.waited_for.set()
        await asyncio.Event().wait()


class Stage:
    """A custody of one partition, beside a broker and an outbox that do as they are told."""

    def __init__(self, redis_url: str) -> None:
        self.outbox = Unsent()
        self.dropped: list[LetGo] = []
        self.custody = unplugged(redis_url, self.outbox, self.dropped)
        self.broker = cast("Asked", self.custody._incarnation)


@pytest.fixture
async def stage(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(room, "Incarnation", Asked)
    monkeypatch.setattr(knowledge, "Sayings", NothingSaid)
    made = Stage(redis_url)
    await made.custody.take([0])
    yield made
    await made.custody.give_up(flush=False)


async def test_a_topic_that_was_made_anew_is_let_go_of(stage: Stage) -> None:
    stage.broker.identity = NEW
    await stage.custody.look_for_replacement()
    assert len(stage.dropped) == 1
    assert stage.custody.positions == {}


async def test_what_was_given_up_while_the_broker_was_asked_is_not_let_go_of_again(stage: Stage) -> None:
    stage.broker.identity = NEW
    stage.broker.may_answer.clear()
    stage.broker.asked.clear()
    looking = asyncio.create_task(stage.custody.look_for_replacement())
    await stage.broker.asked.wait()
    await stage.custody.give_up(flush=False)
    stage.broker.may_answer.set()
    await looking
    assert stage.dropped == []


async def test_a_flush_that_waits_for_the_broker_does_not_hold_up_who_leaves_after_letting_go(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.custody.judge(Batch(1, [(0, Rows([0], [0], [json.dumps(payment("c", "first", PARIS, 0)).encode()]))]))
    await stage.custody.flush_next()
    await stage.outbox.waited_for.wait()
    stage.broker.identity = NEW
    await stage.custody.look_for_replacement()
    await stage.custody.give_up(flush=True)
    assert "not flushed in time" not in caplog.text


async def test_partitions_are_flushed_one_after_the_other(stage: Stage) -> None:
    _, begin = await stage.custody.take([0, 1, 2])
    row = Rows([0], [0], [json.dumps(payment("c", "first", PARIS, 0)).encode()])
    await stage.custody.judge(Batch(2, [(number, row) for number in begin]))
    begun = []
    for _ in begin:
        assert await stage.custody.flush_next() == FLUSH_EVERY_S / 3
        begun.append(len(stage.custody._flushes))
    assert begun == [1, 2, 3]


async def test_a_redis_that_forgot_a_quiet_partition_is_noticed(
    stage: Stage, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.custody.look_for_loss()
    assert stage.dropped == []
    monkeypatch.setattr(state_room, "_FRESH_S", -1.0)
    await stage.custody.look_for_loss()
    assert stage.dropped == []
    async with redis.asyncio.Redis.from_url(redis_url) as store:
        await store.delete(hash_name(0))
    await stage.custody.look_for_loss()
    assert [type(error) for error in stage.dropped] == [StateLost]
    assert stage.custody.positions == {}
