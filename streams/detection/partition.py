"""One partition in hand: its cards' memories in the process, and the judging of its records in their order."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from rules.layout import NOTHING, UnknownLayout, check_version
from rules.ruleset import LIVE, RuleSet
from rules.transaction import Refusal, Transaction, decode
from rules.watch import NEVER, Watch
from streams.detection.ahead import Ahead, ask
from streams.detection.generations import turned_over
from streams.detection.rows import Found, Outcome, Rows
from streams.detection.said import Heard
from streams.detection.shadow import Shadow
from streams.detection.state import Change, Claim, PartitionState, TakenUp
from streams.detection.stretch import Stretch
from streams.rulesets.announced import Announcement

logger = logging.getLogger(__name__)

GENERATION_SHIFT: Final = 40
"""A ref is the topic's generation above an offset of 40 bits: an old topic's offset never finds a new one's record."""
_OFFSET_MASK: Final = (1 << GENERATION_SHIFT) - 1

_A_DAY_S: Final = 86_400
REMEMBERED_S: Final = LIVE.memory_s + _A_DAY_S
"""What is so much older than the watermark cannot change a verdict any more: the rules' memory, and a day, in which one
gets anywhere, and by which a payment may be ahead of its time stamp."""
_SWEPT_AT_ONCE: Final = 500


Source = TypeVar("Source")


