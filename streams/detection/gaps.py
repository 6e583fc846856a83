"""What the broker forgot before it was judged: from when on the feed is to send again.

When detection finds its topic replaced, whatever the old one held after the last applied position is gone. How far it
was applied is known by the broker's time stamp; everything that the feed has had acknowledged since then is to be sent
again, which is harmless for what was judged after all.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from infra.redis_client import redis_client
from streams.detection.state import hash_name
from streams.topics import partitions_of

_AT_LEAST: Final = 16
"""So many hashes are looked at, whatever they say: while partitions are being claimed, some are not there yet."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """One partition's gap, times in UTC."""

    partition: int
    resend_from: datetime
    lost_at: datetime


async def gaps(redis_url: str) -> Sequence[Gap]:
    """The gaps that nobody has closed yet, by partition; of every partition that the topic has or had.

    How many there are says what detection stored of the topic whose partitions it claimed, and no setting: a bank's own
    topic has as many as the bank gave it.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    async with redis_client(redis_url) as client:
        found = []
        number, partitions = 0, _AT_LEAST
        while number < partitions:
            identity, since, lost = await client.hmget(hash_name(number), ["identity", "resend_from_ms", "lost_ms"])
            if identity is not None:
                # One beyond: where the topic was made anew with fewer, those that it had before follow.
                partitions = max(partitions, partitions_of(_text(identity)), number + 2)
            if since is not None and lost is not None:
                found.append(Gap(partition=number, resend_from=_moment(since), lost_at=_moment(lost)))
            number += 1
        return found


async def close_gap(redis_url: str, partition: int) -> bool:
    """Notes that the feed has sent again what the gap names; False where no such partition was ever claimed.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    async with redis_client(redis_url) as client:
        await client.hdel(hash_name(partition), "resend_from_ms", "lost_ms")
        return bool(await client.exists(hash_name(partition)))


def _text(stored: bytes | str) -> str:
    return stored if isinstance(stored, str) else stored.decode()


def _moment(milliseconds: bytes | str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
