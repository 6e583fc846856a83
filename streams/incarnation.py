"""Work that is worth something only as long as a topic is the same: done anew when the topic has been made anew."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from infra.history.cancellation import end
from infra.settings import Settings
from streams.errors import BrokerAway, TopicMissing
from streams.topics import TopicIdentity, ensure_topics, topic_identity

log = structlog.get_logger(__name__)

_LOOK_EVERY_S: Final = 1.0
_PAUSE_S: Final = 0.5


async def per_incarnation(settings: Settings, topic: str, work: Callable[[TopicIdentity], Awaitable[None]]) -> None:
    """Runs the work under the topic's identity; cancels it and runs it again when the identity is another.

    A broker that is away is waited for; the work goes on meanwhile, because its topic may be the same afterwards.

    Raises:
        Exception: whatever the work raised.
    """
    servers = settings.kafka_servers or ""
    while True:
        try:
            await asyncio.to_thread(ensure_topics, servers, settings)
            identity = await asyncio.to_thread(topic_identity, servers, topic)
        except (BrokerAway, TopicMissing) as error:
            log.warning("topic is awaited", topic=topic, error=type(error).__name__)
            await asyncio.sleep(_PAUSE_S)
            continue
        working = asyncio.ensure_future(work(identity))
        try:
            while await _same(servers, topic, identity):
                done, _ = await asyncio.wait({working}, timeout=_LOOK_EVERY_S)
                if done:
                    return await working
            log.warning("topic was made anew", topic=topic)
        finally:
            await end(working)


async def _same(servers: str, topic: str, identity: TopicIdentity) -> bool:
    try:
        return await asyncio.to_thread(topic_identity, servers, topic) == identity
    except TopicMissing:
        return False
    except BrokerAway:
        return True
