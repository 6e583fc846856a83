"""A rule set that runs beside the live one: the same payments, memories of its own, and findings that are only told.

Its memories lie in a hash of their own, `{transactions:N}:shadow`, in the slot of the partition's, and are written in
the same transaction. A card that it sees for the first time it knows as the live one does at that moment, so that it
need not warm up for days; what stood under the live one then, it does not raise again. Where no shadow runs, nothing
of this exists.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

from rules.layout import NOTHING, UnknownLayout, check_version
from rules.memory import Context
from rules.ruleset import RuleSet
from rules.transaction import Refusal, Transaction
from rules.verdict import Finding
from rules.watch import Watch
from streams.detection.generations import turned_over
from streams.detection.state import PartitionState

logger = logging.getLogger(__name__)


class Shadow:
    """One partition's shadow; used by the partition alone, in its turns.

    Args:
        state: of the partition, claimed.
        ruleset: that runs in the shadow.
        watermark_us: the partition's.
        cards_kept: about how many cards stay in the process.
        fresh: it begins now: nothing of it is stored yet.
    """

    def __init__(
        self, state: PartitionState, ruleset: RuleSet, *, watermark_us: int, cards_kept: int, fresh: bool
    ) -> None:
        self.ruleset = ruleset
        self._state = state
        self._watch = Watch(ruleset, watermark_us=watermark_us)
        self._most = cards_kept // 2
        self._cards: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}
        self._dirty: dict[str, bytes] = {}
        self._all_here = fresh

    async def prepare(self, cards: Iterable[str], live: Callable[[str], bytes]) -> None:
        """Has the memories of these cards at hand, before they are judged; the live ones of those not seen yet."""
        missing = [card for card in cards if card not in self._cards and card not in self._older]
        stored = {} if self._all_here else await self._state.load(missing, shadow=True)
        for card in missing:
            self._cards[card] = _legible(stored.get(card), live(card))

    def observe(
        self, transactions: Iterable[Transaction | None], refs: Iterable[int], stamps_ms: Iterable[int]
    ) -> list[tuple[str, int, Finding]]:
        """Judges what the live one has judged; each finding with its card and its time stamp."""
        told: list[tuple[str, int, Finding]] = []
        for transaction, ref, stamp in zip(transactions, refs, stamps_ms, strict=True):
            if transaction is None:
                continue
            card = transaction.card_id
            memory = self._cards.get(card)
            if memory is None:
                memory = self._older.pop(card, NOTHING)
            watermark_us = self._watch.watermark_us
            try:
                memory, found = self._watch.observe(memory, transaction, ref, stamp)
            except Refusal:  # the live one has said so
                continue
            except Exception:  # a shadow stops nothing
                logger.exception("rule set %s in the shadow could not judge record %d", self.ruleset.version, ref)
                self._watch.watermark_us = watermark_us
                continue
            self._cards[card] = self._dirty[card] = memory
            told += [(card, stamp, finding) for finding in found]
        self._watch.counts.clear()
        return told

    def apply(self, card: str, context: Context) -> Sequence[Finding]:
        """Takes in what has been said of a card's payments; to be prepared for the card first, as for a payment."""
        memory = self._cards.get(card)
        if memory is None:
            memory = self._older.pop(card, NOTHING)
        memory, found = self._watch.apply(memory, context)
        self._cards[card] = self._dirty[card] = memory
        return found

    def standing(self, cards: dict[str, bytes]) -> Sequence[tuple[str, Finding]]:
        """What stands for these cards."""
        return [(card, finding) for card, memory in cards.items() for finding in self._watch.standing(memory)]

    def changed(self) -> dict[str, bytes]:
        """The memories that changed since this was asked last; to be written."""
        changed, self._dirty = self._dirty, {}
        return changed

    def forget(self, card: str) -> None:
        """The card is swept."""
        self._cards.pop(card, None)
        self._older.pop(card, None)

    def let_older_go(self) -> None:
        """Forgets cards that were not seen lately, if there are many; not while changed ones are being written."""
        if len(self._cards) > self._most:
            self._older, self._cards = turned_over(self._cards, self._dirty)
            self._all_here = False


def _legible(stored: bytes | None, otherwise: bytes) -> bytes:
    """What is stored, if it is of this version."""
    if stored is None:
        return otherwise
    try:
        check_version(stored)
    except UnknownLayout:
        return otherwise
    return stored
