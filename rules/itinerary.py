"""A card's recent sightings: which are believed, and the suspects outside.

What is forgotten of them is the business of ``rules.forgetting``. What stands is a function of the *set* of sightings
in the memory: any order of arrival, any duplicate, any replay ends with the same suspects, each against the same
sighting.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

import msgspec

from rules.journey import EARTH_RADIUS_KM, FURTHEST_KM, distance_km, fastest_journey
from rules.memory import UNCUT, Entry, Order
from rules.ruleset import RuleSet
from rules.sighting import NONE, WEAK

_SECOND_US: Final = 1_000_000
_ROOT_OF_TWO: Final = 1.4143
_KM_PER_DEGREE: Final = EARTH_RADIUS_KM * 0.0174533


class Walk(msgspec.Struct):
    """What a walk through a card's sightings found.

    Attributes:
        believed: the last believed sighting.
        suspects: each with the believed sighting that it contradicts, in order of the walk.
        plain: no weak sighting waits for the next believed one, and no repeat for its original.
    """

    believed: Entry | None
    suspects: list[tuple[Entry, Entry]]
    plain: bool


class Reach:
    """Whether one sighting can be reached from another under a rule set; the cheap questions are asked first.

    Attributes:
        anywhere_us: in this time one gets anywhere, microseconds.
        near_e7: two points that differ by less in latitude and in longitude, in degrees times ten million, are within
            the floor.
    """

    def __init__(self, ruleset: RuleSet) -> None:
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

    @staticmethod
    def distance_km(one: Entry, other: Entry) -> float:
        """The great-circle distance less both radii, at least 0."""
        apart = distance_km(one.lat_e7 / 1e7, one.lon_e7 / 1e7, other.lat_e7 / 1e7, other.lon_e7 / 1e7)
        return max(0.0, apart - (one.radius_m + other.radius_m) / 1000)


def walk(entries: Sequence[Entry], reach: Reach, cut: Order = UNCUT) -> Walk:
    """Walks the sightings in order of (time, id).

    The first trusted one is believed. Each next one can be reached from the last believed one and is believed, or
    cannot and is a suspect, which moves nothing. A weak one is judged against the believed ones before and after it,
    and never believed.

    Args:
        entries: ordered.
        reach: of the rule set in force.
        cut: up to here the walk has been forgotten but for the sighting that was believed last; it stays believed, so
            that what comes after is judged as if nothing were forgotten.
    """
    repeated = repeats(entries)
    believed: Entry | None = None
    suspects: list[tuple[Entry, Entry]] = []
    waiting: list[Entry] = []
    orphans = False
    for entry in entries:
        if entry.trust == NONE:
            continue
        if entry.repeat_of is not None and entry.order > cut:
            if entry.transaction_id in repeated:
                continue
            orphans = True
        if entry.trust == WEAK:
            if believed is not None and not reach(believed, entry):
                suspects.append((entry, believed))
            else:
                waiting.append(entry)
        elif believed is None or reach(believed, entry):
            suspects += [(weak, entry) for weak in waiting if not reach(weak, entry)]
            waiting.clear()
            believed = entry
        else:
            suspects.append((entry, believed))
    return Walk(believed, suspects, plain=not waiting and not orphans)


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
