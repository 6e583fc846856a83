"""Precision against recall as a picture: the curve over the thresholds, the rule set itself, and others' rules."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from rules.backtest.outcome import CurvePoint
from rules.backtest.score import Score, Share

_SIDE: Final = 420
_LEFT: Final = 46
_TOP: Final = 14
_SPAN: Final = _SIDE - _LEFT - _TOP
_ENDS: Final = ((0.1, 5), (0.2, 4), (0.3, 3), (0.4, 4), (0.5, 5), (0.6, 3), (0.8, 4), (1.0, 5))
"""Where an axis may end, and in how many steps that are easily read."""
_TOGETHER: Final = 8
_SAMPLES: Final = 12
_LETTER: Final = 7
_HIGH: Final = 13
_AWAY: Final = range(0, 120, 12)
_AROUND: Final = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))
"""Where a name may stand from its mark: beside it, over it, below it, and on the slants."""


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class _Plot(NamedTuple):
    """Where the axes end, as shares: what is drawn fills the picture."""

    recall: float
    precision: float
    recall_steps: int
    precision_steps: int

    def at(self, recall: float, precision: float) -> tuple[float, float]:
        return _LEFT + recall / self.recall * _SPAN, _TOP + (1 - precision / self.precision) * _SPAN

    def of(self, score: Score) -> tuple[float, float]:
        return self.at(score.recall_case.value or 0.0, score.precision_case.value or 0.0)


def precision_recall(curve: Sequence[CurvePoint], live: Score, others: Mapping[str, Score]) -> Markup:
    """Precision against recall, per case: the curve over the thresholds, the live rule set, others' rules.

    Both axes begin at nothing and end above what is drawn. Marks that lie on each other have one name, of them all; it
    stands beside them if there is room, else further off with a line to it.
    """
    known = [point for point in curve if point.score.precision_case.value is not None]
    shown = {name: score for name, score in others.items() if score.precision_case.value is not None}
    drawn = [*(point.score for point in known), *shown.values()]
    ours = [live] if live.precision_case.value is not None else []
    recall_end, recall_steps = _end(
        [*(score.recall_case.value or 0.0 for score in drawn), *(each.recall_case.high for each in ours)]
    )
    precision_end, precision_steps = _end(
        [*(score.precision_case.value or 0.0 for score in drawn), *(each.precision_case.high for each in ours)]
    )
    plot = _Plot(recall_end, precision_end, recall_steps, precision_steps)
    parts = [_axes(plot)]
    if known:
        way = "L".join("{:.1f} {:.1f}".format(*plot.of(point.score)) for point in known)
        parts.append(f'<path class="curve" d="M{way}"/>')
    for point in known:
        x, y = plot.of(point.score)
        parts.append(
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>journeys x {point.factor:g}:'
            f" precision {_percent(point.score.precision_case)}, recall {_percent(point.score.recall_case)}"
            "</title></circle>"
        )
    taken = [_mark(*plot.of(score)) for score in (*drawn, *ours)]
    taken += _along([plot.of(point.score) for point in known])
    for each in ours:
        x, y = plot.of(each)
        (left, bottom), (right, top) = _interval(each, plot)
        parts.append(f'<path class="whisker" d="M{left:.1f} {y:.1f}H{right:.1f}M{x:.1f} {top:.1f}V{bottom:.1f}"/>')
        taken += [_Box(left, y - 2, right, y + 2), _Box(x - 2, top, x + 2, bottom)]
        parts.append(f'<circle class="live" cx="{x:.1f}" cy="{y:.1f}" r="7"/>')
        parts.append(_name("Ringback", x, y, taken, kind="strong"))
    for names, (x, y) in _together({name: plot.of(score) for name, score in shown.items()}):
        parts.append(_name(", ".join(names), x, y, taken, kind="name"))
    for score in shown.values():
        x, y = plot.of(score)
        parts.append(f'<rect class="other" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>')
    return Markup(  # noqa: S704 - made of numbers, and of names that are escaped where they are put in
        f'<svg class="chart" viewBox="0 0 {_SIDE + _TOP} {_SIDE}" role="img"><title>Precision against recall</title>'
        f"{''.join(parts)}</svg>"
    )


def _end(values: Sequence[float]) -> tuple[float, int]:
    most = round(max(values, default=1.0), 6)
    return next(each for each in _ENDS if each[0] >= min(most, 1.0))


def _together(marks: Mapping[str, tuple[float, float]]) -> list[tuple[list[str], tuple[float, float]]]:
    """The names by the mark that they lie on, the first of each."""
    found: list[tuple[list[str], tuple[float, float]]] = []
    for name, (x, y) in marks.items():
        for names, (other_x, other_y) in found:
            if abs(x - other_x) < _TOGETHER and abs(y - other_y) < _TOGETHER:
                names.append(name)
                break
        else:
            found.append(([name], (x, y)))
    return found


def _along(way: Sequence[tuple[float, float]]) -> list[_Box]:
    """What a line covers, roughly."""
    return [
        _Box(x - 3, y - 3, x + 3, y + 3)
        for (x1, y1), (x2, y2) in pairwise(way)
        for x, y in ((x1 + (x2 - x1) * n / _SAMPLES, y1 + (y2 - y1) * n / _SAMPLES) for n in range(_SAMPLES))
    ]


def _axes(plot: _Plot) -> str:
    lines = [f'<rect class="track" x="{_LEFT}" y="{_TOP}" width="{_SPAN}" height="{_SPAN}"/>']
    for step in range(plot.precision_steps + 1):
        precision = plot.precision * step / plot.precision_steps
        _, y = plot.at(0, precision)
        lines.append(f'<path class="rule" d="M{_LEFT} {y:.1f}h{_SPAN}"/>')
        lines.append(f'<text class="label" x="{_LEFT - 6}" y="{y + 4:.1f}">{precision:.0%}</text>')
    for step in range(plot.recall_steps + 1):
        recall = plot.recall * step / plot.recall_steps
        x, _ = plot.at(recall, 0)
        lines.append(f'<path class="rule" d="M{x:.1f} {_TOP}v{_SPAN}"/>')
        lines.append(f'<text class="tick" x="{x:.1f}" y="{_TOP + _SPAN + 16}">{recall:.0%}</text>')
    lines += [
        f'<text class="tick" x="{_LEFT + _SPAN / 2}" y="{_TOP + _SPAN + 32}">recall: cases found</text>',
        f'<text class="tick" transform="translate(11 {_TOP + _SPAN / 2}) rotate(-90)">precision: cases of fraud</text>',
    ]
    return "".join(lines)


def _interval(live: Score, plot: _Plot) -> tuple[tuple[float, float], tuple[float, float]]:
    """The corners of what both intervals span: lower left, upper right."""
    low = plot.at(live.recall_case.low, live.precision_case.low)
    return low, plot.at(live.recall_case.high, live.precision_case.high)


def _name(name: str, x: float, y: float, taken: list[_Box], *, kind: str) -> str:
    """A name at the nearest place that is free, and the line to its mark where that is not beside it."""
    wide = len(name) * _LETTER
    away, box = next(
        ((away, box) for away, box in _places(x, y, wide) if not any(box.meets(other) for other in taken)),
        next(_places(x, y, wide)),
    )
    taken.append(box)
    near = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
    line = f'<path class="lead" d="M{x:.1f} {y:.1f}L{near[0]:.1f} {near[1]:.1f}"/>' if away else ""
    return (
        f'{line}<text class="{kind}" text-anchor="middle" x="{(box.left + box.right) / 2:.1f}"'
        f' y="{box.bottom - 3:.1f}">{escape(name)}</text>'
    )


def _places(x: float, y: float, wide: float) -> Iterator[tuple[int, _Box]]:
    for away in _AWAY:
        for right, down in _AROUND:
            middle_x = x + right * (wide / 2 + 8 + away)
            middle_y = y + down * (_HIGH / 2 + 7 + away)
            middle_x = min(max(middle_x, _LEFT + wide / 2), _SIDE + _TOP - wide / 2)
            box = _Box(middle_x - wide / 2, middle_y - _HIGH / 2, middle_x + wide / 2, middle_y + _HIGH / 2)
            if (box.top >= 0 and box.bottom <= _TOP + _SPAN) or not down:
                yield away, box


def _mark(x: float, y: float) -> _Box:
    return _Box(x - 7, y - 6, x + 7, y + 6)


def _percent(share: Share) -> str:
    return "–" if share.value is None else f"{share.value:.1%}"  # noqa: RUF001 - a dash for none
