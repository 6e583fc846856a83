"""Others' rules do what they say, with the weaknesses that they have."""

import pytest

from rules.backtest.strategies import STRATEGIES, Seen

PARIS = (48.8606, 2.3376)
LONDON = (51.5074, -0.1278)
PHNOM_PENH = (11.5564, 104.9282)
NEXT_STREET = (48.8616, 2.3386)
NEXT_QUARTER = (48.8716, 2.3476)
MINUTE_US = 60_000_000


def alarms(rule: str, *events: tuple[float, tuple[float, float]], radius_km: float = 0.0) -> list[bool]:
    strategy = STRATEGIES[rule]()
    return [
        strategy.observe(Seen(round(minutes * MINUTE_US), f"t{number}", *point, radius_km)) is not None
        for number, (minutes, point) in enumerate(events)
    ]


@pytest.mark.parametrize("rule", sorted(STRATEGIES))
def test_phnom_penh_to_paris_in_nine_minutes_alarms_everybody(rule: str) -> None:
    assert alarms(rule, (0, PHNOM_PENH), (9, PARIS)) == [False, True]


@pytest.mark.parametrize("rule", sorted(STRATEGIES))
def test_one_place_alarms_nobody(rule: str) -> None:
    assert alarms(rule, (0, PARIS), (5, PARIS), (300, PARIS)) == [False, False, False]


@pytest.mark.parametrize("rule", sorted(STRATEGIES))
def test_a_day_and_a_half_is_enough_for_everybody(rule: str) -> None:
    assert alarms(rule, (0, PHNOM_PENH), (36 * 60, PARIS)) == [False, False]


def test_elastic_looks_no_further_back_than_ninety_minutes() -> None:
    assert alarms("Elastic", (0, PHNOM_PENH), (90, PARIS)) == [False, True]
    assert alarms("Elastic", (0, PHNOM_PENH), (91, PARIS)) == [False, False]


def test_elastic_knows_no_journey_below_five_hundred_kilometres() -> None:
    assert alarms("Elastic", (0, LONDON), (1, PARIS)) == [False, False]
    assert alarms("Elastic", (0, PHNOM_PENH), (1, PARIS)) == [False, True]


def test_elastic_says_nothing_within_the_minute() -> None:
    assert alarms("Elastic", (0, PHNOM_PENH), (0.9, PARIS)) == [False, False]


def test_panther_is_mute_at_a_late_event_and_anchored_by_it() -> None:
    assert alarms("Panther", (600, PARIS), (0, PHNOM_PENH), (601, PARIS)) == [False, False, True]


def test_panther_forgets_after_a_day() -> None:
    assert alarms("Panther", (0, PHNOM_PENH), (24 * 60 + 1, PARIS)) == [False, False]


def test_neighbouring_shops_alarm_splunk_but_not_egnyte_with_radii() -> None:
    three_seconds = 3 / 60
    assert alarms("Splunk", (0, PARIS), (three_seconds, NEXT_QUARTER)) == [False, True]
    assert alarms("Egnyte", (0, PARIS), (three_seconds, NEXT_QUARTER), radius_km=0.8) == [False, False]


def test_splunk_takes_no_time_for_a_second() -> None:
    assert alarms("Splunk", (0, PHNOM_PENH), (0, PARIS)) == [False, True]
    assert alarms("Splunk", (0, PARIS), (0, NEXT_STREET)) == [False, False]


def test_splunk_keeps_its_anchor_at_a_late_event() -> None:
    assert alarms("Splunk", (600, PARIS), (590, PHNOM_PENH), (601, PARIS)) == [False, True, False]


def test_okta_is_calm_where_the_card_was_before() -> None:
    assert alarms("Okta", (0, PARIS), (9, PHNOM_PENH), (18, PARIS)) == [False, True, False]


def test_ksqldb_alarms_at_the_next_machine_and_misses_the_eleventh_minute() -> None:
    assert alarms("ksqlDB", (0, PARIS), (3, NEXT_STREET)) == [False, True]
    assert alarms("ksqlDB", (0, PHNOM_PENH), (11, PARIS)) == [False, False]
