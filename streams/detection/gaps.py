"""What the broker forgot before it was judged: from when on the feed is to send again.

When detection finds its topic replaced, whatever the old one held after the last applied position is gone. How far it
was applied is known by the broker's time stamp; everything that the feed has had acknowledged since then is to be sent
again, which is harmless for what was judged after all.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import redis.asyncio

from streams.detection.state import hash_name


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """One partition's gap, times in UTC."""

    partition: int
    resend_from: datetime
    lost_at: datetime


async def gaps(redis_url: str, partitions: int) -> Sequence[Gap]:
    """The gaps that nobody has closed yet, by partition.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        found = []
        for number in range(partitions):
            since, lost = await client.hmget(hash_name(number), ["resend_from_ms", "lost_ms"])
            if since is not None and lost is not None:
                found.append(Gap(partition=number, resend_from=_moment(since), lost_at=_moment(lost)))
        return found


async def close_gap(redis_url: str, partition: int) -> None:
    """Notes that the feed has sent again what the gap names.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.hdel(hash_name(partition), "resend_from_ms", "lost_ms")


def _moment(milliseconds: bytes | str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
