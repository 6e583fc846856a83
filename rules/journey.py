"""The lower bound of a journey from door to door: what is faster did not happen."""

from collections.abc import Sequence
from math import asin, cos, radians, sin, sqrt
from typing import Final

import msgspec

from rules.ruleset import Means

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius of the Earth (IUGG R1)."""

FURTHEST_KM: Final = 20_016.0
"""No two points are further apart on that sphere: half of its circumference, rounded up."""


class Journey(msgspec.Struct, frozen=True):
    """The fastest plausible journey: its means, and its seconds from door to door."""

    means: str
    fastest_s: float


def distance_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """The great-circle distance of two points in degrees, kilometres, the short way round.

    Haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984); right within 0.6 % of
    the ellipsoid. The date line needs no care: only the sine of half the difference counts.
    """
    phi, other_phi = radians(lat), radians(other_lat)
    half_chord = sin((other_phi - phi) / 2) ** 2 + cos(phi) * cos(other_phi) * sin(radians(other_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(half_chord)))


def fastest_journey(distance: float, means: Sequence[Means]) -> Journey:
    """The fastest of the means over a distance in kilometres; of equals the first.

    Raises:
        ValueError: there are no means.
    """
    return min(
        (Journey(each.name, each.overhead_s + distance / each.speed_kmh * 3600) for each in means),
        key=lambda journey: journey.fastest_s,
    )


def reach_km(seconds: float, means: Sequence[Means]) -> float:
    """How far one gets in that time by the fastest of the means, kilometres; at most to anywhere."""
    furthest = max((seconds - each.overhead_s) / 3600 * each.speed_kmh for each in means)
    return min(FURTHEST_KM, max(0.0, furthest))
