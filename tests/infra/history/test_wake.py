"""Hints between processes: quick where Redis is, harmless where it is not."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from infra.clock import utc_now
from infra.history import cancellation
from infra.history.store import History, StreamWrite
from infra.history.subscription import Subscription
from infra.history.wake import CHANNEL, Wake
from infra.servers import EmbeddedServers
from tests.infra.history.conftest import Make


async def listening(redis_url: str, count: int) -> None:
    async with Redis.from_url(redis_url, decode_responses=True) as client, asyncio.timeout(10):
        answer: Any = await client.pubsub_numsub(CHANNEL)
        while answer[0][1] < count:
            await asyncio.sleep(0.01)
            answer = await client.pubsub_numsub(CHANNEL)


async def test_a_hint_crosses_over_to_another_process(redis_url: str) -> None:
    here, there = Wake(redis_url), Wake(redis_url)
    await here.start()
    await there.start()
    await listening(redis_url, 2)
    hints = there.heard()
    here.publish(7)
    await there.wait(hints, timeout_s=10)
    assert there.heard() > hints
    await here.stop()
    await there.stop()


async def test_a_hint_between_reading_and_waiting_is_not_lost() -> None:
    wake = Wake(None)
    hints = wake.heard()
    wake.publish(1)
    async with asyncio.timeout(5):
        await wake.wait(hints, timeout_s=60)


async def test_without_a_hint_the_wait_ends_by_itself() -> None:
    wake = Wake(None)
    await wake.wait(wake.heard(), timeout_s=0.01)


async def test_a_redis_that_is_away_fails_no_append(
    postgres_url: str, master_key: bytes, note: Make, free_port: int
) -> None:
    away = f"redis://127.0.0.1:{free_port}"
    async with await History.open(postgres_url, master_key=master_key, clock=utc_now, redis_url=away) as history:
        appended = await history.append(StreamWrite("case-1", [note()]))
    assert appended.position == 1


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.003, 0.01, 0.03])
async def test_who_ends_while_it_connects_to_redis_ends_at_once(redis_url: str, after_s: float) -> None:
    wake = Wake(redis_url)
    await wake.start()
    await asyncio.sleep(after_s)  # into the middle of connecting, wherever that is
    async with asyncio.timeout(10):
        await wake.stop()


async def test_a_reader_goes_on_while_redis_is_stopped_and_is_woken_again_when_it_is_back(
    postgres_url: str, master_key: bytes, note: Make, session_home: Path
) -> None:
    with EmbeddedServers(session_home / "wake", which=frozenset({"redis"}), durable=False) as servers:
        url = servers.addresses.redis_url
        async with (
            await History.open(postgres_url, master_key=master_key, clock=utc_now, redis_url=url) as writing,
            await History.open(postgres_url, master_key=master_key, clock=utc_now, redis_url=url) as reading,
            aclosing(Subscription(reading, "woken").batches()) as batches,
            asyncio.timeout(60),
        ):
            await listening(url, 2)
            await writing.append(StreamWrite("case-1", [note()]))
            assert [read.position for read in await anext(batches)] == [1]
            await asyncio.to_thread(servers.stop)
            await writing.append(StreamWrite("case-1", [note()]))
            assert [read.position for read in await anext(batches)] == [2]
            await asyncio.to_thread(servers.start)
            assert servers.addresses.redis_url == url
            await listening(url, 2)
            heard = reading.wake.heard()
            await writing.append(StreamWrite("case-1", [note()]))
            await reading.wake.wait(heard, timeout_s=30)
            assert [read.position for read in await anext(batches)] == [3]


async def test_a_task_that_loses_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "_AGAIN_S", 0.01)
    lost = []

    async def stubborn() -> None:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost.append(True)
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await cancellation.end(task)
    assert (task.cancelled(), len(lost)) == (True, 2)
