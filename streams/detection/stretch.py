"""What whoever had a partition before may have said and not stored, and how it is said again.

Alerts are told before the position passes what raised them. Whoever comes next judges those records anew, and for the
same alerts to come of them it must know no more than was known then: a word of the customer's, or another rule set,
that has come meanwhile would have it pass over in silence what was told, and nobody would ever withdraw it. So what has
come meanwhile waits until the stretch is over. What is found there of cards of which a word waits is kept back until
that word is heeded too: a payment that the customer has confirmed before anybody told of it raises no alert for a
moment.

Where words are heeded is stored before anything is said of them (`Hearing`), so that the next one heeds the same words
at the same record. What is told is thus told again by the same steps, and in the end what stands is what is remembered.

Known limit: where Redis has lost everything or the topic was replaced, nothing says under which words was judged, and
all that are known are heeded first. An alert whose word came between the loss and the next claim is not withdrawn then.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.detection.hang_up import hang_up
from streams.detection.rows import Found, Outcome, Rows
from streams.topics import TRANSACTIONS

MOST_ROWS: Final = 100_000
"""So far ahead of what is stored nobody judges, by half: after so many records a stretch is over, wherever it ends."""
_WAIT_MS: Final = 500


class Hearing(NamedTuple):
    """The words up to `until` in the `card-context` of this identity are heeded right before record `at`."""

    identity: str
    until: int
    at: int


class Stretch:
    """The records of one partition that may have been judged before, from its stored position on.

    Args:
        end: the offset at which it is over: where the topic ended at the claim, or where words are known to have been
            heeded.
        cards: of which words wait for the end.
        until: words up to there in `card-context` are heeded at the end; None: all that are known then.

    Attributes:
        end: may come down where there are no records before it.
        kept: what was found of those cards so far.
    """

    def __init__(self, end: int, cards: Collection[str], *, until: int | None = None) -> None:
        self.until = until
        self.kept: list[Outcome] = []
        self.end = end
        self._rows_left = MOST_ROWS
        self._cards = frozenset(cards)
        self._seen_at = -1

    def over(self, position: int) -> bool:
        """Whether everything before this record, which is the next, has been judged again."""
        return position >= self.end or self._rows_left <= 0

    def parts(self, rows: Rows) -> list[Rows]:
        """The rows, parted where it ends."""
        inside = min(bisect_left(rows.offsets, self.end), self._rows_left)
        return rows.parted(inside)

    def judged(self, rows: Rows, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """What is to be said at once of these rows, which have been judged."""
        self._rows_left -= len(rows.offsets)
        at_once: list[Outcome] = []
        for one in outcomes:
            (self.kept if isinstance(one, Found) and one.card_id in self._cards else at_once).append(one)
        return at_once

    def stands_still(self, position: int) -> bool:
        """Whether nothing has been judged since this was asked last."""
        before, self._seen_at = self._seen_at, position
        return before == position


def settled(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """What is left to say of what was kept back: of what ends withdrawn only that.

    Whoever was told is told that it does not stand, and whoever was not, never hears of it.
    """
    last = {_name(one): one for one in outcomes if isinstance(one, Found)}
    return [
        one
        for one in outcomes
        if not isinstance(one, Found) or last[_name(one)] is one or last[_name(one)].finding.status != "withdrawn"
    ]


def _name(found: Found) -> tuple[str, str, str]:
    return found.card_id, found.finding.suspect.transaction_id, found.mode


async def anything_between(servers: str, partition: int, position: int, end: int) -> bool:
    """Whether the topic has a record at or after `position` and before `end`; what marks a transaction's end is none.

    Raises:
        KafkaError: the broker does not say.
    """
    if position >= end:
        return False
    place = TopicPartition(TRANSACTIONS, partition)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        client_id="ringback-detection-stretch",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        consumer.assign([place])
        consumer.seek(place, position)
        while await consumer.position(place) < end:
            found = await consumer.getmany(place, timeout_ms=_WAIT_MS, max_records=1)
            if records := found.get(place):
                return bool(records[0].offset < end)
    finally:
        await hang_up(consumer)
    return False