class Partition:
    """A claimed partition.

    Judging is in memory and in the order of the records; what it changes is told by `snapshot` and written by the
    caller. After an error the object counts for nothing: drop it and claim again. `pending` records are judged and not
    flushed yet.

    Args:
        state: the claimed hash.
        claim: what the claim found.
        identity: of the topic, as the claim was made under.
        cards_kept: about how many cards stay in the process; others are read back when they are seen again.
        ruleset: in force where the claim names none.

    Attributes:
        ruleset: in force; another is taken up by `begin_to_take_up`, a flush, and `take_up`.
        heard: the announcement that was last acted on.
        stretch: what may have been said before the claim and was not stored, until it is over.
        released: set when it counts for nothing any more; what it found and nobody was told yet is not said then,
            because whoever has the partition next finds it too.
    """

    def __init__(
        self,
        state: PartitionState,
        claim: Claim,
        *,
        identity: str = "",
        cards_kept: int = 200_000,
        allow_card_numbers: bool = False,
        ruleset: RuleSet = LIVE,
    ) -> None:
        self.number = state.partition
        self.claim = claim
        self.identity = identity
        self.state = state
        self.released = False
        self.stretch: Stretch | None = None
        self.position = claim.position or 0
        self.applied_ms = claim.applied_ms
        self.ruleset = ruleset if claim.rules is None else msgspec.json.decode(claim.rules, type=RuleSet)
        self.heard: Announcement | None = None
        watermark_us = NEVER if claim.watermark_us is None else claim.watermark_us
        self._watch = Watch(self.ruleset, watermark_us=watermark_us)
        self._generation = claim.generation << GENERATION_SHIFT
        self._read: Callable[[bytes], Transaction] = (
            partial(decode, allow_card_numbers=True) if allow_card_numbers else decode
        )
        self._cards_kept = cards_kept
        # Each card's memory as it is stored; judging makes another of it.
        self._cards: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}
        self._dirty: dict[str, bytes] = {}
        self._all_here = False
        self._moved = False
        self._reissued = False
        self._in_flight = False
        self.pending = 0
        self._swept: set[str] = set()
        self._cursor = 0
        self._swept_up_to = NEVER
        self.counts: Counter[str] = self._watch.counts
        self._taking_up: TakenUp | None = None
        self._context: tuple[str, int] | None = None
        self._ahead: Ahead | None = None
        self._shadow: Shadow | None = None
        if claim.shadow is not None:
            self._shadow = self._shadowed(msgspec.json.decode(claim.shadow, type=RuleSet), fresh=False)

    @property
    def dirty(self) -> int:
        """How many cards have changed since the last snapshot."""
        return len(self._dirty)

    @property
    def shadow(self) -> RuleSet | None:
        """The rule set that runs beside the one in force."""
        return None if self._shadow is None else self._shadow.ruleset

    @property
    def remembered_s(self) -> int:
        """What is so much older than the watermark cannot change a verdict any more, seconds."""
        longest = max(self.ruleset.memory_s, 0 if self._shadow is None else self._shadow.ruleset.memory_s)
        return max(REMEMBERED_S, longest + _A_DAY_S)

    @property
    def begun(self) -> bool:
        """Whether it is known which record is the next to be judged."""
        return self.claim.position is not None or self.position > 0

    def begin_to_take_up(self, announced: Announcement, position: int) -> None:
        """Has the next snapshot say that these rule sets are in force from this record on, which is the next."""
        shadow = announced.shadow
        self.position = max(self.position, position)
        self._taking_up = TakenUp(
            version=announced.live.version,
            rules=msgspec.json.encode(announced.live),
            shadow=None if shadow is None else msgspec.json.encode(shadow),
            keep_shadow=shadow == self.shadow,
        )
        self._moved = True

    def take_up(self, announced: Announcement) -> None:
        """Judges under these from now on; to be called when the snapshot that says so is written.

        What a card's memory holds stays: it is walked anew under the new rules when the card is next reconsidered.
        """
        self.heard = announced
        if announced.live != self.ruleset:
            self.ruleset = announced.live
            self._watch = Watch(self.ruleset, watermark_us=self._watch.watermark_us)
            self.counts = self._watch.counts
        if announced.shadow != self.shadow:
            self._shadow = None if announced.shadow is None else self._shadowed(announced.shadow, fresh=True)

    def _shadowed(self, ruleset: RuleSet, *, fresh: bool) -> Shadow:
        return Shadow(
            self.state,
            ruleset,
            watermark_us=self._watch.watermark_us,
            cards_kept=self._cards_kept,
            fresh=fresh,
        )

    async def load(self) -> list[Outcome]:
        """Takes the cards into the process, as far as they fit; under a new topic identity, says what stands again."""
        again: list[Outcome] = []
        fits = self.claim.fields <= self._cards_kept // 2
        if fits or self.claim.reissue:
            async for packed in self.state.everything():
                cards = {card: self._legible(value) for card, value in packed.items()}
                if fits:
                    self._cards.update(cards)
                if self.claim.reissue:
                    again += [
                        Found(finding, card, None, self.ruleset)
                        for card, memory in cards.items()
                        for finding in self._watch.standing(memory)
                    ]
        if self.claim.reissue and self._shadow is not None:
            async for packed in self.state.everything(shadow=True):
                again += [
                    Found(finding, card, None, self._shadow.ruleset, "shadow")
                    for card, finding in self._shadow.standing(packed)
                ]
        self._all_here = fits
        if self.claim.reissue:
            self._reissued = self._moved = True
        return again

    async def judge(self, rows: Rows) -> list[Outcome]:
        """Judges the records in their order; what must be sent before the position may pass them is returned."""
        outcomes: list[Outcome] = []
        if not rows.offsets:
            return outcomes
        self.pending += len(rows.offsets)
        if self._all_here and self._shadow is None:
            self._observe(rows, rows.values, self._read, outcomes)
        else:
            await self._judge_as_a_whole(rows, outcomes)
        self.position = rows.offsets[-1] + 1
        self.applied_ms = max(self.applied_ms, rows.stamps_ms[-1])
        self._moved = True
        if len(self._cards) > self._cards_kept // 2 and not self._in_flight:
            self._let_older_go()
        if self._shadow is not None and not self._in_flight:
            self._shadow.let_older_go()
        return outcomes

    def ask_ahead(self, rows: Rows) -> bool:
        """Asks Redis for the cards of these records, which are judged next, without waiting; False: all are here.

        Until then nothing else is judged of this partition. Redis answers while others are judged.
        """
        if not self._all_here:
            self._ahead = self._ask(rows)
        return not self._all_here

    def ask_no_more(self) -> None:
        """What was asked ahead, and not judged, counts for nothing."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.answer.cancel()

    def _ask(self, rows: Rows) -> Ahead:
        return ask(rows, self._read, lambda cards: asyncio.ensure_future(self.state.load(self._missing(cards))))

    async def _judge_as_a_whole(self, rows: Rows, outcomes: list[Outcome]) -> None:
        """The same where it must be known first whose records these are."""
        if self._ahead is None or self._ahead.rows is not rows:
            self.ask_no_more()
            self._ahead = self._ask(rows)
        _, decoded, refused, cards, answer = self._ahead
        self._take_in(await answer)
        self._ahead = None
        outcomes += refused
        if self._shadow is not None:
            await self._shadow.prepare(cards, self._memory)
        self._observe(rows, decoded, _as_it_is, outcomes)
        if self._shadow is not None:
            refs = (self._generation | offset for offset in rows.offsets)
            outcomes += [
                Found(finding, card, stamp, self._shadow.ruleset, "shadow")
                for card, stamp, finding in self._shadow.observe(decoded, refs, rows.stamps_ms)
            ]

    async def hear(self, heard: Heard, position: int) -> list[Outcome]:
        """Applies what was said of cards' payments before this record, which is the next; to be flushed at once."""
        self.position = max(self.position, position)
        cards = {word.card_id for word in heard.said}
        self._take_in(await self.state.load(self._missing(cards)))
        if self._shadow is not None:
            await self._shadow.prepare(cards, self._memory)
        outcomes: list[Outcome] = []
        for card, context, _offset, stamp in heard.said:
            memory, found = self._watch.apply(self._memory(card), context)
            self._older.pop(card, None)
            self._cards[card] = self._dirty[card] = memory
            outcomes += [Found(finding, card, stamp, self.ruleset) for finding in found]
            if self._shadow is not None:
                told = self._shadow.apply(card, context)
                outcomes += [Found(finding, card, stamp, self._shadow.ruleset, "shadow") for finding in told]
        self._context = heard.identity, heard.position
        self._moved = True
        return outcomes

    def snapshot(self) -> Change | None:
        """Everything that changed since the last snapshot, packed, with the position after it; None: nothing did."""
        if not self._moved:
            return None
        shadow_cards = {} if self._shadow is None else self._shadow.changed()
        if self._taking_up is not None and not self._taking_up.keep_shadow:
            shadow_cards = {}  # of a shadow that ends
        change = Change(
            cards=self._dirty,
            swept=frozenset(self._swept - self._dirty.keys()),
            position=self.position,
            watermark_us=self._watch.watermark_us,
            applied_ms=self.applied_ms,
            ruleset=self.ruleset.version if self._taking_up is None else self._taking_up.version,
            reissued=self._reissued,
            shadow_cards=shadow_cards,
            taken_up=self._taking_up,
            context=self._context,
        )
        self._taking_up = self._context = None
        self.pending = 0
        self._dirty, self._swept = {}, set()
        self._moved = self._reissued = False
        self._in_flight = True
        return change

    def written(self) -> None:
        """The last snapshot is in Redis."""
        self._in_flight = False

    async def sweep(self) -> None:
        """Looks at some of the stored cards, and has the next flush delete those whose memory is too old to matter.

        Goes round the partition, some hundred cards a call; after a round it rests until the watermark has moved by an
        hour.
        """
        watermark_us = self._watch.watermark_us
        if self._cursor == 0 and watermark_us < self._swept_up_to + 3_600_000_000:
            return
        if self._cursor == 0:
            self._swept_up_to = watermark_us
        self._cursor, found = await self.state.some(self._cursor, _SWEPT_AT_ONCE)
        for card, value in found.items():
            if card not in self._dirty:
                memory = self._cards.get(card) or self._older.get(card) or self._legible(value)
                if self._watch.newest_us(memory) < watermark_us - self.remembered_s * 1_000_000:
                    self._swept.add(card)
                    self._cards.pop(card, None)
                    self._older.pop(card, None)
                    if self._shadow is not None:
                        self._shadow.forget(card)
                    self._moved = True

    def offset(self, ref: int) -> int | None:
        """The offset that a ref stands for; None where the topic that held it is gone."""
        return (
            ref & _OFFSET_MASK if ref >= self._generation and ref >> GENERATION_SHIFT == self.claim.generation else None
        )

    def _observe(
        self,
        rows: Rows,
        sources: Sequence[Source],
        read: Callable[[Source], Transaction | None],
        outcomes: list[Outcome],
    ) -> None:
        """Judges the rows, each as it is read from its source; one that is read as None has been set aside.

        One at a time: judged while it is in the processor's caches, and let go, each costs half as much.
        """
        cards, older, dirty, watch = self._cards, self._older, self._dirty, self._watch
        observe, generation = watch.observe, self._generation
        for offset, stamp, source in zip(rows.offsets, rows.stamps_ms, sources, strict=True):
            watermark_us = watch.watermark_us
            try:
                transaction = read(source)
                if transaction is None:
                    continue
                card = transaction.card_id
                memory = cards.get(card)
                if memory is None:
                    memory = cards[card] = older.pop(card) if card in older else NOTHING
                memory, found = observe(memory, transaction, generation | offset, stamp)
            except Refusal as refusal:
                outcomes.append(rows.set_aside(offset, refusal.reason, refusal.field))
            except Exception:  # a row that the rules cannot bear must not stop what is behind it; the card is as it was
                logger.exception("record %d of partition %d could not be judged", offset, self.number)
                outcomes.append(rows.set_aside(offset, "not_judged"))
                watch.watermark_us = watermark_us
            else:
                cards[card] = dirty[card] = memory
                if found:
                    outcomes += [Found(finding, card, stamp, self.ruleset) for finding in found]

    def _memory(self, card: str) -> bytes:
        """The card's memory as it is in the process."""
        return self._cards.get(card) or self._older.get(card) or NOTHING

    def _missing(self, wanted: Collection[str]) -> list[str]:
        if self._all_here:
            return []
        return [card for card in wanted if card not in self._cards and card not in self._older]

    def _take_in(self, stored: Mapping[str, bytes]) -> None:
        """Cards as they are in Redis, but for those that came into the process since they were asked for."""
        for card, value in stored.items():
            if card not in self._cards and card not in self._older:
                self._cards[card] = self._legible(value)

    def _legible(self, memory: bytes) -> bytes:
        """The memory, or none where it is of another version: what is still in the topic is what is known then."""
        try:
            check_version(memory)
        except UnknownLayout:
            self.counts["memory_unreadable"] += 1
            return NOTHING
        return memory

    def _let_older_go(self) -> None:
        """Forgets the cards that were not seen since the last time; what is not in Redis yet always stays."""
        self._older, self._cards = turned_over(self._cards, self._dirty)
        self._all_here = False


def _as_it_is(decoded: Transaction | None) -> Transaction | None:
    return decoded
