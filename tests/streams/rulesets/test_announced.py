"""What detection hears of the rule sets: the newest, whoever tells it, and again where Redis forgot."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
import redis.asyncio

from infra.history.errors import Unavailable
from rules.ruleset import LIVE
from streams.rulesets.announced import KEY, Announcement, heard, keep_telling, tell

NEWER = Announcement(serial=3, live=msgspec.structs.replace(LIVE, version="2026.2"), shadow=LIVE)
OLDER = Announcement(serial=2, live=LIVE)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url) as opened:
        yield opened


async def until_heard(client: redis.asyncio.Redis) -> None:
    while await heard(client) != NEWER:  # noqa: ASYNC110 - another connection is waited for, not a task
        await asyncio.sleep(0.02)


async def test_what_is_told_is_heard_and_heard_once(client: redis.asyncio.Redis) -> None:
    assert await heard(client) is None
    assert await tell(client, NEWER)
    assert await heard(client) == NEWER
    assert await heard(client, than=3) is None
    assert not await tell(client, NEWER)


async def test_an_older_word_never_replaces_a_newer(client: redis.asyncio.Redis) -> None:
    await tell(client, NEWER)
    assert not await tell(client, OLDER)
    assert await heard(client) == NEWER


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
