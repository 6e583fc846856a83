"""The pictures of ``docs/detection.md``: the lower bound of a journey among real ones, and a map of an alert."""

from collections.abc import Iterable
from math import log10
from typing import Final

from rules.drawing import svg
from rules.journey import FURTHEST_KM, distance_km, fastest_journey
from rules.map import Place, draw
from rules.ruleset import LIVE, RuleSet
from rules.timetables import JOURNEYS, Real

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 700, 20, 352
_KM: Final = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
_MINUTES: Final = (
    (15, "15 min"),
    (30, "30 min"),
    (60, "1 h"),
    (120, "2 h"),
    (300, "5 h"),
    (600, "10 h"),
    (1200, "20 h"),
)
_COLOURS: Final = {"train": "#1f5f78", "flight": "#9a2a1c", "car": "#8a6d00", "ferry": "#4b7a3a"}
_STYLE: Final = (
    "svg{font:12px system-ui,sans-serif;background:#fff}text{fill:#33424b}.axis{stroke:#d5dde2}"
    ".bound{fill:none;stroke:#1c2b33;stroke-width:2.5}.below{fill:#f3e6e3}.said{font-weight:600}"
)


def journeys(ruleset: RuleSet = LIVE) -> str:
    """Thirty real journeys above the line below which no journey is believed, both axes logarithmic."""
    floor, steps = ruleset.floor_km, 80
    kms = [floor * (FURTHEST_KM / floor) ** (step / steps) for step in range(steps + 1)]
    line = " ".join(f"{_x(km):.1f},{_y(fastest_journey(km, ruleset.means).fastest_s / 60):.1f}" for km in kms)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
            "<title>Distance against time: every real journey lies above the lower bound</title>",
            f"<style>{_STYLE}</style>",
            f'<polygon class="below" points="{line} {_RIGHT},{_BOTTOM} {_LEFT},{_BOTTOM}"/>',
            *_grid(),
            f'<polyline class="bound" points="{line}"/>',
            *(_dot(real) for real in JOURNEYS),
            *_legend(),
            f'<text class="said" x="{_x(2200):.0f}" y="{_y(45):.0f}">impossible: nobody is so fast</text>',
            "</svg>\n",
        ]
    )


def impossible() -> str:
    """The map of the first acceptance case."""
    start = Place(lat=11.5564, lon=104.9282, name="Phnom Penh", note="17:00, 10:00 UTC")
    end = Place(lat=48.8606, lon=2.3376, name="Paris", note="11:12, 10:12 UTC")
    return svg(draw(start, end), "A card in Phnom Penh, and twelve minutes later in Paris, 9,941 km away")


def _x(km: float) -> float:
    least, most = log10(_KM[0]), log10(_KM[-1])
    return _LEFT + (log10(km) - least) / (most - least) * (_RIGHT - _LEFT)


def _y(minutes: float) -> float:
    least, most = log10(12), log10(_MINUTES[-1][0])
    return _BOTTOM - (log10(minutes) - least) / (most - least) * (_BOTTOM - _TOP)


def _grid() -> Iterable[str]:
    for km in _KM:
        yield f'<path class="axis" d="M{_x(km):.1f} {_TOP}V{_BOTTOM}"/>'
        yield f'<text x="{_x(km):.1f}" y="{_BOTTOM + 16}" text-anchor="middle">{km:,}</text>'
    yield f'<text x="{_RIGHT}" y="{_BOTTOM + 34}" text-anchor="end">kilometres, the great circle</text>'
    for minutes, said in _MINUTES:
        yield f'<path class="axis" d="M{_LEFT} {_y(minutes):.1f}H{_RIGHT}"/>'
        yield f'<text x="{_LEFT - 6}" y="{_y(minutes) + 4:.1f}" text-anchor="end">{said}</text>'


def _dot(real: Real) -> str:
    km = distance_km(*real.start_at, *real.end_at)
    return (
        f'<circle cx="{_x(km):.1f}" cy="{_y(real.fastest_min):.1f}" r="5" fill="{_COLOURS[real.means]}">'
        f"<title>{real.start} to {real.end}, {real.means}</title></circle>"
    )


def _legend() -> Iterable[str]:
    for number, (means, colour) in enumerate(_COLOURS.items()):
        y = _TOP + 18 + 18 * number
        yield f'<circle cx="{_LEFT + 18}" cy="{y - 4}" r="5" fill="{colour}"/>'
        yield f'<text x="{_LEFT + 30}" y="{y}">{means}</text>'
