"""What detection hears of the rule sets: the newest, whoever tells it, and again where Redis forgot."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
import redis.asyncio

from infra.history.errors import Unavailable
from rules.ruleset import LIVE
from streams.rulesets.announced import KEY, Announcement, heard, keep_telling, read, tell

NEWER = Announcement(serial=3, live=msgspec.structs.replace(LIVE, version="2026.2"), shadow=LIVE)
OLDER = Announcement(serial=2, live=LIVE)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url) as opened:
        yield opened


async def said(client: redis.asyncio.Redis) -> Announcement | None:
    content = await heard(client)
    return None if content is None else read(content)


async def until_heard(client: redis.asyncio.Redis) -> None:
    while await said(client) != NEWER:  # noqa: ASYNC110 - another connection is waited for, not a task
        await asyncio.sleep(0.02)


async def test_what_is_told_is_heard_and_told_once(client: redis.asyncio.Redis) -> None:
    assert await said(client) is None
    assert await tell(client, NEWER)
    assert await said(client) == NEWER
    assert not await tell(client, NEWER)


async def test_another_built_in_one_is_news_though_nothing_was_released(client: redis.asyncio.Redis) -> None:
    await tell(client, Announcement(serial=0, live=LIVE))
    assert await tell(client, Announcement(serial=0, live=msgspec.structs.replace(LIVE, floor_km=60.0)))


async def test_an_older_word_never_replaces_a_newer(client: redis.asyncio.Redis) -> None:
    await tell(client, NEWER)
    assert not await tell(client, OLDER)
    assert await said(client) == NEWER


async def test_a_redis_that_forgot_is_told_again_and_a_history_that_is_away_is_waited_for(
    client: redis.asyncio.Redis, redis_url: str
) -> None:
    asked = 0

    async def in_force() -> Announcement:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise Unavailable("PostgreSQL is away")
        return NEWER

    telling = asyncio.create_task(keep_telling(redis_url, in_force))
    try:
        async with asyncio.timeout(30):
            await until_heard(client)
            await client.delete(KEY)
            await until_heard(client)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    assert asked > 1
