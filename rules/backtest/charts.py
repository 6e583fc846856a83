"""The report's charts as SVG, drawn with the page's own colours; every number in them stands in a table too."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from markupsafe import Markup, escape

from rules.backtest.outcome import Arc, DayRow, KindRow, PairRow
from rules.backtest.score import Share
from rules.land import land_within
from rules.map import great_circle

_WIDE: Final = 960
_MAP_HIGH: Final = 430
_NORTH: Final = 78.0
_SOUTH: Final = -56.0
_ROW: Final = 26
_FEW: Final = 5
_SEAM: Final = 180.0
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def recall_by_kind(rows: Sequence[KindRow]) -> Markup:
    """A bar a kind of case, with its interval, and how soon half of the found ones were."""
    left, wide_at_most = 190, _WIDE - 190 - 260
    parts = []
    for number, row in enumerate(rows):
        y = number * _ROW + 4
        low, high = left + row.recall.low * wide_at_most, left + row.recall.high * wide_at_most
        wide = (row.recall.value or 0.0) * wide_at_most
        middle = y + 9
        ends = f"M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"
        said = f"{_percent(row.recall)} ({row.recall.hits:,} of {row.recall.of:,})"
        said += f", half within {time_span(max(0.0, row.delay.p50))}" if row.delay.p50 is not None else ""
        parts += [
            f'<text class="label" x="{left - 10}" y="{y + 13}">{escape(kind_words(row))}</text>',
            f'<rect class="track" x="{left}" y="{y}" width="{wide_at_most}" height="18" rx="3"/>',
            f'<rect class="good" x="{left}" y="{y}" width="{wide:.1f}" height="18" rx="3"/>',
            f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}{ends}"/>',
            f'<text class="value" x="{left + wide_at_most + 10}" y="{y + 13}">{said}</text>',
        ]
    return _svg(_WIDE, len(rows) * _ROW + 6, "Share of cases found, by kind", parts)


def country_pairs(rows: Sequence[PairRow]) -> Markup:
    """Alerts between two countries, true and false."""
    most = max((row.alerts_true + row.alerts_false for row in rows), default=1)
    left, span = 90, _WIDE - 90 - 170
    parts = []
    for number, row in enumerate(rows):
        y = number * _ROW + 4
        true, false = row.alerts_true / most * span, row.alerts_false / most * span
        said = f"{row.alerts_true:,} fraud, {row.alerts_false:,} not"
        parts += [
            f'<text class="label" x="{left - 10}" y="{y + 13}">{escape(row.one)} – {escape(row.other)}</text>',  # noqa: RUF001
            f'<rect class="good" x="{left}" y="{y}" width="{true:.1f}" height="18"/>',
            f'<rect class="bad" x="{left + true:.1f}" y="{y}" width="{false:.1f}" height="18"/>',
            f'<text class="value" x="{left + true + false + 8:.1f}" y="{y + 13}">{said}</text>',
        ]
    return _svg(_WIDE, len(rows) * _ROW + 6, "Alerts by pair of countries", parts)


def days(rows: Sequence[DayRow]) -> Markup:
    """Alerts a day."""
    high, left = 150, 40
    most = max((row.alerts_true + row.alerts_false for row in rows), default=1)
    step = (_WIDE - left) / max(len(rows), 1)
    parts = [
        f'<path class="rule" d="M{left} {high + 10}H{_WIDE}M{left} 10H{_WIDE}"/>',
        f'<text class="label" x="{left - 6}" y="14">{most:,}</text>',
        f'<text class="label" x="{left - 6}" y="{high + 14}">0</text>',
    ]
    for number, row in enumerate(rows):
        true, false = row.alerts_true / most * high, row.alerts_false / most * high
        x, wide = left + number * step + step * 0.12, step * 0.76
        title = f"<title>{row.day}: {row.alerts_true} fraud, {row.alerts_false} not</title>"
        for kind, floor, tall in (("good", 0.0, true), ("bad", true, false)):
            y = high + 10 - floor - tall
            box = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
            parts.append(f'<rect class="{kind}" {box}>{title}</rect>')
        if number % max(1, len(rows) // _FEW) == 0:
            parts.append(f'<text class="tick" x="{x + wide / 2:.1f}" y="{high + 28}">{row.day[5:]}</text>')
    return _svg(_WIDE, high + 34, "Alerts a day", parts)


def causes(counts: Mapping[str, int]) -> Markup:
    """What false alerts were in truth."""
    left, span = 220, _WIDE - 220 - 80
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    most = max(counts.values(), default=1)
    parts = []
    for number, (name, count) in enumerate(ordered):
        y = number * _ROW + 4
        wide = count / most * span
        parts += [
            f'<text class="label" x="{left - 10}" y="{y + 13}">{escape(name)}</text>',
            f'<rect class="bad" x="{left}" y="{y}" width="{wide:.1f}" height="18" rx="3"/>',
            f'<text class="value" x="{left + wide + 8:.1f}" y="{y + 13}">{count:,}</text>',
        ]
    return _svg(_WIDE, len(ordered) * _ROW + 6, "False alerts by what they are in truth", parts)


def world_map(arcs: Sequence[Arc]) -> Markup:
    """Alerts as great circles, the false ones below."""

    def at(lon: float, lat: float) -> tuple[float, float]:
        return (lon + 180) / 360 * _WIDE, (_NORTH - lat) / (_NORTH - _SOUTH) * _MAP_HIGH

    rings = (
        "M" + "L".join("{:.1f} {:.1f}".format(*at(*point)) for point in ring) + "Z"
        for ring in land_within(-180.0, _SOUTH, 180.0, _NORTH)
    )
    parts = [f'<path class="land" d="{"".join(rings)}"/>']
    for fraud, kind in ((False, "bad"), (True, "good")):
        way = "".join(_arc(arc, at) for arc in arcs if arc.fraud is fraud)
        ends = "".join(
            "M{:.1f} {:.1f}h0".format(*at(arc.other_lon, arc.other_lat)) for arc in arcs if arc.fraud is fraud
        )
        parts.append(f'<path class="arc {kind}-line" d="{way}"/><path class="end {kind}-line" d="{ends}"/>')
    return _svg(_WIDE, _MAP_HIGH, "Where alerts come from", parts)


def _arc(arc: Arc, at: Callable[[float, float], tuple[float, float]]) -> str:
    found, before = "", None
    for lon, lat in great_circle((arc.lon, arc.lat), (arc.other_lon, arc.other_lat), 24):
        wrapped = (lon + _SEAM) % 360 - _SEAM
        jumps = before is None or abs(wrapped - before) > _SEAM
        found += ("M" if jumps else "L") + "{:.0f} {:.0f}".format(*at(wrapped, lat))
        before = wrapped
    return found


def kind_words(row: KindRow) -> str:
    """A kind of case in words."""
    parts = [row.kind.replace("_", " "), row.reach.replace("_", " "), row.pattern]
    return ", ".join(part for part in parts if part not in {"unknown", "remote"})


def time_span(seconds: float | None) -> str:
    """A length of time as a person says it."""
    if seconds is None:
        return "–"  # noqa: RUF001 - a dash for none
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h" if seconds < 2 * _DAY_S else f"{seconds / _DAY_S:.1f} days"


def _percent(share: Share) -> str:
    return "–" if share.value is None else f"{share.value:.1%}"  # noqa: RUF001 - a dash for none


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> Markup:
    body = "".join(parts)
    return Markup(  # noqa: S704 - made of numbers, and of names that are escaped where they are put in
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img"><title>{title}</title>{body}</svg>'
    )
