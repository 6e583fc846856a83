"""The journey that nobody could have made, as a map: pure arithmetic, given to whoever draws it as SVG.

The projection is Miller's cylindrical one (O. M. Miller, Geographical Review 32, 1942): familiar shapes, finite poles.
"""

import math
from collections.abc import Iterable

import msgspec

from rules.land import TURN_DEG, Point, land_within

WIDTH, HEIGHT = 640.0, 280.0
"""The drawing's own units; the page scales it."""

ARC_STEPS = 64
MARGIN = 0.22
"""Room round the journey, as a share of its extent: for the names of the places."""

TIGHT = 1.1
"""The least room round a journey from one polar circle to the other."""

SMALLEST_SPAN_DEG = 22.0
"""Two places in one city still show the coast they are on."""

NORTHMOST_DEG, SOUTHMOST_DEG = 84.0, -72.0
GRID_STEPS_DEG = (1, 2, 5, 10, 15, 30)
GRID_LINES = 6
LABEL_ROOM = 150.0
"""Width of a label."""

LABELS_APART = 60.0
DISTINCT_DEG = 0.01


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One end of the journey: where, and what the map says of it."""

    lat: float
    lon: float
    name: str
    note: str = ""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A place on the drawing; its label is centred on ``label_x``, with its first line on ``label_y``."""

    x: float
    y: float
    name: str
    note: str
    label_x: float
    label_y: float


class JourneyMap(msgspec.Struct, frozen=True, kw_only=True):
    """What the template draws: SVG path data and marks, in units of ``width`` by ``height``."""

    width: float
    height: float
    land: str
    grid: str
    arc: str
    start: Mark | None
    end: Mark


def great_circle(start: Point, end: Point, steps: int = ARC_STEPS) -> list[Point]:
    """Points of the shortest way between two (longitude, latitude), without a jump at the antimeridian.

    The formula is the spherical linear interpolation of the two unit vectors. Places opposite to each other have no
    single shortest way; then the way over the parallel is given.
    """
    a, b = _vector(start), _vector(end)
    angle = math.acos(max(-1.0, min(1.0, sum(p * q for p, q in zip(a, b, strict=True)))))
    if math.sin(angle) < 1e-9:  # noqa: PLR2004 - the same place, or opposite ones
        return [start, end]
    points: list[Point] = []
    for step in range(steps + 1):
        part = step / steps
        left, right = math.sin((1 - part) * angle) / math.sin(angle), math.sin(part * angle) / math.sin(angle)
        x, y, z = (left * p + right * q for p, q in zip(a, b, strict=True))
        lon = math.degrees(math.atan2(y, x))
        if points:
            lon += TURN_DEG * round((points[-1][0] - lon) / TURN_DEG)
        points.append((lon, math.degrees(math.atan2(z, math.hypot(x, y)))))
    return points


def draw(start: Place | None, end: Place) -> JourneyMap:
    """The map of the way from ``start`` to ``end``; with one place only, of its surroundings."""
    way = great_circle((start.lon, start.lat), (end.lon, end.lat)) if start else [(end.lon, end.lat)]
    window = _window(way)
    west, south, east, north = window
    land = " ".join(_path((_at(point, window) for point in ring), closed=True) for ring in _land(window))
    first, middle, last = (_at(way[place], window) for place in (0, len(way) // 2, -1))
    below = middle[1] <= (first[1] + last[1]) / 2
    moved = start is not None and math.dist((start.lon, start.lat), (end.lon, end.lat)) > DISTINCT_DEG
    return JourneyMap(
        width=WIDTH,
        height=HEIGHT,
        land=land,
        grid=_grid(west, south, east, north),
        arc=_path((_at(point, window) for point in way), closed=False) if moved else "",
        start=_mark(start, first, last, below=below) if start else None,
        end=_mark(end, last, first if start else None, below=below),
    )


def _vector(point: Point) -> tuple[float, float, float]:
    lon, lat = math.radians(point[0]), math.radians(point[1])
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def _miller(lat: float) -> float:
    return math.degrees(1.25 * math.log(math.tan(math.pi / 4 + 0.4 * math.radians(lat))))


def _latitude(y: float) -> float:
    return math.degrees(2.5 * (math.atan(math.exp(0.8 * math.radians(y))) - math.pi / 4))


Window = tuple[float, float, float, float]


def _window(way: list[Point]) -> Window:
    """West, south, east, north in degrees of longitude and of Miller's y, in the drawing's proportions."""
    lons, ys = [lon for lon, _ in way], [_miller(lat) for _, lat in way]
    span = max(max(lons) - min(lons), SMALLEST_SPAN_DEG) * (1 + 2 * MARGIN)
    rise = max(max(ys) - min(ys), SMALLEST_SPAN_DEG * HEIGHT / WIDTH) * (1 + 2 * MARGIN)
    # Once round the world is enough, unless the journey itself is taller than that leaves room for.
    enough = max(TURN_DEG, (max(ys) - min(ys)) * TIGHT * WIDTH / HEIGHT)
    span = min(max(span, rise * WIDTH / HEIGHT), enough)
    rise = span * HEIGHT / WIDTH
    across, up = (max(lons) + min(lons)) / 2, (max(ys) + min(ys)) / 2
    # The poles have nothing to show: a window that reaches beyond them is moved back, not shrunk.
    up = min(up, max(_miller(NORTHMOST_DEG), max(ys) + rise * MARGIN / 2) - rise / 2)
    up = max(up, min(_miller(SOUTHMOST_DEG), min(ys) - rise * MARGIN / 2) + rise / 2)
    return across - span / 2, up - rise / 2, across + span / 2, up + rise / 2


def _land(window: Window) -> Iterable[tuple[Point, ...]]:
    west, south, east, north = window
    # A little more than the window, so that the edge of a clipped ring is never seen as a coast.
    pad = (east - west) * 0.02
    return land_within(west - pad, _latitude(south - pad), east + pad, _latitude(north + pad))


def _at(point: Point, window: Window) -> Point:
    west, south, east, north = window
    x = (point[0] - west) / (east - west) * WIDTH
    return x, (north - _miller(max(-89.9, min(89.9, point[1])))) / (north - south) * HEIGHT


def _path(points: Iterable[Point], *, closed: bool) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")


def _grid(west: float, south: float, east: float, north: float) -> str:
    step = next((step for step in GRID_STEPS_DEG if (east - west) / step <= GRID_LINES), GRID_STEPS_DEG[-1])
    window = west, south, east, north
    lines = []
    for lon in range(math.ceil(west / step) * step, math.floor(east) + 1, step):
        x, _ = _at((lon, 0), window)
        lines.append(f"M{x:.1f} 0V{HEIGHT:.0f}")
    low, high = _latitude(south), _latitude(north)
    for lat in range(math.ceil(low / step) * step, math.floor(high) + 1, step):
        _, y = _at((0, lat), window)
        lines.append(f"M0 {y:.1f}H{WIDTH:.0f}")
    return "".join(lines)


def _mark(place: Place, at: Point, other: Point | None, *, below: bool) -> Mark:
    """The label stands on the side that the way does not take; two places close together share the sides."""
    x, y = at
    if other is not None and abs(x - other[0]) < LABEL_ROOM and abs(y - other[1]) < LABELS_APART:
        below = (y, x) > (other[1], other[0])
    half = LABEL_ROOM / 2
    return Mark(
        x=round(x, 1),
        y=round(y, 1),
        name=place.name,
        note=place.note,
        label_x=round(min(max(x, half), WIDTH - half), 1),
        label_y=round(min(max(y + (21 if below else -26), 16.0), HEIGHT - 22.0), 1),
    )
