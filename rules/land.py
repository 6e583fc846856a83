"""The world's land as rings of points, and the piece of it that a window shows."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
"""A place on a map: longitude and latitude in degrees, or x and y."""

Ring: TypeAlias = tuple[Point, ...]

TURN_DEG = 360.0
TURNS = (-2, -1, 0, 1, 2)
"""How often round the world a ring may have to be shifted to come into a window."""


@cache
def rings() -> tuple[Ring, ...]:
    """Every ring of ``land.txt``, in degrees; longitudes may leave -180..180 (see ``land_build``)."""
    text = (files("rules") / "data" / "land.txt").read_text(encoding="utf-8")
    found = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            numbers = (pair.partition(",") for pair in line.split())
            found.append(tuple((int(lon) / 10, int(lat) / 10) for lon, _, lat in numbers))
    return tuple(found)


def land_within(west: float, south: float, east: float, north: float) -> Iterator[Ring]:
    """The rings, clipped to the window in degrees; a window may lie across the antimeridian (``east`` above 180)."""
    for ring in rings():
        lons = [lon for lon, _ in ring]
        lats = [lat for _, lat in ring]
        if max(lats) < south or min(lats) > north:
            continue
        for turn in TURNS:
            shift = turn * TURN_DEG
            if max(lons) + shift < west or min(lons) + shift > east:
                continue
            piece = clipped(tuple((lon + shift, lat) for lon, lat in ring), west, south, east, north)
            if piece:
                yield piece


def clipped(ring: Ring, west: float, south: float, east: float, north: float) -> Ring:
    """The part of a ring inside a window (Sutherland and Hodgman, Communications of the ACM 17, 1974); may be empty."""
    for axis, bound, sign in ((0, west, 1), (0, east, -1), (1, south, 1), (1, north, -1)):
        ring = _clipped_at(ring, axis, bound, sign)
        if not ring:
            break
    return ring


def _clipped_at(ring: Ring, axis: int, bound: float, sign: int) -> Ring:
    kept: list[Point] = []
    previous = ring[-1]
    for point in ring:
        inside, was_inside = sign * (point[axis] - bound) >= 0, sign * (previous[axis] - bound) >= 0
        if inside != was_inside:
            part = (bound - previous[axis]) / (point[axis] - previous[axis])
            crossing = [previous[0] + part * (point[0] - previous[0]), previous[1] + part * (point[1] - previous[1])]
            crossing[axis] = bound
            kept.append((crossing[0], crossing[1]))
        if inside:
            kept.append(point)
        previous = point
    return tuple(kept)
