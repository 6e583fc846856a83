"""What ``docs/detection.md`` shows of the rules as they stand: tables between marks, and pictures beside it.

``write(Path("docs"))`` brings the page and its pictures up to date; a test compares them.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rules import pictures
from rules.in_transit import CARRIERS
from rules.journey import distance_km, fastest_journey
from rules.ruleset import LIVE
from rules.timetables import JOURNEYS, Real
from rules.trust import NONE, REMARKS, TABLE, WEAK, Line

PICTURES: Final = {"journeys.svg": pictures.journeys, "impossible.svg": pictures.impossible}

_MARKED: Final = re.compile(r"(?P<begin><!-- (?P<name>\w+): generated -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
_LEVELS: Final = ("not a sighting", "weak", "trusted")
_SEVERITIES: Final = ("", "low", "medium", "high")


def write(folder: Path) -> None:
    """Brings the page and the pictures up to date."""
    page = folder / "detection.md"
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    for name, draw in PICTURES.items():
        (folder / "images" / name).write_text(draw(), encoding="utf-8")


def filled(page: str) -> str:
    """The page with each generated part made anew.

    Raises:
        KeyError: there is no part of such a name.
    """
    parts = {"trust": trust_table, "transit": transit_table, "means": means_table, "journeys": journeys_table}
    return _MARKED.sub(lambda found: f"{found['begin']}{parts[found['name']]()}\n{found['end']}", page)


def trust_table() -> str:
    """The trust table, in its order."""
    rows = [_trust_row(line) for line in TABLE]
    rows += [("", "", "", "", remark.field, "changes nothing", "", remark.reason, remark.source) for remark in REMARKS]
    head = ("entry mode", "channel", "type", "instrument", "besides", "says", "severity", "reason", "source")
    return _table(head, rows)


def transit_table() -> str:
    """Who moves, by which categories and words."""
    rows = [
        (each.kind, ", ".join(each.categories), ", ".join(each.aboard), ", ".join(each.ashore), each.reason)
        for each in CARRIERS
    ]
    return _table(("carrier", "category", "aboard", "but not with", "reason"), rows)


def means_table() -> str:
    """The means of travel in force."""
    rows = [
        (each.name, f"{each.overhead_s // 60} min", f"{each.speed_kmh:,.0f} km/h", each.reason) for each in LIVE.means
    ]
    return _table(("means", "once", "over the great circle", "why nobody is faster"), rows)


def journeys_table() -> str:
    """The bound against thirty real journeys, the nearest first."""
    measured = sorted(
        ((distance_km(*real.start_at, *real.end_at), real) for real in JOURNEYS), key=lambda each: each[0]
    )
    return _table(
        ("from", "to", "km", "the bound", "by", "real", "by", "bound / real", "scheduled by"),
        [_journey_row(km, real) for km, real in measured],
    )


def _trust_row(line: Line) -> tuple[str, ...]:
    trust = line.trust
    fields = (line.entry_modes, line.channels, line.types, line.instruments)
    return (
        *(", ".join(f"`{value}`" for value in values) or "any" for values in fields),
        "",
        f"**{_LEVELS[trust.level]}**" if trust.level > WEAK else _LEVELS[trust.level],
        _SEVERITIES[trust.grade] if trust.level > NONE else "",
        trust.reason,
        trust.source,
    )


def _journey_row(km: float, real: Real) -> tuple[str, ...]:
    bound = fastest_journey(km, LIVE.means)
    return (
        real.start,
        real.end,
        f"{km:,.0f}",
        _span(bound.fastest_s / 60),
        bound.means,
        _span(real.fastest_min),
        real.means,
        f"{bound.fastest_s / 60 / real.fastest_min:.0%}",
        real.operator,
    )


def _span(minutes: float) -> str:
    hours, rest = divmod(round(minutes), 60)
    return f"{hours} h {rest:02} min" if hours else f"{rest} min"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
