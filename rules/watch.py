"""One partition's judge: transactions in order of arrival, findings out.

Nearly every transaction takes the quick path of ``Watch.observe``: it is the newest of its card, its id is new,
nothing waits for it, and one comparison with the last believed sighting decides it. Everything else is reconsidered
as a set.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rules.forgetting import Forgetting
from rules.gazetteer import Gazetteer, Place, world
from rules.in_transit import InTransit
from rules.itinerary import Reach, walk
from rules.memory import Entry, Memory, trim_at
from rules.ruleset import LIVE, RuleSet
from rules.sighting import NONE, WEAK, Box, believable_box, every_trust, place_of, radius_m
from rules.transaction import EPOCH, MICROSECOND, Refusal, Transaction
from rules.verdict import Finding, findings, standing_findings

NEVER: Final = -(2**62)
"""The watermark of a partition that has seen nothing."""

_SECOND_US: Final = 1_000_000
_AHEAD_US: Final = 86_400 * _SECOND_US
_NOTHING: Final[tuple[Finding, ...]] = ()
_MOST_BOXES: Final = 50_000
_TRUST: Final = {kind: (each.level, each.grade, each.absence) for kind, each in every_trust().items()}


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
            ``card_absent``, ``in_transit``, ``no_place``, ``too_late``, ``repeated``, ``conflicting``; of sightings
            ``by_city``, ``by_airport``, ``by_country`` (placed by what is stated) and ``point_gave_way`` (to it).
    """

    def __init__(
        self, ruleset: RuleSet = LIVE, *, watermark_us: int = NEVER, gazetteer: Gazetteer | None = None
    ) -> None:
        self.watermark_us = watermark_us
        self.counts: Counter[str] = Counter()
        self._ruleset = ruleset
        self._gazetteer = gazetteer
        self._reach = Reach(ruleset)
        self._near_e7 = self._reach.near_e7
        self._forgetting = Forgetting(ruleset, self._reach)
        self._memory_us = ruleset.memory_s * _SECOND_US
        self._in_transit = InTransit(ruleset.in_transit)
        self._carriers = self._in_transit.categories
        self._boxes: dict[tuple[str | None, str | None], Box | None] = {}
        self._weak_radius_m = int(ruleset.weak_radius_km * 1000)

    def observe(  # noqa: C901 - the hot path: each question is asked where it is, a call costs as much as an answer
        self, memory: Memory, transaction: Transaction, ref: int, stamp_ms: int
    ) -> Sequence[Finding]:
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
        at_us = (transaction.occurred_at - EPOCH) // MICROSECOND  # as Transaction.at_us, without the call
        if at_us > stamp_ms * 1000 + _AHEAD_US:
            raise Refusal("ahead_of_its_time", "occurred_at")
        if at_us > self.watermark_us:
            self.watermark_us = at_us
        elif at_us < self.watermark_us - self._memory_us:
            self.counts["too_late"] += 1
            return _NOTHING
        entry = self._entry(transaction, at_us, ref)
        name, entries, known = entry.transaction_id, memory.entries, memory.known
        if name in known or not memory.plain:
            return self._reconsider(memory, entry)
        if entries:
            last = entries[-1]
            if at_us <= last.at_us and (at_us < last.at_us or name < last.transaction_id):
                return self._reconsider(memory, entry)
        level = entry.trust
        if level != NONE:
            if level == WEAK or entry.repeat_of:
                return self._reconsider(memory, entry)
            believed, near = memory.believed, self._near_e7
            if (
                believed is not None
                # the first question of the reach, asked without the call
                and not (
                    -near < believed.lat_e7 - entry.lat_e7 < near and -near < believed.lon_e7 - entry.lon_e7 < near
                )
                and not self._reach(believed, entry)
            ):
                return self._reconsider(memory, entry)
            memory.believed = entry
        entries.append(entry)
        known[name] = entry
        if len(entries) >= memory.trim_at:
            self._forgetting.forget(memory, self.watermark_us - self._memory_us)
            memory.trim_at = trim_at(len(memory.entries))
        return _NOTHING

    def standing(self, memory: Memory) -> list[Finding]:
        """What stands for a card, told again as ``raised``, each by its own suspect: the same alerts, the same ids."""
        return standing_findings(memory)

    def _entry(self, transaction: Transaction, at_us: int, ref: int) -> Entry:
        """The transaction as the walk sees it; what is no sighting is counted."""
        trusted = _TRUST[transaction.entry_mode, transaction.channel, transaction.type, transaction.instrument]
        level, grade, absence = trusted
        if absence is not None:
            self.counts[absence] += 1
            return Entry(
                at_us, transaction.transaction_id, NONE, 0, 0, 0, grade, transaction.digest, ref, transaction.repeat_of
            )
        point, merchant = transaction.location, transaction.merchant
        if (
            merchant is not None
            and merchant.mcc in self._carriers
            and self._in_transit.find(merchant.mcc, merchant.name) is not None
        ):
            self.counts["in_transit"] += 1
            return Entry(
                at_us, transaction.transaction_id, NONE, 0, 0, 0, grade, transaction.digest, ref, transaction.repeat_of
            )
        if point is not None and merchant is not None and point.radius_km is None:
            # as nearly always: an exact point near the place that is stated
            box = self._boxes.get((merchant.city, merchant.country))
            if box is not None:
                lat, lon = point.lat, point.lon
                south, north, west, east = box
                if south < lat < north and west < lon < east:
                    return Entry(
                        at_us,
                        transaction.transaction_id,
                        level,
                        int(lat * 1e7),
                        int(lon * 1e7),
                        0,
                        grade,
                        transaction.digest,
                        ref,
                        transaction.repeat_of,
                    )
        return self._entry_somewhere(transaction, at_us, ref, level, grade)

    def _entry_somewhere(self, transaction: Transaction, at_us: int, ref: int, level: int, grade: int) -> Entry:
        """The same of a sighting whose place has to be looked at."""
        name, digest, repeat_of = transaction.transaction_id, transaction.digest, transaction.repeat_of
        if self._gazetteer is None:
            self._gazetteer = world()
        place = place_of(transaction, self._gazetteer, self._ruleset)
        if place is None:
            self.counts["no_place"] += 1
            return Entry(at_us, name, NONE, 0, 0, 0, grade, digest, ref, repeat_of)
        if isinstance(place, Place):
            self.counts[f"by_{place.kind}"] += 1
            if transaction.location is not None:
                self.counts["point_gave_way"] += 1
        merchant = transaction.merchant
        if merchant is not None and merchant.country is not None:
            self._remember(merchant.city, merchant.country, self._gazetteer)
        radius = radius_m(place)
        if radius > self._weak_radius_m:
            level, grade = WEAK, max(1, grade - 1)
        return Entry(
            at_us, name, level, int(place.lat * 1e7), int(place.lon * 1e7), radius, grade, digest, ref, repeat_of
        )

    def _remember(self, city: str | None, country: str, gazetteer: Gazetteer) -> None:
        """The box round a stated place within which a point is not looked at more closely."""
        if len(self._boxes) >= _MOST_BOXES:
            self._boxes.clear()
        stated = gazetteer.stated(city, country)
        self._boxes[city, country] = None if stated is None else believable_box(stated, self._ruleset)

    def _reconsider(self, memory: Memory, entry: Entry) -> Sequence[Finding]:
        """Takes a transaction in that the quick path cannot: the walk is done again over the whole memory."""
        name = entry.transaction_id
        older = memory.known.get(name)
        if older is not None and (older.at_us, older.digest) == (entry.at_us, entry.digest):
            self.counts["repeated"] += 1
            return _NOTHING
        horizon_us = self.watermark_us - self._memory_us
        self._forgetting.forget(memory, horizon_us)  # now, so that it does not matter when it was done last
        older = memory.known.get(name)
        if older is not None:
            self.counts["conflicting"] += 1
            memory.contested[name] = max(memory.contested.get(name, entry.at_us), older.at_us, entry.at_us)
            if (older.at_us, older.digest) <= (entry.at_us, entry.digest):
                return _NOTHING
        entries = [each for each in memory.entries if each is not older]
        forgotten = older is None and name in memory.known
        if forgotten or not self._forgetting.finds_room(memory, entries, entry, horizon_us):
            self.counts["too_late"] += 1
            return _NOTHING
        memory.hold(entries)
        walked = walk(entries, self._reach, memory.cut)
        memory.believed, memory.plain = walked.believed, walked.plain
        found = findings(memory, walked.suspects, entry, self.watermark_us, self._ruleset)
        # Only now: what the newcomer contradicts may be the very one that it pushes out.
        self._forgetting.forget(memory, horizon_us)
        return found
