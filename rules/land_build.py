"""Makes ``land.txt`` out of the TopoJSON of the world's land: ``main(Path("land-110m.json"))``.

The input is ``land-110m.json`` of the npm package ``world-atlas`` (version 2.0.2; package under the ISC licence), which
is derived from Natural Earth's 1:110m physical vectors, placed in the public domain by their makers.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).with_name("data") / "land.txt"
STEP_DEG = 0.1
SMALLEST_RING = 4
"""A ring needs three corners and its first one again."""

HEADER = """\
# Outlines of the world's land, one closed ring a line: lon,lat in tenths of a degree; lon may leave -180..180 so that
# no ring jumps at the antimeridian. Made by rules/land_build.py out of world-atlas 2.0.2 (ISC licence,
# Copyright 2013-2019 Michael Bostock), derived from Natural Earth 1:110m, which is in the public domain.
"""


def arcs_in_degrees(topology: dict[str, Any]) -> list[list[tuple[float, float]]]:
    """The topology's arcs, with their delta encoding and scale undone."""
    (scale_x, scale_y), (move_x, move_y) = topology["transform"]["scale"], topology["transform"]["translate"]
    decoded = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for step_x, step_y in arc:
            x, y = x + step_x, y + step_y
            points.append((x * scale_x + move_x, y * scale_y + move_y))
        decoded.append(points)
    return decoded


def rings_of(topology: dict[str, Any]) -> list[list[tuple[float, float]]]:
    """Every ring of every polygon, as points in degrees."""
    arcs = arcs_in_degrees(topology)
    rings = []
    for geometry in topology["objects"]["land"]["geometries"]:
        for polygon in geometry["arcs"]:
            for ring in polygon:
                points: list[tuple[float, float]] = []
                for index in ring:
                    arc = arcs[index] if index >= 0 else arcs[~index][::-1]
                    points.extend(arc[1:] if points else arc)
                rings.append(points)
    return rings


def unwrapped(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The ring without jumps at the antimeridian; one that goes round a pole is closed along it."""
    points = [ring[0]]
    turn = 0
    for (before, _), (lon, lat) in pairwise(ring):
        if lon - before > 180:  # noqa: PLR2004 - half a turn
            turn -= 360
        elif before - lon > 180:  # noqa: PLR2004 - the same
            turn += 360
        points.append((lon + turn, lat))
    if turn:
        pole = -90.0 if points[0][1] < 0 else 90.0
        points += [(points[-1][0], pole), (points[0][0], pole), points[0]]
    return points


def line_of(ring: list[tuple[float, float]]) -> str:
    """The ring as a line of the file, without points that repeat at its precision."""
    line: list[str] = []
    for lon, lat in unwrapped(ring):
        point = f"{round(lon / STEP_DEG)},{round(lat / STEP_DEG)}"
        if not line or line[-1] != point:
            line.append(point)
    return " ".join(line) if len(line) >= SMALLEST_RING else ""


def main(source: Path) -> None:
    """Writes the file anew."""
    lines = [line_of(ring) for ring in rings_of(json.loads(source.read_text()))]
    OUTPUT.write_text(HEADER + "\n".join(line for line in lines if line) + "\n")
