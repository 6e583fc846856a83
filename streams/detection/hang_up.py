"""Ends a consumer of aiokafka, and nobody else.

`AIOKafkaConsumer.stop` cancels what it has under way and then awaits it. Where that is about to ask again a broker that
is away, the cancellation comes out of `stop`, and whoever asked for it takes it for its own: a task that says or hears
for ever ends without a word, and the connections stay open.
"""

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaConsumer

logger = logging.getLogger(__name__)

_WITHIN_S: Final = 5.0


async def hang_up(consumer: AIOKafkaConsumer) -> None:
    """Ends the consumer and closes its connections, within some seconds; raises only where one is cancelled oneself."""
    if not await _ended(asyncio.ensure_future(consumer.stop())):
        await _ended(asyncio.ensure_future(consumer._client.close()))  # noqa: SLF001 - `stop` would have come to it


async def _ended(ending: "asyncio.Future[None]") -> bool:
    """Whether it came to its end by itself."""
    await asyncio.wait([ending], timeout=_WITHIN_S)
    if not ending.done():
        ending.cancel()
        return False
    if ending.cancelled():
        return False
    if (error := ending.exception()) is not None:
        logger.info("a consumer did not end as it should: %r", error)
    return error is None
