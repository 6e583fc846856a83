"""A card's recent sightings: which are believed, and the suspects outside.

An itinerary belongs to one instrument: the plastic, each phone or watch.

What is forgotten of them is the business of ``rules.forgetting``. What stands is a function of the *set* of sightings
in the memory: any order of arrival, any duplicate, any replay ends with the same suspects, each against the same
sighting.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final, NamedTuple

import msgspec

from rules.context import Said
from rules.journey import EARTH_RADIUS_KM, FURTHEST_KM, distance_km, fastest_journey
from rules.memory import BLOCKED, PLASTIC, UNNAMED, Entry, Memory, QuietPair
from rules.ruleset import RuleSet
from rules.sighting import NONE, WEAK

_SECOND_US: Final = 1_000_000
_ROOT_OF_TWO: Final = 1.4143
_KM_PER_DEGREE: Final = EARTH_RADIUS_KM * 0.0174533


class Suspect(NamedTuple):
    """A suspect, and the believed sighting that it contradicts.

    Attributes:
        against: None: nothing; the card was blocked, and was used.
        review: it may be two devices in two hands.
    """

    suspect: Entry
    against: Entry | None
    review: bool = False


class Walk(msgspec.Struct):
    """What a walk through a card's sightings found.

    Attributes:
        believed: the last believed sighting of the plastic; or of several instruments that are together one within
            half of `Reach.near_e7` of all that the next sighting can contradict: what is as near to it contradicts
            nothing.
        suspects: in order of the walk.
        plain: no weak sighting waits for the next believed one and no repeat for its original, and if there are several
            instruments, they are together.
        several: there are sightings of a phone or watch.
        jumps: by the confirmed transaction, the quiet pairs that the walk found.
    """

    believed: Entry | None
    suspects: list[Suspect]
    plain: bool
    several: bool
    jumps: dict[str, QuietPair]


class Reach:
    """Whether one sighting can be reached from another under a rule set; the cheap questions are asked first.

    Attributes:
        ruleset: the rule set.
        anywhere_us: in this time one gets anywhere, microseconds.
        near_e7: two points that differ by less in latitude and in longitude, in degrees times ten million, are within
            the floor.
    """

    def __init__(self, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        self._means = ruleset.means
        self._floor_km = ruleset.floor_km
        self._allowance_us = ruleset.clock_allowance_s * _SECOND_US
        # a box of this half-width lies within the floor, wherever on the sphere it is
        self.near_e7 = int(ruleset.floor_km / _KM_PER_DEGREE / _ROOT_OF_TWO * 1e7)
        self.anywhere_us = ceil(fastest_journey(FURTHEST_KM, ruleset.means).fastest_s) * _SECOND_US

    def __call__(self, one: Entry, other: Entry) -> bool:
        """Whether nobody can say that the journey between the two was impossible; the order does not matter."""
        near = self.near_e7
        if -near < one.lat_e7 - other.lat_e7 < near and -near < one.lon_e7 - other.lon_e7 < near:
            return True
        time_us = abs(other.at_us - one.at_us) + self._allowance_us
        if time_us >= self.anywhere_us:
            return True
        distance = self.distance_km(one, other)
        if distance < self._floor_km:
            return True
        return time_us >= fastest_journey(distance, self._means).fastest_s * _SECOND_US

    def surely_near(self, one: Entry, other: Entry) -> bool:
        """Whether two sightings are within half of what is near; two that are so near to a third one are near."""
        half = self.near_e7 // 2
        return -half < one.lat_e7 - other.lat_e7 < half and -half < one.lon_e7 - other.lon_e7 < half

    @staticmethod
    def distance_km(one: Entry, other: Entry) -> float:
        """The great-circle distance less both radii, at least 0."""
        apart = distance_km(one.lat_e7 / 1e7, one.lon_e7 / 1e7, other.lat_e7 / 1e7, other.lon_e7 / 1e7)
        return max(0.0, apart - (one.radius_m + other.radius_m) / 1000)


def walk(memory: Memory, reach: Reach) -> Walk:
    """Walks the sightings in order of (time, id), those of each instrument by itself.

    The first trusted one is believed. Each next one can be reached from the last believed one and is believed, or
    cannot and is a suspect, which moves nothing. A weak one is judged against the believed ones before and after it,
    and never believed. What the customer has confirmed is believed, and what she has struck out is no sighting
    (``rules.context``). The use of a blocked card is a suspect by itself, and moves nothing.

    What is believed of one instrument is then held against what was believed last of each other one of the card: where
    it contradicts that, it is a suspect for review, and is not itself held against the others.

    Args:
        memory: its entries, and what has been said of them. Up to the cut the walk has been forgotten but for the
            sighting that was believed last; it stays believed, so that what comes after is judged as if nothing were
            forgotten.
        reach: of the rule set in force.
    """
    return _Walking(memory, reach).walk()


class _Walking:
    """One walk under way."""

    def __init__(self, memory: Memory, reach: Reach) -> None:
        self._memory = memory
        self._reach = reach
        self._family = repeats(memory.entries)
        told = memory.context is not None or memory.passed
        self._said = Said(memory, self._family, reach.ruleset) if told else None
        self._believed: dict[int, Entry] = {}
        self._clear: dict[int, Entry] = {}
        self._waiting: dict[int, list[Entry]] = {}
        self._suspects: list[Suspect] = []

    def walk(self) -> Walk:
        memory, said, orphans = self._memory, self._said, False
        for entry in memory.entries:
            if entry.trust == NONE and entry.grade != BLOCKED:
                continue
            forgotten = entry.order <= memory.cut_of(entry.device)
            if entry.repeat_of is not None and not forgotten:
                if entry.transaction_id in self._family:
                    continue
                orphans = True
            sure = said is not None and said.confirmed(entry)
            if entry.grade == BLOCKED and not sure:
                self._suspects.append(Suspect(entry, None))
            elif entry.trust != NONE and not (said is not None and said.struck_out(entry)):
                self._pass(entry, sure=sure, forgotten=forgotten)
        believed = self._believed.get(PLASTIC)
        plain = not orphans and not any(self._waiting.values())
        several = not self._believed.keys() <= {PLASTIC}
        if several:
            gathered = self._gathered()
            believed, plain = gathered or believed, plain and gathered is not None
        return Walk(believed, self._suspects, plain, several, {} if said is None else said.jumps)

    def _gathered(self) -> Entry | None:
        """The newest of what the next sighting can contradict, if all of it is within half of what is near."""
        held = [*self._believed.values(), *self._clear.values()]
        newest = max(held, key=lambda each: each.order)
        return newest if all(self._reach.surely_near(newest, each) for each in held) else None

    def _pass(self, entry: Entry, *, sure: bool, forgotten: bool) -> None:
        device = entry.device
        last = self._believed.get(device)
        reached = last is None or self._can(last, entry)
        if not sure:
            if not reached:
                self._suspects.append(Suspect(entry, last, device == UNNAMED))
                return
            if entry.trust == WEAK:
                self._waiting.setdefault(device, []).append(entry)
                return
        elif last is not None and not reached and self._said is not None:
            self._said.jump(last, entry)  # `sure` is only what was said
        for weak in self._waiting.pop(device, ()):
            if not self._can(weak, entry):
                self._suspects.append(Suspect(weak, entry, device == UNNAMED))
        self._believed[device] = entry
        if forgotten:
            return
        contradicted = [one for other, one in self._clear.items() if other != device and not self._can(one, entry)]
        newest = max(contradicted, key=lambda each: each.order, default=None)
        if newest is not None and not sure:
            self._suspects.append(Suspect(entry, newest, review=True))
            return
        if newest is not None and self._said is not None:
            self._said.jump(newest, entry)
        self._clear[device] = entry

    def _can(self, one: Entry, later: Entry) -> bool:
        return self._reach(one, later) or (self._said is not None and self._said.quiet(one, later))


def repeats(entries: Sequence[Entry]) -> dict[str, str]:
    """The transactions that are not sightings of their own, each with the one that counts in its stead.

    Of a transaction and its repeats the original counts, or the earliest repeat while the original has not come.
    Repeats of repeats, and rings of them, are one family.
    """
    repeating = [entry for entry in entries if entry.repeat_of is not None]
    if not repeating:
        return {}
    known = {entry.transaction_id: entry for entry in entries}
    families: dict[str, list[str]] = {}
    for entry in repeating:
        families.setdefault(_root(entry, known), []).append(entry.transaction_id)
    counting = {name: root if root in known else family[0] for root, family in families.items() for name in family}
    return {name: other for name, other in counting.items() if name != other}


def _root(entry: Entry, known: dict[str, Entry]) -> str:
    """The id that the chain of repeats ends at; in a ring, the id that is least by (time, id)."""
    passed: list[Entry] = []
    while entry.repeat_of is not None and entry not in passed:
        passed.append(entry)
        if entry.repeat_of not in known:
            return entry.repeat_of
        entry = known[entry.repeat_of]
    if entry.repeat_of is None:
        return entry.transaction_id
    return min(passed[passed.index(entry) :], key=lambda each: each.order).transaction_id
