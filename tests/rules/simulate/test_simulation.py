"""A block of simulated cards: reproducible, valid, and true to what it says of itself."""

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from rules.simulate.payments import ABSENT, ATM, ECOMMERCE, PRESENT
from rules.simulate.rows import TRUTH, Rows, frame_of, labels_of
from rules.simulate.simulation import CaseTruth, Plan, simulate_block
from rules.transaction import decode

PLAN = Plan(cards=5_000, days=20, seed=11)


@cache
def block(number: int = 0) -> tuple[Rows, list[CaseTruth]]:
    return simulate_block(PLAN, number)


def as_told(rows: Rows) -> pl.DataFrame:
    return frame_of(rows, PLAN.world, np.zeros(len(rows), dtype=np.int64))


def truths(rows: Rows) -> Counter[str]:
    return Counter(TRUTH.names[code] for code in rows["truth"])


def genuine_plastic(rows: Rows) -> Any:
    fraud = rows["case"] > 0
    return ~fraud & (rows["channel"] != ABSENT) & ~rows["wallet"] & (rows["repeat_of"] == 0)


def test_the_same_seed_gives_the_same_bytes() -> None:
    again, cases = simulate_block(PLAN, 1)
    assert again.tobytes() == block(1)[0].tobytes()
    assert cases == block(1)[1]


def test_another_seed_and_another_block_give_others() -> None:
    one, other = (simulate_block(Plan(cards=300, days=5, seed=seed), 0)[0] for seed in (1, 2))
    assert one.tobytes() != other.tobytes()
    assert block(1)[0].tobytes() != block()[0].tobytes()


def test_the_last_block_holds_the_cards_that_are_left() -> None:
    rows, _ = block(1)
    cards = set(zip(rows["customer"].tolist(), rows["card"].tolist(), strict=True))
    assert PLAN.blocks == 2
    assert 950 <= len(cards) <= 1_000  # a card or two pay nothing


def test_there_is_no_block_beyond_the_last() -> None:
    with pytest.raises(ValueError, match="block 2 of 2"):
        simulate_block(PLAN, 2)


def test_rows_come_in_the_order_in_which_the_bank_hears_of_them() -> None:
    rows, _ = block()
    assert (np.diff(rows["arrived_ms"]) >= 0).all()
    assert not (np.diff(rows["at_ms"]) >= 0).all()


def test_every_row_is_a_transaction_of_the_contract() -> None:
    lines = as_told(block()[0][:10_000]).select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
    read = [decode(line.encode()) for line in lines]
    assert {each.channel for each in read} == {"card_present", "card_not_present", "atm"}
    assert {each.type for each in read} >= {"purchase", "withdrawal", "refund", "reversal", "recurring", "advice"}
    assert {each.instrument for each in read} == {"plastic", "wallet"}


def test_an_id_comes_twice_only_with_the_same_content() -> None:
    rows, _ = block()
    told = as_told(rows)
    twice = told.filter(pl.col("transaction_id").is_duplicated())
    assert 0 < len(twice) < len(told) / 200
    assert twice.unique().height == twice["transaction_id"].n_unique()


def test_a_repeat_names_its_original() -> None:
    told = as_told(block()[0])
    repeats = told.filter(pl.col("repeat_of").is_not_null())
    assert len(repeats) > 0
    assert set(repeats["repeat_of"]) <= set(told["transaction_id"])
    assert (repeats["type"] == "advice").all()


def test_about_three_hundred_cards_in_four_hundred_thousand_payments_are_compromised() -> None:
    rows, cases = block()
    expected = len(rows) * 300 / 400_000
    assert abs(len(cases) - expected) < 4 * expected**0.5
    assert len({case.card_id for case in cases}) == len(cases)
    assert 0.001 < (rows["case"] > 0).mean() < 0.005


def test_the_labels_are_those_of_the_cases() -> None:
    rows, cases = block()
    labels = labels_of(rows, np.zeros(len(rows), dtype=np.int64)).filter("fraud")
    assert set(labels["case_id"]) == {case.case_id for case in cases}
    assert set(labels["card_id"]) == {case.card_id for case in cases}
    assert sum(case.payments for case in cases) == len(labels)
    assert labels["truth"].str.starts_with("fraud: ").all()


