"""Is the topic still the one that we read? Asked of the broker before anything is written about it."""

import asyncio
import logging
from typing import Final

from confluent_kafka import KafkaException, TopicCollection

from streams.detection.errors import TopicReplaced
from streams.errors import BrokerAway, TopicMissing
from streams.topics import TRANSACTIONS, TopicIdentity, admin, described, failure

logger = logging.getLogger(__name__)

_AGAIN_S: Final = 0.25
_PATIENCE_S: Final = 5.0


class Incarnation:
    """Watches the identity of `transactions` over one connection that is kept."""

    def __init__(self, servers: str) -> None:
        self._admin = admin(servers)

    async def now(self) -> TopicIdentity:
        """The identity at this moment.

        Raises:
            TopicMissing: the broker answers, and does not have the topic.
            BrokerAway: it does not answer.
        """
        asked = self._admin.describe_topics(TopicCollection([TRANSACTIONS]), request_timeout=_PATIENCE_S)[TRANSACTIONS]
        try:
            return described(await asyncio.wait_for(asyncio.wrap_future(asked), _PATIENCE_S + 1))
        except KafkaException as error:
            raise failure(TRANSACTIONS, error) from error
        except TimeoutError as error:
            raise BrokerAway(f"topic {TRANSACTIONS} could not be described in time") from error

    async def confirm(self, identity: TopicIdentity) -> None:
        """Returns once the broker has said that the topic is still this one; waits while the broker is away.

        Raises:
            TopicReplaced: it is another, or gone.
        """
        while True:
            try:
                now = await self.now()
            except BrokerAway as error:
                logger.debug("identity not confirmed: %s", error)
                await asyncio.sleep(_AGAIN_S)
                continue
            except TopicMissing as error:
                raise TopicReplaced(str(error)) from error
            if now != identity:
                raise TopicReplaced(f"{TRANSACTIONS} was {identity}, and is {now} now")
            return
