"""A partition through the production core, under several rule sets, with others' rules beside it."""

from datetime import timedelta
from typing import Any

from rules.backtest.judging import (
    AS_PUBLISHED,
    FACTORS,
    LIVE,
    OUR_SIGHTINGS,
    judge_factors,
    judge_partition,
    scaled,
)
from rules.backtest.truth import FraudRow, Truth, cases_from
from rules.ruleset import LIVE as RULES
from tests.rules.payments import STAMP, TEN, hours, minutes, payment

STAMP_MS = int(STAMP.timestamp() * 1000)
STORY = [
    payment("a", "Phnom Penh", arrived_at=TEN.isoformat()),
    payment("b", "Paris", TEN + minutes(12), arrived_at=(TEN + minutes(13)).isoformat()),
    payment("c", "Phnom Penh", TEN + minutes(20)),
]


def truth_of(*names: str) -> Truth:
    at_us = int((TEN + minutes(12)).timestamp() * 1_000_000)
    return cases_from([FraudRow(name, "card-sokha-visa", at_us, present=True, cents=100) for name in names])


def judged(rows: list[bytes], truth: Truth | None = None, **options: Any) -> Any:
    rulesets = options.pop("rulesets", {LIVE: RULES})
    return judge_partition(enumerate(rows), rulesets, truth or truth_of("b"), stamp_ms=STAMP_MS, **options)


def test_an_alert_says_where_when_and_when_it_was_raised() -> None:
    part = judged(STORY)
    (told,) = part.told[LIVE]
    assert (told.suspect, told.against, told.country, told.against_country) == ("b", "a", "FR", "KH")
    assert told.raised_us - told.at_us == 60_000_000
    assert round(told.elapsed_s) == 720
    assert (part.rows, part.cards) == (3, 1)


def test_without_an_arrival_the_watermark_is_the_time_of_the_alert() -> None:
    (told,) = judged([payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(12))]).told[LIVE]
    assert told.raised_us == told.at_us


def test_refused_rows_are_counted_with_their_reason() -> None:
    part = judged([b"{", *STORY, payment("z", "Paris", STAMP + timedelta(days=2))])
    assert part.refused == {"not_json": 1, "ahead_of_its_time: occurred_at": 1}
    assert part.rows == 5


def test_a_withdrawn_alert_is_kept_as_withdrawn() -> None:
    rows = [
        payment("late", "Paris", TEN + hours(20)),
        payment("early", "Phnom Penh", TEN + hours(19)),
        payment("first", "Paris", TEN),
        payment("again", "Phnom Penh", TEN + hours(19), transaction_id="late"),
    ]
    part = judged(rows[:2])
    assert [told.withdrawn for told in part.told[LIVE]] == [False]
    assert any(told.withdrawn for told in judged(rows).told[LIVE])


def test_others_see_what_ours_sees_or_every_point() -> None:
    online = payment(
        "online", "Paris", TEN + minutes(5), card_id="other", channel="card_not_present", entry_mode="ecommerce"
    )
    rows = [payment("home", "Phnom Penh", card_id="other"), online, *STORY]
    part = judged(rows)
    assert set(part.others) == {AS_PUBLISHED, OUR_SIGHTINGS}
    assert part.others[OUR_SIGHTINGS]["Panther"].cards_false == 0
    assert part.others[AS_PUBLISHED]["Panther"].cards_false == 1
    assert part.others[OUR_SIGHTINGS]["Panther"].cards_true == 1


def test_what_is_sold_aboard_or_nowhere_is_no_sighting_for_others_either() -> None:
    aboard = payment("air", "Paris", TEN + minutes(5), merchant={"name": "Blue Sky Airways In-Flight", "mcc": "4511"})
    nowhere = payment("nowhere", None, TEN + minutes(6))
    part = judged([STORY[0], aboard, nowhere])
    assert part.others[OUR_SIGHTINGS]["Splunk"].alerts == 0
    assert part.others[AS_PUBLISHED]["Splunk"].alerts == 1


def test_without_comparison_there_are_neither_others_nor_flagged_cards() -> None:
    part = judged(STORY, compare=False)
    assert (part.others, part.flagged) == ({}, set())
    assert len(part.told[LIVE]) == 1


def test_two_rule_sets_run_side_by_side() -> None:
    rows = [payment("a", "Paris"), payment("b", "London", TEN + minutes(100))]
    part = judged(rows, rulesets={LIVE: RULES, "against": scaled(RULES, 2.0)})
    assert len(part.told[LIVE]) == 0
    assert len(part.told["against"]) == 1


def test_a_card_that_does_not_alarm_under_the_loosest_thresholds_alarms_under_none() -> None:
    rows = [
        *STORY,
        payment("x", "Paris", card_id="calm"),
        payment("y", "London", TEN + hours(9), card_id="calm"),
        payment("p", "Paris", card_id="quick"),
        payment("q", "London", TEN + minutes(100), card_id="quick"),
    ]
    part = judged(rows)
    assert part.flagged == {"card-sokha-visa", "quick"}
    tallies = judge_factors([(0, b"{"), *enumerate(rows, 1)], RULES, truth_of("b"), stamp_ms=STAMP_MS)
    assert list(tallies) == list(FACTORS)
    assert [tally.cards_false for tally in tallies.values()] == [0, 0, 0, 0, 0, 0, 0, 1]
    assert all(tally.cards_true == 1 for tally in tallies.values())


def test_a_factor_lengthens_every_journey() -> None:
    twice = scaled(RULES, 2.0)
    for slow, usual in zip(twice.means, RULES.means, strict=True):
        assert slow.overhead_s == usual.overhead_s * 2
        assert slow.speed_kmh == usual.speed_kmh / 2