def test_card_absent_fraud_is_never_where_a_card_is_read() -> None:
    rows, _ = block()
    absent = rows[rows["truth"] == TRUTH.code("fraud: card-absent")]
    assert len(absent) > 0
    assert (absent["channel"] == ABSENT).all()
    assert (absent["entry"] == ECOMMERCE).all()
    others = rows[np.isin(rows["truth"], [TRUTH.code("fraud: counterfeit"), TRUTH.code("fraud: stolen")])]
    assert np.isin(others["channel"], (PRESENT, ATM)).all()


def test_who_is_robbed_pays_no_more_with_the_plastic() -> None:
    rows, cases = block()
    stolen = [case for case in cases if case.kind == "stolen"]
    assert stolen
    told = as_told(rows)
    for case in stolen:
        first = rows["true_s"][(told["card_id"] == case.card_id).to_numpy() & (rows["case"] > 0)].min()
        own = rows[(told["card_id"] == case.card_id).to_numpy() & genuine_plastic(rows) & (rows["channel"] == PRESENT)]
        shops = own[own["truth"] < TRUTH.code("airport")]
        assert (shops["true_s"] <= first).all(), case


def test_nobody_is_in_two_places_at_once() -> None:
    """By the truth, cities and times of one card's own payments on firm ground: nobody is faster than an aircraft."""
    rows, _ = block()
    elsewhere = ("in flight", "on the train", "aboard a ship", "phone and plastic apart", "registered elsewhere")
    own = rows[genuine_plastic(rows) & ~np.isin(rows["truth"], [TRUTH.code(name) for name in elsewhere])]
    own = own[~np.isin(own["type"], (2, 3))]  # refunds and reversals come without the customer
    own = own[np.lexsort((own["true_s"], own["card"], own["customer"]))]
    same = (own["customer"][1:] == own["customer"][:-1]) & (own["card"][1:] == own["card"][:-1])
    km = PLAN.world.km(own["country_of"][1:], own["country_of"][:-1])
    far = same & (km > 100)
    speed = km[far] / np.maximum(np.diff(own["true_s"])[far] / 3600, 1e-3)
    assert far.sum() > 500
    assert speed.max() < 1_000


def test_nobody_pays_in_two_shops_at_once() -> None:
    rows, _ = block()
    firm = genuine_plastic(rows) & (rows["truth"] < TRUTH.code("airport")) & (rows["type"] < 2)
    own = rows[firm][np.lexsort((rows["true_s"][firm], rows["card"][firm], rows["customer"][firm]))]
    same = (own["customer"][1:] == own["customer"][:-1]) & (own["card"][1:] == own["card"][:-1])
    same &= own["country_of"][1:] == own["country_of"][:-1]
    assert np.diff(own["true_s"])[same].min() >= 70


def test_a_stolen_card_travels_as_its_thief_does() -> None:
    rows, cases = block()
    told = as_told(rows)
    for case in (each for each in cases if each.kind == "stolen" and each.reach != "same_city"):
        mine = rows[(told["card_id"] == case.card_id).to_numpy()]
        mine = mine[np.argsort(mine["true_s"])]
        first = int(np.flatnonzero(mine["case"] > 0)[0])
        before = mine[:first][(mine[:first]["channel"] != ABSENT) & ~mine[:first]["wallet"]]
        if len(before):
            km = PLAN.world.km(mine["country_of"][first : first + 1], before["country_of"][-1:])[0]
            assert km / ((mine["true_s"][first] - before["true_s"][-1]) / 3600) < 900, case


def test_each_way_to_go_wrong_happens() -> None:
    rows = np.concatenate([block(0)[0], block(1)[0]])
    assert set(truths(rows)) == set(TRUTH.names)


def test_late_messages_come_up_to_a_week_late() -> None:
    rows, _ = block()
    late_h = (rows["arrived_ms"] - rows["at_ms"]) / 3_600_000
    assert 0 < (late_h > 1).mean() < 0.1
    assert late_h.max() < 24 * 10
    assert np.median(late_h) < 0.01


def test_points_are_missing_spelt_and_misplaced() -> None:
    told = as_told(block()[0])
    shops = told.filter(pl.col("channel") == "card_present")
    assert 0.1 < shops["location"].is_null().mean() < 0.25  # type: ignore[operator] # a mean of booleans is a number
    cities = shops["merchant"].struct.field("city")
    assert 0.01 < cities.is_null().mean() < 0.08  # type: ignore[operator]
    assert (cities == cities.str.to_uppercase()).sum() > 0
    assert (shops["location"].struct.field("lat") == 0).sum() > 0
