"""What a worker knows besides the records, and from which record on a partition judges by it.

Rule sets in force, and what was said of cards' payments. Each is written down before it is used, with the record from
which it holds; and what was judged before a claim and not stored is judged again by what was known then
(`streams.detection.stretch`). So what is told again is told by the same steps.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from aiokafka.errors import KafkaError

from infra.metrics import RULESET_TAKEN_UP
from infra.settings import Settings
from rules.ruleset import RuleSet
from streams.detection import failpoint
from streams.detection.news import News
from streams.detection.outbox import Outbox
from streams.detection.partition import Partition
from streams.detection.said import Sayings
from streams.detection.stretch import Hearing, Stretch, anything_between, settled

logger = logging.getLogger(__name__)

_ANSWER_S: Final = 2.0


class Written(Protocol):
    """Writes what a partition changed."""

    def __call__(self, partition: Partition, first: Callable[[], None] | None = None) -> Awaitable[bool]:
        """Writes all of it, and what `first` changes, unless something is kept back.

        Returns:
            Whether the partition is still in hand.
        """


class Knowledge:
    """Used in the turns of the custody that has the partitions.

    Args:
        settings: name the servers.
        outbox: takes what follows from what was said.
        written: writes what a partition changed.
        intended: writes what is about to be heeded; answers alike.
    """

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        *,
        written: Written,
        intended: Callable[[Partition, Hearing], Awaitable[bool]],
    ) -> None:
        self._servers = settings.kafka_servers or ""
        self._outbox = outbox
        self._written = written
        self._intended = intended
        self._news = News(settings.redis_url or "")
        self._sayings = Sayings(settings)

    @property
    def announced(self) -> list[RuleSet]:
        """The rule sets of which it was heard last: the live one, and the shadow."""
        announced = self._news.announcement
        return [] if announced is None else [one for one in (announced.live, announced.shadow) if one is not None]

    async def begin(self, partitions: Iterable[Partition]) -> None:
        """Reads what there is for these partitions, just claimed, and says of each what is to be judged again."""
        held = list(partitions)
        await self._news.look()
        await self._sayings.begin({partition.number: partition.claim.context for partition in held})
        for partition in held:
            partition.stretch = self._stretch(partition)

    async def look_for_rulesets(self) -> None:
        """Hears which are in force now; in nobody's turn."""
        await self._news.look()

    async def look(self, partitions: Iterable[Partition]) -> None:
        """Takes what has been said since, and has these partitions, whose next record is known, judge by it."""
        await self._sayings.look()
        for partition in partitions:
            await self._look_for_the_end(partition)
            await self.inform(partition, partition.position)

    async def close(self) -> None:
        """Ends what is read beside the partitions."""
        await self._sayings.close()

    async def inform(self, partition: Partition, position: int) -> bool:
        """Has the partition judge from this record on by what is known now; False where it was let go meanwhile.

        What may have been judged before is judged again by what was known then.
        """
        if partition.stretch is not None:
            if not partition.stretch.over(position):
                return True
            if not await self._heeded(partition, position):
                return False
        return await self._in_force(partition, position) and await self._heeded(partition, position)

    async def _heeded(self, partition: Partition, position: int) -> bool:
        """Applies what was said of payments, between this record and those before; so ends the stretch before it.

        First everything before is written, but where something is kept back; then how far is about to be heeded, and
        where; then it is said what follows, and written with how far it was heeded. So whoever judges these records
        again heeds the same words at the same record.
        """
        stretch = partition.stretch
        kept = [] if stretch is None else stretch.kept
        heard = self._sayings.news(partition.number, None if stretch is None else stretch.until)
        if heard is None:
            partition.stretch = None  # nothing was kept back: nothing was said of anybody
            return True
        if not await self._written(partition):
            return False
        if not await self._intended(partition, Hearing(heard.identity, heard.position, position)):
            return False
        outcomes = settled([*kept, *await partition.hear(heard, position)])
        partition.stretch = None
        await self._outbox.put(partition, outcomes)
        failpoint.reached("heeded")
        return await self._written(partition)

    def _stretch(self, partition: Partition) -> Stretch | None:
        """What is to be judged again as it was judged before the claim; None where nothing says where that began."""
        number, claim = partition.number, partition.claim
        if claim.position is None:
            return None
        hearing = claim.hearing
        if hearing is not None and hearing.identity == self._sayings.identity:
            return Stretch(hearing.at, self._sayings.named(number, hearing.until), until=hearing.until)
        return Stretch(self._sayings.ends.get(number, claim.position), self._sayings.named(number))

    async def _look_for_the_end(self, partition: Partition) -> None:
        """Ends a stretch at whose end there are no records any more; asks the broker when nothing comes of it."""
        stretch, position = partition.stretch, partition.position
        if stretch is None or stretch.over(position) or not stretch.stands_still(position):
            return
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                if not await anything_between(self._servers, partition.number, position, stretch.end):
                    stretch.end = position

    async def _in_force(self, partition: Partition, position: int) -> bool:
        """Has the partition judge from this record on under what is in force; False where it was let go meanwhile.

        First everything before is written, and with it, in the same write, that these rule sets are in force from here
        on: whoever judges these records again judges them under the same.
        """
        announced = self._news.announcement
        if announced is None or partition.heard is announced:
            return True
        if (announced.live, announced.shadow) != (partition.ruleset, partition.shadow):
            if not await self._written(partition, lambda: partition.begin_to_take_up(announced, position)):
                return False
            logger.info("partition %d judges under %s from %d on", partition.number, announced.live.version, position)
            RULESET_TAKEN_UP.labels(announced.live.version).inc()
        partition.take_up(announced)
        return True
