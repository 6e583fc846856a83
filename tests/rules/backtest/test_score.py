"""Precision and recall are counted as a bank would count them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.backtest.score import Raised, Tally, score, share, tally
from rules.backtest.truth import CASE_GAP_US, FraudRow, Truth, cases_from

HOUR_US = 3_600_000_000


def fraud(name: str, card: str, hours: float, *, present: bool = True) -> FraudRow:
    return FraudRow(name, card, int(hours * HOUR_US), present, 1_000)


def raised(card: str, suspect: str, against: str, hours: float) -> Raised:
    return Raised(card, suspect, against, int(hours * HOUR_US))


def truth() -> Truth:
    return cases_from(
        [fraud("f1", "a", 10), fraud("f2", "a", 11), fraud("g1", "b", 5), fraud("n1", "c", 5, present=False)]
    )


def test_wilsons_interval_is_the_one_of_the_books() -> None:
    found = share(8, 10)
    assert (found.value, round(found.low, 4), round(found.high, 4)) == (0.8, 0.4902, 0.9433)


def test_a_share_of_nothing_has_no_value_and_knows_nothing() -> None:
    found = share(0, 0)
    assert (found.value, found.low, found.high) == (None, 0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_the_share(hits: int, more: int) -> None:
    found = share(hits, hits + more)
    assert found.value is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_payments_of_one_card_within_three_days_are_one_case() -> None:
    gap_h = CASE_GAP_US / HOUR_US
    found = cases_from([fraud("x", "a", 0), fraud("y", "a", gap_h), fraud("z", "a", 2 * gap_h + 1), fraud("w", "b", 1)])
    assert sorted(case.payments for case in found.cases.values()) == [1, 1, 2]
    assert found.case_of["x"] == found.case_of["y"] != found.case_of["z"]


def test_fraud_without_the_card_cannot_be_seen_and_does_not_count_for_recall() -> None:
    known = truth()
    assert {case.kind for case in known.cases.values()} == {"card_present", "card_absent"}
    assert len(known.visible) == 2


def test_an_alert_is_true_if_either_side_is_fraud() -> None:
    counted = tally(
        [raised("a", "f1", "own", 10), raised("b", "own2", "g1", 6), raised("d", "own3", "own4", 1)], truth()
    )
    assert (counted.alerts, counted.alerts_true) == (3, 2)
    assert (counted.cases_true, counted.cases_false) == (2, 1)
    assert (counted.cards_true, counted.cards_false) == (2, 1)


def test_alerts_of_a_card_within_three_days_are_one_case() -> None:
    alerts = [raised("d", "x", "y", 0), raised("d", "z", "y", 50), raised("d", "w", "y", 150)]
    counted = tally(alerts, truth())
    assert (counted.alerts, counted.cases_false, counted.cards_false) == (3, 2, 1)


def test_two_payments_of_one_thief_find_the_case_by_luck() -> None:
    lucky = tally([raised("a", "f2", "f1", 11)], truth())
    assert len(lucky.found) == 1
    assert lucky.opposed == set()
    assert len(tally([raised("a", "f2", "own", 11)], truth()).opposed) == 1


def test_the_figures_follow_from_the_counts() -> None:
    known = truth()
    counted = tally([raised("a", "f1", "own", 10), raised("d", "own3", "own4", 1)], known)
    found = score(counted, known, cards=2_000, days=2)
    assert found.precision_case.value == 0.5
    assert found.recall_case.value == 0.5
    assert found.recall_card.value == 0.5
    assert found.alerts_per_1000_cards_a_day == 0.5
    assert found.false_per_true == 1.0


def test_without_a_true_case_there_is_no_ratio() -> None:
    assert score(Tally(alerts=1, cases_false=1), truth(), cards=1, days=1).false_per_true is None


def test_partitions_add_up() -> None:
    known = truth()
    one, other = tally([raised("a", "f1", "own", 10)], known), tally([raised("b", "x", "y", 5)], known)
    whole = tally([raised("a", "f1", "own", 10), raised("b", "x", "y", 5)], known)
    one.add(other)
    assert one == whole


@pytest.mark.parametrize("empty", [[], ()])
def test_no_alerts_count_nothing(empty: list[Raised]) -> None:
    assert tally(empty, truth()) == Tally()
