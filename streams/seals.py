"""In the role `relay`: the end of the history is sealed at an interval, and each seal is published on `history-seals`.

A message is the seal as its file has it, under the key ``seals``: all in one partition, in the order of their numbers.
The subscription's name holds the topic's identity, so that a topic that was made anew is given every seal again.
"""

import asyncio
from typing import Final

import structlog

from infra.clock import Clock
from infra.history.seal_file import line_of
from infra.history.sealer import Sealer
from infra.history.seals import SEALS_STREAM, HistorySealed, public_keys, signing_key
from infra.history.store import History
from infra.history.subscription import Subscription
from infra.settings import Settings
from streams.errors import StreamsError
from streams.follower import RETRYABLE
from streams.incarnation import per_incarnation
from streams.producer import Outgoing, Producer
from streams.topics import HISTORY_SEALS, TopicIdentity

_PAUSE_S: Final = 1.0
_PAUSE_AT_MOST_S: Final = 15.0

log = structlog.get_logger(__name__)


async def keep_sealed(settings: Settings, history: History, clock: Clock) -> None:
    """Seals at the interval until it is cancelled; returns at once where there is no key, and says so.

    Raises:
        UnusableKey: a key of the settings is none.
    """
    if settings.seal_key is None:
        log.warning("history is not sealed: RINGBACK_SEAL_KEY is not set, and the home keeps none")
        return
    key = signing_key(settings.seal_key.get_secret_value())
    sealer = Sealer(history, key, clock, settings.seals_path, trusted=public_keys(settings.earlier_seal_keys))
    await sealer.run(settings.seal_every)


async def publish_seals(settings: Settings, history: History, producer: Producer) -> None:
    """Sends each seal of the history to the topic, in order, at least once; until it is cancelled."""

    async def follow(identity: TopicIdentity) -> None:
        pause_s = _PAUSE_S
        while True:
            subscription = Subscription(history, f"seals.{identity}", types=[HistorySealed.wire_name])
            try:
                async with subscription.lead():
                    async for batch in subscription.batches():
                        messages = [outgoing(each.event) for each in batch if isinstance(each.event, HistorySealed)]
                        for answer in await producer.send_all(messages):
                            if isinstance(answer, StreamsError):
                                raise answer
                        async with history.transaction() as conn:
                            await subscription.advance(conn, batch[-1].position)
                        pause_s = _PAUSE_S
            except RETRYABLE as error:
                log.warning("seals wait to be published", error=type(error).__name__, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_AT_MOST_S)

    await per_incarnation(settings, HISTORY_SEALS, follow)


def outgoing(seal: HistorySealed) -> Outgoing:
    """The seal as a message of `history-seals`."""
    return Outgoing(HISTORY_SEALS, SEALS_STREAM, line_of(seal))
