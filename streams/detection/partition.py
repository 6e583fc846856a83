"""One partition in hand: its cards' memories in the process, and the judging of its records in their order."""

import logging
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from rules.memory import Memory, UnknownLayout, pack, unpack
from rules.ruleset import LIVE, RuleSet
from rules.transaction import Refusal, Transaction, decode
from rules.verdict import Finding
from rules.watch import NEVER, Watch
from streams.detection.state import Change, Claim, PartitionState

logger = logging.getLogger(__name__)

GENERATION_SHIFT: Final = 40
"""A ref is the topic's generation above an offset of 40 bits: an old topic's offset never finds a new one's record."""
_OFFSET_MASK: Final = (1 << GENERATION_SHIFT) - 1
_RECALLED_ROWS: Final = 30_000


class Rows(NamedTuple):
    """Consecutive records of one partition; a tombstone's value is None."""

    offsets: Sequence[int]
    stamps_ms: Sequence[int]
    values: Sequence[bytes | None]


class Found(NamedTuple):
    """A finding, with what only its arrival knows; `stamp_ms` is None where it is said again without a record."""

    finding: Finding
    card_id: str
    stamp_ms: int | None


class SetAside(NamedTuple):
    """A record that could not be judged, and why."""

    reason: str
    field: str
    offset: int
    value: bytes


Outcome: TypeAlias = Found | SetAside


