"""Rule sets: every threshold of the detection is data, under a version."""

from typing import Final

import msgspec

from rules.in_transit import CARRIERS, Carrier


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """A means of travel as a lower bound: nobody gets from one payment to the next faster with it.

    Attributes:
        overhead_s: what it costs whatever the distance, seconds.
        speed_kmh: over the great circle, kilometres an hour.
        reason: why nobody is faster, for the documentation; with its sources.
    """

    name: str
    overhead_s: int
    speed_kmh: float
    reason: str = ""


class RuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """Every threshold of the detection.

    Attributes:
        version: stands on each alert.
        means: the journey's lower bound is the least of them.
        floor_km: below this distance (less both radii) nothing is judged.
        clock_allowance_s: added to the time between two sightings: terminals' clocks are not exact.
        weak_radius_km: a sighting less exact than this is weak.
        contradiction_km: a point further than this from the stated city gives way to the city; where the city is not
            known, from the stated country to the country.
        doubt_km: a point further than this from the stated city, and not so far that it gives way, is uncertain by as
            much.
        memory_s: a card's memory, seconds behind the watermark.
        slots: how many of the newest sightings are remembered, those of one cell and one ``slot_s`` counting as one.
        slot_s: payments in one cell share a slot while the clock shows the same multiple of this, seconds.
        slot_degrees: the sides of such a cell, of a grid of fixed lines of latitude and longitude. A quarter of a
            degree is 27.8 km of a meridian (111.2 km a degree) and less of a parallel: the diagonal, 39.3 km at most,
            is below the floor, so nothing in a cell can contradict anything else in it.
        most_sightings: never more than this many are remembered, however few slots they fill.
        others: how many of the newest transactions that are no sightings are remembered, for their ids.
        late_s: what is raised on something further behind the watermark is a ``review``, seconds.
        quiet_s: so long from a confirmed payment on the way that it was reached by is quiet, seconds.
        quiet_km: how near to the two places of a quiet way a sighting must be, to be of it.
        in_transit: merchants that move, whose sales aboard are no sightings.
    """

    version: str
    means: tuple[Means, ...]
    floor_km: float = 50.0
    clock_allowance_s: int = 120
    weak_radius_km: float = 50.0
    contradiction_km: float = 300.0
    doubt_km: float = 50.0
    memory_s: int = 72 * 3600
    slots: int = 16
    slot_s: int = 3600
    slot_degrees: float = 0.25
    most_sightings: int = 64
    others: int = 16
    late_s: int = 24 * 3600
    quiet_s: int = 30 * 86_400
    quiet_km: float = 100.0
    in_transit: tuple[Carrier, ...] = CARRIERS


LIVE: Final = RuleSet(
    version="2026.1",
    means=(
        Means(
            name="car",
            overhead_s=0,
            speed_kmh=150,
            reason=(
                "From a petrol pump one drives off at once. On Germany's motorways without a limit cars are driven at"
                " 125 km/h on average (BASt); 150 km/h over the great circle are some 180 km/h on the road."
            ),
        ),
        Means(
            name="fast train",
            overhead_s=6 * 60,
            speed_kmh=350,
            reason=(
                "No train runs faster by its timetable (Fuxing, Beijing to Shanghai, 350 km/h; the average is below"
                " 320). Six minutes lead from a shop in one station through the gate to the train, and at the other end"
                " out again: Chinese stations close the gate three to five minutes before departure."
            ),
        ),
        Means(
            name="flight",
            overhead_s=45 * 60,
            speed_kmh=1000,
            reason=(
                "Airliners cruise at about 900 km/h; with the jet stream 1,000 km/h over ground are seldom held for a"
                " whole flight. The gate closes ten to twenty minutes before departure; taxiing, climb, descent and"
                " leaving the aircraft cost half an hour, if one buys something in both terminals. From door to door it"
                " is hours."
            ),
        ),
    ),
)
"""The rule set in force."""
