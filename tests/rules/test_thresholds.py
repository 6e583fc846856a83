"""A rule set is data that somebody edits: what cannot be meant is refused, with what to do about it."""

from typing import Any

import msgspec
import pytest

from rules.ruleset import LIVE, RuleSet
from rules.thresholds import MEANS, THRESHOLDS, UnusableRuleSet, checked

CARRIER = {"kind": "tram", "categories": ["4111"], "aboard": ["tram"], "ashore": [], "reason": "It moves."}
MEANS_DATA = {"name": "bus", "overhead_s": 60, "speed_kmh": 90}


def data(**changes: Any) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(LIVE)
    return {name: value for name, value in (built | changes).items() if value is not None}


def problems(given: Any) -> list[str]:
    with pytest.raises(UnusableRuleSet) as caught:
        checked(given)
    assert str(caught.value).count("\n") == len(caught.value.problems)
    return [str(each) for each in caught.value.problems]


def test_every_threshold_of_a_rule_set_is_named_with_unit_and_bounds_and_the_defaults_are_within() -> None:
    named = {each.name for each in THRESHOLDS} | {"version", "means", "in_transit"}
    assert named == set(RuleSet.__struct_fields__)
    assert all(each.unit and each.meaning and each.least < each.most for each in (*THRESHOLDS, *MEANS))
    assert checked(data()) == LIVE


def test_what_is_left_out_has_its_default() -> None:
    least = {"version": "2026.2", "means": [MEANS_DATA]}
    assert checked(least).floor_km == LIVE.floor_km
    assert checked(least).in_transit == LIVE.in_transit
    assert checked(least | {"in_transit": []}).in_transit == ()
    assert checked(least | {"in_transit": [CARRIER]}).in_transit[0].kind == "tram"


def test_a_whole_number_will_do_for_a_number() -> None:
    assert checked(data(floor_km=60)).floor_km == 60


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": None}, "version: it is missing"),
        ({"version": "live"}, "version: `live` is no version"),
        ({"version": "a b"}, "version: it must be text of 1 to 40"),
        ({"version": 2026}, "version: it must be text"),
        ({"flor_km": 50}, "flor_km: there is no such threshold; is `floor_km` meant?"),
        ({"zzz": 50}, "zzz: there is no such threshold; known are version,"),
        ({"floor_km": 0.5}, "floor_km: 0.5 is outside of 1 to 1,000 km"),
        ({"floor_km": 10**400}, "is outside of 1 to 1,000 km"),
        ({"floor_km": float("nan")}, "floor_km: nan is outside of"),
        ({"floor_km": "50"}, "floor_km: it must be a number of km, and is '50'"),
        ({"floor_km": True}, "floor_km: it must be a number of km, and is True"),
        ({"slots": 1.5}, "slots: it must be a whole number of slots, and is 1.5"),
        ({"slot_degrees": 0.5}, "slot_degrees: two payments in one slot may be 78.6 km apart"),
        ({"late_s": 4 * 86_400}, "late_s: 345600 s is beyond the memory (memory_s is 259200 s)"),
        ({"most_sightings": 8}, "most_sightings: 8 is less than slots (16)"),
        ({"means": None}, "means: there must be at least 1, each under its own [[means]]"),
        ({"means": []}, "means: there must be at least 1"),
        ({"means": ["car"]}, "means 1: it must be a table: [[means]]"),
        ({"means": [MEANS_DATA, MEANS_DATA]}, "means: `bus` stands there twice"),
        ({"means": [{"name": "bus", "speed_kmh": 90}]}, "means 1, overhead_s: it is missing; say it in s"),
        ({"means": [MEANS_DATA | {"speed_kmh": 0}]}, "means 1, speed_kmh: 0 is outside of 10 to 2,000 km/h"),
        ({"means": [MEANS_DATA | {"name": " "}]}, "means 1, name: it must be a text"),
        ({"means": [MEANS_DATA | {"reason": "two\nlines"}]}, "means 1, reason: it must be one line"),
        ({"means": [MEANS_DATA | {"fare": 3}]}, "means 1, fare: there is no such threshold"),
        ({"in_transit": "tram"}, "in_transit: there must be at least 0"),
        ({"in_transit": [CARRIER, CARRIER]}, "in_transit: `tram` stands there twice"),
        ({"in_transit": [CARRIER | {"aboard": []}]}, "in_transit 1, aboard: it must not be empty"),
        ({"in_transit": [CARRIER | {"aboard": [3]}]}, "in_transit 1, aboard: it must be a list of texts"),
        ({"in_transit": [CARRIER | {"categories": ["41"]}]}, "in_transit 1, categories: '41' is neither a category"),
        ({"in_transit": [CARRIER | {"categories": ["4200-4100"]}]}, "'4200-4100' is neither a category"),
    ],
)
def test_what_cannot_be_meant_is_named_with_what_to_do(changes: dict[str, Any], said: str) -> None:
    assert any(said in each for each in problems(data(**changes)))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(problems(data(version="live", floor_km=0, slots=0, means=[]))) == 4


def test_what_is_no_table_is_refused() -> None:
    assert problems([1]) == ["the file: it holds no table of thresholds"]
