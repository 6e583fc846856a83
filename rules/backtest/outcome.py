"""Everything that a backtest found, as data: what the page shows and what ``--json`` prints."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from rules.backtest.judging import AGAINST, LIVE, Part, Told, as_raised
from rules.backtest.score import Score, Share, Tally, score, share, tally
from rules.backtest.truth import Truth

_DAY_US: Final = 86_400 * 1_000_000
_MOST_PAIRS: Final = 15
_MOST_CHANGES: Final = 60
_MOST_ARCS: Final = 240


class Quantiles(msgspec.Struct, frozen=True):
    """Of a length of time, seconds; null of nothing."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None


class CurvePoint(msgspec.Struct, frozen=True):
    """The figures with the journeys' lower bound times ``factor``."""

    factor: float
    score: Score


class KindRow(msgspec.Struct, frozen=True):
    """Cases of one kind, and how many were found."""

    kind: str
    reach: str
    pattern: str
    recall: Share
    delay: Quantiles


class PairRow(msgspec.Struct, frozen=True):
    """Alerts between two countries, in either order."""

    one: str
    other: str
    alerts_true: int
    alerts_false: int


class DayRow(msgspec.Struct, frozen=True):
    """Alerts of one day, UTC, by the suspect's time."""

    day: str
    alerts_true: int
    alerts_false: int


class Arc(msgspec.Struct, frozen=True):
    """One alert on the map: from the believed place to the suspect's, degrees."""

    lat: float
    lon: float
    other_lat: float
    other_lon: float
    fraud: bool


class Change(msgspec.Struct, frozen=True):
    """One alert that only one of the two rule sets raised."""

    card_id: str
    case_id: str | None
    suspect: str
    against: str
    only_in: str
    at: datetime
    km: float
    elapsed_s: float
    countries: tuple[str, str]


class Changes(msgspec.Struct, frozen=True):
    """What another rule set would have done: cases won and lost, false alerts won and lost."""

    score: Score
    both: int
    only_live: int
    only_against: int
    cases_only_live: list[str]
    cases_only_against: list[str]
    false_only_live: int
    false_only_against: int
    alerts: list[Change]


class Outcome(msgspec.Struct, kw_only=True):
    """The whole of it.

    Attributes:
        live: alerts and reviews together: what the desk has to look at.
        acted_on: alerts alone: for these a card is held, and the customer is written to.
        for_review: reviews alone: tasks, of which the customer hears nothing.
        false_alarms: what the false alerts were in truth, where the history's labels say so.
        delay_alert: from the suspect's own time to its alert, as messages come in.
        delay_case: from a case's first fraudulent payment to its first alert.
        simulated: the labels say what every transaction is in truth, as only a simulation can.
        mistakes: the worst, as ``rules.backtest.mistakes`` has them.
    """

    file: str
    ruleset: str
    against: str | None
    rows: int
    refused: dict[str, int]
    cards: int
    days: float
    first: datetime | None
    last: datetime | None
    labelled: bool
    cases: int
    cases_visible: int
    frauds: int
    live: Score
    acted_on: Score
    for_review: Score
    reviews: int
    withdrawn: int
    counts: dict[str, int]
    curve: list[CurvePoint]
    others: dict[str, dict[str, Score]]
    kinds: list[KindRow]
    pairs: list[PairRow]
    daily: list[DayRow]
    arcs: list[Arc]
    delay_alert: Quantiles
    delay_case: Quantiles
    false_alarms: dict[str, int]
    changes: Changes | None
    mistakes: list[Any]
    simulated: bool = False
    elapsed_s: float = 0.0
    peak_mb: float = 0.0


def outcome(
    parts: Sequence[Part],
    factors: Mapping[float, Tally],
    truth: Truth,
    *,
    file: str,
    ruleset: str,
    against: str | None,
) -> Outcome:
    """Adds the partitions up.

    Args:
        parts: each partition's.
        factors: tallies by factor of the thresholds, over every partition.
        truth: what was fraud.
        file: the history's name.
        ruleset: the live version's name.
        against: the other version's name.
    """
    told = [each for part in parts for each in part.told[LIVE]]
    cards = sum(part.cards for part in parts)
    first, last = min(part.first_us for part in parts), max(part.last_us for part in parts)
    days = max(1.0, (last - first) / _DAY_US) if cards else 1.0

    def scored(counted: Tally) -> Score:
        return score(counted, truth, cards=cards, days=days)

    others: dict[str, dict[str, Tally]] = {}
    for part in parts:
        for feed, group in part.others.items():
            for name, counted in group.items():
                others.setdefault(feed, {}).setdefault(name, Tally()).add(counted)
    found = _first_alerts(told, truth)
    return Outcome(
        file=file,
        ruleset=ruleset,
        against=against,
        rows=sum(part.rows for part in parts),
        refused=dict(sum((part.refused for part in parts), Counter[str]())),
        cards=cards,
        days=days,
        first=_moment(first) if cards else None,
        last=_moment(last) if cards else None,
        labelled=truth.known,
        cases=len(truth.cases),
        cases_visible=len(truth.visible),
        frauds=len(truth.case_of),
        live=scored(tally(map(as_raised, told), truth)),
        acted_on=scored(tally((as_raised(each) for each in told if each.verdict == "alert"), truth)),
        for_review=scored(tally((as_raised(each) for each in told if each.verdict == "review"), truth)),
        reviews=sum(each.verdict == "review" for each in told),
        withdrawn=sum(each.withdrawn for each in told),
        counts=dict(sum((part.counts for part in parts), Counter[str]())),
        curve=[CurvePoint(factor, scored(counted)) for factor, counted in sorted(factors.items())],
        others={
            feed: {name: scored(counted) for name, counted in group.items()} for feed, group in sorted(others.items())
        },
        kinds=_kinds(truth, found),
        pairs=_pairs(told, truth),
        daily=_daily(told, truth),
        arcs=_arcs(told, truth),
        delay_alert=_quantiles([(each.raised_us - each.at_us) / 1e6 for each in told]),
        delay_case=_quantiles([(at - truth.cases[case].first_us) / 1e6 for case, at in found.items()]),
        false_alarms={},
        changes=_changes(parts, truth, scored) if against is not None else None,
        mistakes=[],
    )


