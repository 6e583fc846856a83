"""The report: one page of HTML that needs nothing beside it, in light and dark, for a screen and for paper."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from rules.backtest import charts
from rules.backtest.judging import AGAINST, AS_PUBLISHED, LIVE, OUR_SIGHTINGS
from rules.backtest.outcome import Outcome
from rules.backtest.scatter import precision_recall
from rules.backtest.score import Share
from rules.map import JourneyMap, Place, draw
from rules.ruleset import RuleSet
from rules.ruleset_text import differences
from rules.simulate.assumptions import Assumptions


def page(found: Outcome, rulesets: Mapping[str, RuleSet]) -> str:
    """The page.

    Args:
        found: what a backtest found.
        rulesets: ``live``, and ``against`` if there was one; their thresholds are shown.
    """
    ours, published = found.others.get(OUR_SIGHTINGS, {}), found.others.get(AS_PUBLISHED, {})
    rendered: str = _template().render(
        found=found,
        ours=ours,
        published=published,
        rulesets=rulesets,
        differences=differences(rulesets[LIVE], rulesets[AGAINST]) if AGAINST in rulesets else [],
        charts=charts,
        precision_recall=precision_recall,
        kinds=[row for row in found.kinds if row.kind != "card_absent"],
        absent=[row for row in found.kinds if row.kind == "card_absent"],
        journey_map=_journey_map,
        percent=_percent,
        interval=_interval,
        span=charts.time_span,
        assumed=_assumed(),
    )
    return rendered


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((files("rules.backtest") / "report.html.j2").read_text(encoding="utf-8"))


def _journey_map(evidence: Mapping[str, Any]) -> JourneyMap:
    against, suspect = evidence["against"], evidence["suspect"]
    return draw(*(Place(lat=each["lat"], lon=each["lon"], name=each["place"]) for each in (against, suspect)))


def _assumed() -> dict[str, dict[str, float]]:
    """The simulation's assumptions by chapter, for who wants to know what the figures rest on."""
    every = Assumptions()
    return {
        chapter.name: {each.name: getattr(part, each.name) for each in fields(part)}
        for chapter, part in ((chapter, getattr(every, chapter.name)) for chapter in fields(every))
    }


def _percent(share: Share) -> str:
    return "–" if share.value is None else f"{share.value:.1%}"  # noqa: RUF001 - a dash for none


def _interval(share: Share) -> str:
    return f"{share.low:.1%} to {share.high:.1%}" if share.of else "nothing to measure"
