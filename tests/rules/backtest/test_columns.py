"""A bank's own columns become the contract's: two public layouts, and what a map can say."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rules.backtest.columns import UnusableMapError, as_contract, preset, read_map
from rules.transaction import Transaction, decode

SPARKOV = {
    "trans_date_trans_time": ["2019-01-01 00:00:18", "2019-03-10 02:30:00"],
    "cc_num": ["2703186189652095", "2703186189652095"],
    "merchant": ["fraud_Rippin, Kub and Mann", "fraud_Heller"],
    "category": ["misc_net", "gas_transport"],
    "amt": ["4.97", "107.23"],
    "trans_num": ["0b242abb", "1f76529f"],
    "merch_lat": ["36.011293", "49.159047"],
    "merch_long": ["-82.048315", "-118.186462"],
    "is_fraud": ["0", "1"],
}
TABFORMER = {
    "User": ["0", "0", "0"],
    "Card": ["0", "0", "1"],
    "Year": ["2002", "2002", "2002"],
    "Month": ["9", "9", "9"],
    "Day": ["1", "1", "2"],
    "Time": ["06:21", "06:42", "09:00"],
    "Amount": ["$134.09", "$-38.48", "$12.00"],
    "Use Chip": ["Swipe Transaction", "Chip Transaction", "Online Transaction"],
    "Merchant Name": ["3527213246127876953", "-727612092139916043", "1"],
    "Merchant City": ["La Verne", "Rome", "ONLINE"],
    "Merchant State": ["CA", "Italy", None],
    "MCC": ["5300", "5411", "5815"],
    "Is Fraud?": ["No", "Yes", "No"],
}


def contract(columns: dict[str, Any], name: str | None = None, first: int = 0) -> pl.DataFrame:
    return as_contract(pl.DataFrame(columns), preset(name) if name else None, first)


def decoded(frame: pl.DataFrame) -> list[Transaction]:
    told = frame.drop("fraud") if "fraud" in frame.columns else frame
    lines = told.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
    return [decode(line.encode(), allow_card_numbers=True) for line in lines]


def test_sparkovs_columns_are_read_with_their_zone() -> None:
    frame = contract({name: values[:1] for name, values in SPARKOV.items()}, "sparkov")
    (first,) = decoded(frame)
    assert first.occurred_at == datetime(2019, 1, 1, 5, 0, 18, tzinfo=UTC)
    assert (first.channel, first.entry_mode, first.amount, first.currency) == (
        "card_not_present",
        "ecommerce",
        "4.97",
        "USD",
    )
    assert first.location is not None
    assert (first.location.lat, first.location.lon) == (36.011293, -82.048315)
    assert frame["fraud"].to_list() == [False]


def test_a_local_time_that_does_not_exist_is_none() -> None:
    frame = contract(SPARKOV, "sparkov")
    assert frame["occurred_at"].to_list()[1] is None
    assert frame["fraud"].to_list() == [False, True]


def test_tabformers_columns_are_joined_stripped_and_named() -> None:
    rome = contract(TABFORMER, "tabformer", first=7)
    swipe, chip, online = decoded(rome)
    assert [each.transaction_id for each in (swipe, chip, online)] == ["row-7", "row-8", "row-9"]
    assert [each.card_id for each in (swipe, chip, online)] == ["card-0-0", "card-0-0", "card-0-1"]
    assert (swipe.entry_mode, chip.entry_mode, online.entry_mode) == ("magstripe", "chip", "ecommerce")
    assert chip.amount == "-38.48"
    assert swipe.occurred_at == datetime(2002, 9, 1, 10, 21, tzinfo=UTC)
    assert (swipe.merchant and swipe.merchant.country, chip.merchant and chip.merchant.country) == ("US", "IT")
    assert online.merchant is not None
    assert (online.merchant.city, online.merchant.country) == (None, None)
    assert rome["fraud"].to_list() == [False, True, False]


LEAST = {
    "transaction_id": ["t"],
    "card_id": ["c"],
    "occurred_at": ["2026-01-01T00:00:00Z"],
    "amount": ["1.00"],
    "currency": ["EUR"],
    "channel": ["card_present"],
    "entry_mode": ["chip"],
}


def test_the_contracts_own_columns_need_no_map() -> None:
    flat = LEAST | {
        "merchant.city": ["Paris"],
        "merchant.country": ["FR"],
        "location.lat": ["48.8"],
        "location.lon": ["2.3"],
    }
    (row,) = decoded(contract(flat | {"deferred": ["true"], "type": [None], "repeat_of": ["s"]}))
    assert row.merchant is not None
    assert (row.merchant.city, row.deferred, row.type, row.repeat_of) == ("Paris", True, "purchase", "s")
    assert row.location is not None
    assert row.location.lat == 48.8


def test_points_that_are_no_numbers_are_missing() -> None:
    (row,) = decoded(contract(LEAST | {"location.lat": ["north"], "location.lon": ["2.3"]}))
    assert row.location is None


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_moments_of_a_table_are_told_in_utc(zone: str | None) -> None:
    moment = pl.Series([datetime(2026, 7, 1, 12)]).dt.replace_time_zone(zone)  # noqa: DTZ001 - without a zone is the case
    (row,) = decoded(contract(LEAST | {"occurred_at": moment}))
    assert row.occurred_at.hour == (12 if zone is None else 10)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UnusableMapError, match="no column entry_mode; --map"):
        contract({name: values for name, values in LEAST.items() if name != "entry_mode"})
    with pytest.raises(UnusableMapError, match="no column Amount; it has"):
        contract({name: values for name, values in TABFORMER.items() if name != "Amount"}, "tabformer")
    others = "\n".join(f'{name} = "x"' for name in LEAST if name != "card_id")
    with pytest.raises(UnusableMapError, match="does not say where card_id"):
        read_map(f"[fields]\n{others}")
    with pytest.raises(UnusableMapError, match="no map of columns"):
        read_map("[fields")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"merchnat.city" = "town"', "no field merchnat.city; it has"),
        ('repeat_of = { column = "r", zone = "America/Nu_York" }', "no zone America/Nu_York"),
    ],
)
def test_what_a_map_misspells_is_named_and_not_passed_over(line: str, said: str) -> None:
    least = "\n".join(f'{name} = "x"' for name in LEAST)
    with pytest.raises(UnusableMapError, match=said):
        read_map(f"[fields]\n{least}\n{line}")


def test_the_map_that_the_page_shows_reads_a_banks_own_file() -> None:
    page = (Path(__file__).parents[3] / "docs" / "detection.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    row = {
        "txn_ref": "7",
        "pan": "4929",
        "sequence": "1",
        "local_time": "14.03.2026 11:12:00",
        "amount": "€ 12.50",
        "merchant": "Café",
        "town": "Paris",
        "country": "France",
        "pos": "P",
        "de22": "90",
        "confirmed_fraud": "Y",
    }
    frame = as_contract(pl.DataFrame({name: [value] for name, value in row.items()}), read_map(shown), 0)
    assert frame["fraud"].to_list() == [True]
    (read,) = decoded(frame)
    assert (read.card_id, str(read.amount), read.entry_mode, read.channel) == (
        *("4929-1", "12.50"),
        *("magstripe", "card_present"),
    )
    assert read.occurred_at == datetime(2026, 3, 14, 10, 12, tzinfo=UTC)
    assert read.merchant is not None
    assert (read.merchant.city, read.merchant.country) == ("Paris", "FR")


def test_a_map_may_leave_zone_and_fraud_out() -> None:
    mapping = read_map(
        '[fields]\ntransaction_id = "id"\ncard_id = { column = "card", prefix = "k-" }\n'
        'occurred_at = { column = "at", format = "%Y-%m-%d %H:%M" }\n'
        'amount = "sum"\ncurrency = { value = "EUR" }\nchannel = { value = "atm" }\nentry_mode = { value = "chip" }\n'
    )
    frame = pl.DataFrame({"id": ["1"], "card": ["9"], "at": ["2026-01-02 03:04"], "sum": ["5"]})
    (row,) = decoded(as_contract(frame, mapping, 0))
    assert (row.card_id, row.channel, row.occurred_at) == ("k-9", "atm", datetime(2026, 1, 2, 3, 4, tzinfo=UTC))


def test_nested_columns_are_taken_as_they_are() -> None:
    nested = LEAST | {"merchant": [{"name": "Shop", "city": "Paris", "country": "FR"}]}
    (row,) = decoded(contract(nested))
    assert row.merchant is not None
    assert row.merchant.name == "Shop"