def is_true(told: Told, truth: Truth) -> bool:
    """Whether the alert cites a fraudulent payment, on either side."""
    return told.suspect in truth.case_of or told.against in truth.case_of


def _first_alerts(told: Iterable[Told], truth: Truth) -> dict[str, int]:
    """By case when its first alert was raised."""
    found: dict[str, int] = {}
    for each in told:
        for name in (each.suspect, each.against):
            case = truth.case_of.get(name)
            if case is not None:
                found[case] = min(found.get(case, each.raised_us), each.raised_us)
    return found


def _kinds(truth: Truth, found: Mapping[str, int]) -> list[KindRow]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for case in truth.cases.values():
        groups.setdefault((case.kind, case.reach, case.pattern), []).append(case.case_id)
    return [
        KindRow(
            *kind,
            recall=share(sum(case in found for case in cases), len(cases)),
            delay=_quantiles([(found[case] - truth.cases[case].first_us) / 1e6 for case in cases if case in found]),
        )
        for kind, cases in sorted(groups.items())
    ]


def _pairs(told: Iterable[Told], truth: Truth) -> list[PairRow]:
    counts: dict[tuple[str, str], list[int]] = {}
    for each in told:
        one, other = sorted((each.country, each.against_country))
        counts.setdefault((one, other), [0, 0])[0 if is_true(each, truth) else 1] += 1
    most = sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0]))[:_MOST_PAIRS]
    return [PairRow(one, other, true, false) for (one, other), (true, false) in most]


def _daily(told: Iterable[Told], truth: Truth) -> list[DayRow]:
    counts: dict[int, list[int]] = {}
    for each in told:
        counts.setdefault(each.at_us // _DAY_US, [0, 0])[0 if is_true(each, truth) else 1] += 1
    if not counts:
        return []
    return [
        DayRow(f"{_moment(day * _DAY_US):%Y-%m-%d}", *counts.get(day, (0, 0)))
        for day in range(min(counts), max(counts) + 1)
    ]


def _arcs(told: Sequence[Told], truth: Truth) -> list[Arc]:
    """Some of the alerts, evenly out of all of them."""
    ordered = sorted(told, key=lambda each: (each.at_us, each.card_id))
    step = max(1, -(-len(ordered) // _MOST_ARCS))
    return [
        Arc(
            round(each.against_lat, 2),
            round(each.against_lon, 2),
            round(each.lat, 2),
            round(each.lon, 2),
            is_true(each, truth),
        )
        for each in ordered[::step]
    ]


def _changes(parts: Sequence[Part], truth: Truth, scored: Any) -> Changes:
    live = {(each.card_id, each.suspect): each for part in parts for each in part.told[LIVE]}
    other = {(each.card_id, each.suspect): each for part in parts for each in part.told[AGAINST]}
    lost = [each for key, each in live.items() if key not in other]
    won = [each for key, each in other.items() if key not in live]
    found, other_found = _first_alerts(live.values(), truth), _first_alerts(other.values(), truth)
    told = [(LIVE, each) for each in lost] + [(AGAINST, each) for each in won]
    told.sort(key=lambda item: (not is_true(item[1], truth), item[1].at_us))
    return Changes(
        score=scored(tally(map(as_raised, other.values()), truth)),
        both=len(live) - len(lost),
        only_live=len(lost),
        only_against=len(won),
        cases_only_live=sorted(found.keys() - other_found.keys()),
        cases_only_against=sorted(other_found.keys() - found.keys()),
        false_only_live=sum(not is_true(each, truth) for each in lost),
        false_only_against=sum(not is_true(each, truth) for each in won),
        alerts=[
            Change(
                card_id=each.card_id,
                case_id=truth.case_of.get(each.suspect) or truth.case_of.get(each.against),
                suspect=each.suspect,
                against=each.against,
                only_in=which,
                at=_moment(each.at_us),
                km=round(each.km, 1),
                elapsed_s=each.elapsed_s,
                countries=(each.against_country, each.country),
            )
            for which, each in told[:_MOST_CHANGES]
        ],
    )


def _quantiles(values: Sequence[float]) -> Quantiles:
    if not values:
        return Quantiles(0, None, None, None)
    ordered = sorted(values)
    p50, p90, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.9, 0.99))
    return Quantiles(len(ordered), p50, p90, p99)


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, UTC)