class Partition:
    """A claimed partition.

    Judging is in memory and in the order of the records; what it changes is told by `snapshot` and written by the
    caller. After an error the object counts for nothing: drop it and claim again.

    Args:
        state: the claimed hash.
        claim: what the claim found.
        cards_kept: about how many cards stay in the process; others are read back when they are seen again.
    """

    def __init__(
        self,
        state: PartitionState,
        claim: Claim,
        *,
        cards_kept: int = 200_000,
        allow_card_numbers: bool = False,
        ruleset: RuleSet = LIVE,
    ) -> None:
        self.number = state.partition
        self.claim = claim
        self.state = state
        self.position = claim.position or 0
        self.applied_ms = claim.applied_ms
        self.ruleset = ruleset
        self._watch = Watch(ruleset, watermark_us=NEVER if claim.watermark_us is None else claim.watermark_us)
        self._generation = claim.generation << GENERATION_SHIFT
        self._allow_card_numbers = allow_card_numbers
        self._cards_kept = cards_kept
        self._cards: dict[str, Memory] = {}
        self._older: dict[str, Memory] = {}
        self._dirty: set[str] = set()
        self._all_here = False
        self._moved = False
        self._reissued = False
        self._in_flight = False
        self._recent: deque[Rows] = deque()
        self._recent_rows = 0
        self.counts: Counter[str] = self._watch.counts

    @property
    def dirty(self) -> int:
        """How many cards have changed since the last snapshot."""
        return len(self._dirty)

    async def load(self) -> list[Outcome]:
        """Takes the cards into the process, as far as they fit; under a new topic identity, says what stands again."""
        again: list[Outcome] = []
        fits = self.claim.fields <= self._cards_kept // 2
        if fits or self.claim.reissue:
            async for packed in self.state.everything():
                cards = {card: self._unpacked(value) for card, value in packed.items()}
                if fits:
                    self._cards.update(cards)
                if self.claim.reissue:
                    again += [
                        Found(finding, card, None)
                        for card, memory in cards.items()
                        if memory.standing
                        for finding in self._watch.standing(memory)
                    ]
        self._all_here = fits
        if self.claim.reissue:
            self._reissued = self._moved = True
        return again

    async def judge(self, rows: Rows) -> list[Outcome]:
        """Judges the records in their order; what must be sent before the position may pass them is returned."""
        outcomes: list[Outcome] = []
        decoded = self._decoded(rows, outcomes)
        if not self._all_here:
            await self._read_back({row[2].card_id for row in decoded})
        self._observe(decoded, outcomes)
        if rows.offsets:
            self.position = rows.offsets[-1] + 1
            self.applied_ms = max(self.applied_ms, rows.stamps_ms[-1])
            self._moved = True
            self._keep(rows)
        if len(self._cards) > self._cards_kept // 2 and not self._in_flight:
            self._let_older_go()
        return outcomes

    def snapshot(self) -> Change | None:
        """Everything that changed since the last snapshot, packed, with the position after it; None: nothing did."""
        if not self._moved:
            return None
        change = Change(
            cards={card: pack(self._cards[card]) for card in self._dirty},
            position=self.position,
            watermark_us=self._watch.watermark_us,
            applied_ms=self.applied_ms,
            ruleset=self.ruleset.version,
            reissued=self._reissued,
        )
        self._dirty = set()
        self._moved = self._reissued = False
        self._in_flight = True
        return change

    def written(self) -> None:
        """The last snapshot is in Redis."""
        self._in_flight = False

    def recall(self, ref: int) -> bytes | None:
        """The record of a ref, where it passed here a moment ago."""
        offset = self.offset(ref)
        for rows in reversed(self._recent) if offset is not None else ():
            if rows.offsets[0] <= (offset or 0) <= rows.offsets[-1]:
                at = bisect_left(rows.offsets, offset or 0)
                return rows.values[at] if rows.offsets[at] == offset else None
        return None

    def offset(self, ref: int) -> int | None:
        """The offset that a ref stands for; None where the topic that held it is gone."""
        return (
            ref & _OFFSET_MASK if ref >= self._generation and ref >> GENERATION_SHIFT == self.claim.generation else None
        )

    def _decoded(self, rows: Rows, outcomes: list[Outcome]) -> list[tuple[int, int, Transaction, bytes]]:
        decoded = []
        allow = self._allow_card_numbers
        for offset, stamp, value in zip(rows.offsets, rows.stamps_ms, rows.values, strict=True):
            raw = value or b""
            try:
                decoded.append((offset, stamp, decode(raw, allow_card_numbers=allow), raw))
            except Refusal as refusal:
                outcomes.append(SetAside(refusal.reason, refusal.field, offset, raw))
        return decoded

    def _observe(self, decoded: list[tuple[int, int, Transaction, bytes]], outcomes: list[Outcome]) -> None:
        cards, older, dirty = self._cards, self._older, self._dirty
        observe, generation = self._watch.observe, self._generation
        for offset, stamp, transaction, raw in decoded:
            card = transaction.card_id
            memory = cards.get(card)
            if memory is None:
                memory = cards[card] = older.pop(card) if card in older else Memory()
            dirty.add(card)
            try:
                findings = observe(memory, transaction, generation | offset, stamp)
            except Refusal as refusal:
                outcomes.append(SetAside(refusal.reason, refusal.field, offset, raw))
            except Exception:  # a row that the rules cannot bear must not stop what is behind it
                logger.exception("record %d of partition %d could not be judged", offset, self.number)
                outcomes.append(SetAside("not_judged", "", offset, raw))
            else:
                if findings:
                    outcomes += [Found(finding, card, stamp) for finding in findings]

    async def _read_back(self, wanted: set[str]) -> None:
        missing = [card for card in wanted if card not in self._cards and card not in self._older]
        for card, value in (await self.state.load(missing)).items():
            self._cards[card] = self._unpacked(value)

    def _unpacked(self, value: bytes) -> Memory:
        try:
            return unpack(value)
        except UnknownLayout:
            self.counts["memory_unreadable"] += 1
            return Memory()

    def _let_older_go(self) -> None:
        """Forgets the cards that were not seen since the last time; what is not in Redis yet always stays."""
        self._older = {card: memory for card, memory in self._cards.items() if card not in self._dirty}
        self._cards = {card: self._cards[card] for card in self._dirty}
        self._all_here = False

    def _keep(self, rows: Rows) -> None:
        self._recent.append(rows)
        self._recent_rows += len(rows.offsets)
        while self._recent_rows > _RECALLED_ROWS and len(self._recent) > 1:
            self._recent_rows -= len(self._recent.popleft().offsets)
