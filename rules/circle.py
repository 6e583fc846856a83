"""The circle that covers points on the sphere."""

from collections.abc import Sequence
from math import asin, atan2, cos, degrees, radians, sin, sqrt
from typing import Final, TypeAlias

from rules.journey import EARTH_RADIUS_KM, distance_km

Vector: TypeAlias = tuple[float, float, float]

_STEPS: Final = 400
_OPPOSITE: Final = 1e-9
"""Between two opposite points there is no middle: the first one is as good as any."""


def middle(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The middle of about the smallest circle that covers the points, (latitude, longitude) in degrees.

    Each step goes a little from the middle towards the point that is furthest away (M. Bădoiu and K. Clarkson,
    "Smaller core-sets for balls", SODA 2003). Points spread over more than half of the Earth have some middle.
    """
    vectors = [_vector(lat, lon) for lat, lon in points]
    centre = vectors[0]
    for step in range(1, _STEPS + 1):
        furthest = min(vectors, key=lambda each: _dot(centre, each))
        part = 1 / (step + 1)
        x, y, z = (here + (there - here) * part for here, there in zip(centre, furthest, strict=True))
        length = sqrt(x * x + y * y + z * z)
        if length < _OPPOSITE:
            break
        centre = (x / length, y / length, z / length)
    x, y, z = centre
    return degrees(asin(max(-1.0, min(1.0, z)))), degrees(atan2(y, x))


def covering(points: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """A circle (latitude, longitude, radius in kilometres) that covers each point with its own radius.

    No wider than half round the Earth: that is everywhere.
    """
    if len(points) == 1:
        return points[0]
    lat, lon = middle([(lat, lon) for lat, lon, _ in points])
    radius = max(distance_km(lat, lon, *point) + radius_km for *point, radius_km in points)
    return lat, lon, min(radius, EARTH_RADIUS_KM * radians(180))


def _vector(lat: float, lon: float) -> Vector:
    phi, lam = radians(lat), radians(lon)
    return cos(phi) * cos(lam), cos(phi) * sin(lam), sin(phi)


def _dot(one: Vector, other: Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
