"""How detection hears which rule sets are in force: one small key in Redis, derived from the history.

Detection stands on Redis and the broker, and reaches no PostgreSQL. The casework, which follows the history anyway,
writes the live rule set and the shadow, whole, under one key, with the number of the change; a lower number never
replaces a higher one, and a Redis that lost the key is given it again within a second or two. For detection it is
news, no more: what a partition decides under lies in its own hash, beside its position (``streams.detection.state``).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import redis.asyncio
import structlog
from redis.exceptions import RedisError

from infra.history.errors import Unavailable
from infra.redis_client import redis_client
from rules.ruleset import RuleSet

log = structlog.get_logger(__name__)

KEY: Final = "ringback:rulesets"
"""A hash of ``serial`` (decimal) and ``content`` (an `Announcement` as JSON)."""

EVERY_S: Final = 1.0
_TIMEOUT_S: Final = 2.0

_TELL: Final = """
local known = redis.call('HGET', KEYS[1], 'serial')
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
if redis.call('HGET', KEYS[1], 'content') == ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'serial', ARGV[1], 'content', ARGV[2])
return 1
"""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force.

    Attributes:
        serial: the version of the stream ``rulesets``; 0 while nothing was ever changed.
        shadow: runs beside the live one; None: none does.
    """

    serial: int
    live: RuleSet
    shadow: RuleSet | None = None


async def tell(client: redis.asyncio.Redis, announcement: Announcement) -> bool:
    """Writes it, unless as much is known already; answers whether it was news.

    Raises:
        RedisError, OSError: Redis is away.
    """
    answer: Any = client.eval(_TELL, 1, KEY, str(announcement.serial), msgspec.json.encode(announcement))
    return bool(await answer)


async def heard(client: redis.asyncio.Redis) -> bytes | None:
    """What is announced, to be read by `read`; None: nothing is.

    Raises:
        RedisError, OSError: Redis is away.
    """
    content: Any = client.hget(KEY, "content")
    found: bytes | None = await content
    return found


def read(content: bytes) -> Announcement:
    """What was announced.

    Raises:
        msgspec.DecodeError: a newer Ringback has announced what this one cannot read.
    """
    return msgspec.json.decode(content, type=Announcement)


async def keep_telling(redis_url: str, in_force: Callable[[], Awaitable[Announcement]]) -> None:
    """Looks every second for what is in force, and tells it, until it is cancelled."""
    client = redis_client(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    async with client:
        waiting = False
        while True:
            try:
                announcement = await in_force()
                if await tell(client, announcement):
                    shadow = announcement.shadow.version if announcement.shadow else None
                    log.info("rule sets announced", live=announcement.live.version, shadow=shadow)
                waiting = False
            except (Unavailable, RedisError, OSError) as error:
                if not waiting:
                    log.warning("rule sets wait to be announced", error=type(error).__name__)
                waiting = True
            await asyncio.sleep(EVERY_S)
