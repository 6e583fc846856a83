"""One partition's judge: transactions in order of arrival, findings out.

Nearly every transaction takes the quick path of ``Watch.observe``: it is the newest of its card, its id is new,
nothing waits for it, and one comparison with the last believed sighting decides it. Everything else is reconsidered
as a set.
"""

from bisect import insort
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rules.gazetteer import Gazetteer, world
from rules.itinerary import Reach, trimmed, walk
from rules.memory import RECENT, Entry, Memory
from rules.ruleset import LIVE, RuleSet
from rules.sighting import NONE, WEAK, place_of, radius_m, trust
from rules.transaction import Refusal, Transaction
from rules.verdict import Finding, findings, standing_findings

NEVER: Final = -(2**62)
"""The watermark of a partition that has seen nothing."""

_RECENT: Final = 10
_LATEST_S: Final = 2**32 - 1
_SECOND_US: Final = 1_000_000
_AHEAD_US: Final = 86_400 * _SECOND_US
_NOTHING: Final[tuple[Finding, ...]] = ()


class Watch:
    """Judges the transactions of one partition (``judge``: of one file) against their cards' memories.

    The same transactions in the same order with the same time stamps give the same findings; no clock is read.

    Args:
        ruleset: the thresholds in force.
        watermark_us: as stored with the partition's state.
        gazetteer: none: the world's, read when first needed.

    Attributes:
        watermark_us: the greatest ``occurred_at`` seen, microseconds since 1970 UTC; to be stored with the state.
        counts: what was only counted, by name, since this object was made: ``without_customer``, ``wallet``,
            ``card_absent``, ``no_place``, ``too_late``, ``repeated``, ``conflicting``.
    """

    def __init__(
        self, ruleset: RuleSet = LIVE, *, watermark_us: int = NEVER, gazetteer: Gazetteer | None = None
    ) -> None:
        self.watermark_us = watermark_us
        self.counts: Counter[str] = Counter()
        self._ruleset = ruleset
        self._gazetteer = gazetteer
        self._reach = Reach(ruleset)
        self._memory_us = ruleset.memory_s * _SECOND_US
        self._weak_radius_m = int(ruleset.weak_radius_km * 1000)

    def observe(self, memory: Memory, transaction: Transaction, ref: int, stamp_ms: int) -> Sequence[Finding]:
        """Takes one transaction into its card's memory and says what changed.

        Args:
            memory: of the transaction's card; changed in place.
            transaction: as decoded.
            ref: finds the transaction again; opaque, 0 <= ref < 2**63.
            stamp_ms: the broker's time stamp of the record (``judge``: the time at its start), milliseconds since
                1970 UTC.

        Raises:
            Refusal: more than a day ahead of the stamp; neither memory nor watermark has changed.
        """
        at_us = transaction.at_us
        if at_us > stamp_ms * 1000 + _AHEAD_US:
            raise Refusal("ahead_of_its_time", "occurred_at")
        if at_us > self.watermark_us:
            self.watermark_us = at_us
        elif at_us < self.watermark_us - self._memory_us:
            self.counts["too_late"] += 1
            return _NOTHING
        entry = self._entry(transaction, at_us, ref)
        entries = memory.entries
        if entries and not (memory.plain and _is_newest(memory, entry)):
            return self._reconsider(memory, entry)
        if entry.trust != NONE:
            believed = memory.believed
            if entry.trust == WEAK or entry.repeat_of or (believed is not None and not self._reach(believed, entry)):
                return self._reconsider(memory, entry)
            memory.believed = entry
        entries.append(entry)
        memory.known[entry.transaction_id] = b""
        _remember(memory, entry)
        if len(entries) >= memory.trim_at:
            self._trim(memory)
        return _NOTHING

    def standing(self, memory: Memory) -> list[Finding]:
        """What stands for a card, told again as ``raised``, each by its own suspect: the same alerts, the same ids."""
        return standing_findings(memory)

    def _entry(self, transaction: Transaction, at_us: int, ref: int) -> Entry:
        """The transaction as the walk sees it; what is no sighting is counted."""
        trusted = trust(transaction.entry_mode, transaction.channel, transaction.type, transaction.instrument)
        name, digest, repeat_of = transaction.transaction_id, transaction.digest, transaction.repeat_of
        if trusted.absence is not None:
            self.counts[trusted.absence] += 1
            return Entry(at_us, name, NONE, 0, 0, 0, trusted.grade, digest, ref, repeat_of)
        if self._gazetteer is None:
            self._gazetteer = world()
        place = place_of(transaction, self._gazetteer, self._ruleset)
        if place is None:
            self.counts["no_place"] += 1
            return Entry(at_us, name, NONE, 0, 0, 0, trusted.grade, digest, ref, repeat_of)
        level, grade, radius = trusted.level, trusted.grade, radius_m(place)
        if radius > self._weak_radius_m:
            level, grade = WEAK, max(1, grade - 1)
        return Entry(
            at_us, name, level, int(place.lat * 1e7), int(place.lon * 1e7), radius, grade, digest, ref, repeat_of
        )

    def _reconsider(self, memory: Memory, entry: Entry) -> Sequence[Finding]:
        """Takes a transaction in that the quick path cannot: the walk is done again over the whole memory."""
        self._trim(memory)
        older = next((each for each in memory.entries if each.transaction_id == entry.transaction_id), None)
        if older is not None:
            same = (older.at_us, older.digest) == (entry.at_us, entry.digest)
            self.counts["repeated" if same else "conflicting"] += 1
            if (older.at_us, older.digest) <= (entry.at_us, entry.digest):
                return _NOTHING
            memory.entries.remove(older)
            memory.recent = [each for each in memory.recent if RECENT.unpack(each)[1] != older.ref]
        insort(memory.entries, entry, key=lambda each: each.order)
        self._trim(memory)
        if entry.transaction_id in memory.known:
            _remember(memory, entry)
        else:
            self.counts["too_late"] += 1
        walked = walk(memory.entries, self._reach)
        memory.believed, memory.plain = walked.believed, walked.plain
        return findings(memory, walked.suspects, entry, self.watermark_us, self._ruleset)

    def _trim(self, memory: Memory) -> None:
        """Forgets what is beyond the memory, and that it stood: ageing out withdraws nothing."""
        horizon_us = self.watermark_us - self._memory_us
        memory.replace_entries(trimmed(memory.entries, memory.standing.values(), horizon_us, self._ruleset))


def _is_newest(memory: Memory, entry: Entry) -> bool:
    """Whether the entry comes after all others, and its id is new."""
    last = memory.entries[-1]
    return entry.transaction_id not in memory.known and (
        entry.at_us > last.at_us or (entry.at_us == last.at_us and entry.transaction_id > last.transaction_id)
    )


def _remember(memory: Memory, entry: Entry) -> None:
    """Notes a payment among the last."""
    recent = memory.recent
    recent.append(RECENT.pack(min(max(0, entry.at_us // _SECOND_US), _LATEST_S), entry.ref))
    if len(recent) > 1 and recent[-1] < recent[-2]:
        recent.sort()
    if len(recent) > _RECENT:
        del recent[0]
