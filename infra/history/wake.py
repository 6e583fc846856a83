"""Tells the readers of the history that there is more to read: in this process at once, elsewhere through Redis.

Only a hint: a reader that misses one finds the events by polling within a second, and a Redis that is away delays
nothing and fails nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.history.cancellation import Cancellation, end
from infra.redis_client import server_url

CHANNEL = "ringback:history"
"""Redis channel; each message is the newest position in decimal."""

KEYS_CHANNEL = "ringback:keys"
"""Redis channel; a message says that customers' keys were destroyed, not whose."""

POLL_S = 1.0
"""A reader looks for itself after this long without a hint."""

_RETRY_S = 2.0
_TIMEOUT_S = 1.0

log = structlog.get_logger(__name__)


class Wake:
    """Publishes and hears hints; without a Redis address only within this process.

    Args:
        redis_url: where the other processes hear of it.
        on_forget: called when a customer's key was destroyed, or may have been while nothing could be heard.
    """

    def __init__(self, redis_url: str | None, *, on_forget: Callable[[], None] | None = None) -> None:
        self._redis_url = redis_url
        self._on_forget = on_forget
        self._waiters: set[asyncio.Event] = set()
        self._unpublished = asyncio.Event()
        self._newest = 0
        self._hints = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._redis: Redis | None = None

    async def start(self) -> None:
        """Begins to publish and to listen, if there is a Redis; returns at once."""
        if self._redis_url is None:
            return
        self._redis = Redis.from_url(  # the nodes of a cluster pass every message on to each other: any will do
            server_url(self._redis_url),
            socket_connect_timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            decode_responses=True,
        )
        self._tasks = [
            asyncio.create_task(self._publish(self._redis), name="history-wake-publish"),
            asyncio.create_task(self._listen(self._redis), name="history-wake-listen"),
        ]

    async def stop(self) -> None:
        """Ends both and closes the connections."""
        await end(*self._tasks)
        self._tasks = []
        if self._redis is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._redis.aclose()
            self._redis = None

    def publish(self, position: int) -> None:
        """Says that the history goes up to this position; never waits and never fails."""
        self._newest = max(self._newest, position)
        self._unpublished.set()
        self._ring()

    async def forget_keys(self) -> bool:
        """Has every process drop the customers' keys that it remembers; answers whether Redis passed it on.

        Where it did not, each process forgets by itself, `infra.history.keys.FORGOTTEN_AFTER` after it learnt a key.
        """
        if self._redis is None:
            return False
        try:
            await self._redis.publish(KEYS_CHANNEL, "")
        except (RedisError, OSError) as error:
            log.warning("destroyed keys not told", error=type(error).__name__)
            return False
        return True

    def heard(self) -> int:
        """How many hints there have been: take it before reading, and give it to :meth:`wait`."""
        return self._hints

    async def wait(self, since: int, timeout_s: float = POLL_S) -> None:
        """Returns at the next hint, at once if there has been one since, or after the time."""
        if self._hints != since:
            return
        hint = asyncio.Event()
        self._waiters.add(hint)
        try:
            async with asyncio.timeout(timeout_s):
                await hint.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(hint)

    def _ring(self) -> None:
        self._hints += 1
        for hint in self._waiters:
            hint.set()

    def _forget(self) -> None:
        if self._on_forget is not None:
            self._on_forget()

    async def _publish(self, redis: Redis) -> None:
        cancellation = Cancellation()  # the client swallows one that comes while it connects
        while True:
            cancellation.check()
            await self._unpublished.wait()
            self._unpublished.clear()
            try:
                await redis.publish(CHANNEL, str(self._newest))
            except (RedisError, OSError) as error:
                log.warning("history hint not published", error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)

    async def _listen(self, redis: Redis) -> None:
        cancellation = Cancellation()
        while True:
            cancellation.check()
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(CHANNEL, KEYS_CHANNEL)
                    self._forget()  # what was said before this is not known
                    while True:
                        cancellation.check()
                        message = await pubsub.get_message(timeout=POLL_S)
                        if message is not None and message["channel"] == KEYS_CHANNEL:
                            self._forget()
                        elif message is not None:
                            self._ring()
            except (RedisError, OSError) as error:
                log.warning("history hints not heard", error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)
