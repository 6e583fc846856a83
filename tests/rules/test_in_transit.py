"""Merchants that move, and those of the same carriers that stand on the ground."""

import pytest

from rules.in_transit import CARRIERS, InTransit
from tests.rules.payments import TEN, Partition, minutes, payment

ABOARD = [
    ("4511", "Blue Sky Airways In-Flight"),
    ("3008", "LUFTHANSA BORDVERKAUF"),
    ("4511", "EASYJET ONBOARD RETAIL"),
    ("4511", "Vol AF 264 à bord"),
    ("4511", "THAI SKYSHOP TG930"),
    ("5309", "SAS INFLIGHT DUTY FREE"),
    ("4411", "Ocean Line Cruises On Board"),
    ("4411", "ROYAL CARIBBEAN CRUISES"),
    ("4411", "M/S Nordlys"),
    ("4411", "Stena Line On Board Shop"),
    ("4111", "Star Ferry ombord"),
    ("4112", "Rail Bar On Board"),
    ("4112", "DB BORDBISTRO ICE 77"),
    ("4011", "Orient Express Dining Car"),
]
ON_THE_GROUND = [
    ("4511", "Blue Sky Airways Ticket Office"),
    ("4511", "AIR FRANCE"),
    ("4511", "Air Inflight Services Airport Counter"),
    ("4411", "Ocean Line Cruises Ticket Counter"),
    ("4411", "Caribbean Cruises Booking Office"),
    ("4411", "Harbour Boat Hire"),
    ("4112", "DB Reisezentrum Köln"),
    ("4112", "SNCF Gare de Lyon on board tickets"),
    ("5309", "Gate Duty Free"),
    ("5812", "The Captain's On Board Grill"),
    ("5411", "In-Flight Kitchen"),
    (None, "Blue Sky Airways In-Flight"),
    ("4511", None),
]


@pytest.mark.parametrize(("category", "name"), ABOARD)
def test_a_sale_aboard_is_known_by_category_and_name(category: str, name: str) -> None:
    assert InTransit(CARRIERS).find(category, name) is not None


@pytest.mark.parametrize(("category", "name"), ON_THE_GROUND)
def test_counters_ticket_offices_and_shops_on_the_ground_are_none(category: str | None, name: str | None) -> None:
    assert InTransit(CARRIERS).find(category, name) is None


def test_a_name_that_was_cut_is_known_by_the_beginning_of_its_last_word() -> None:
    moving = InTransit(CARRIERS)
    assert moving.find("4511", "BLUE SKY AIRWAYS IN FLIG") is not None
    assert moving.find("4511", "BLUE SKY AIRWAYS IN ZUERICH") is None
    assert moving.find("4511", "SKY IN FLIG") is None


def test_every_carrier_has_a_reason_and_codes_of_four_digits() -> None:
    for carrier in CARRIERS:
        assert carrier.reason.endswith(".")
        assert all(len(code) == 4 and code.isdecimal() for code in carrier.codes())


def test_what_was_asked_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.in_transit._MOST_REMEMBERED", 1)
    moving = InTransit(CARRIERS)
    answers = [moving.find("4511", name) is not None for name in ("In-Flight", "Counter", "In-Flight", "In-Flight")]
    assert answers == [True, False, True, True]


@pytest.mark.parametrize("location", [{"lat": 48.86, "lon": 2.34}, None])
def test_what_is_sold_aboard_moves_nothing_and_is_counted(location: object) -> None:
    partition = Partition()
    merchant = {"name": "Blue Sky Airways In-Flight", "mcc": "4511", "city": "Paris", "country": "FR"}
    rows = [payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(12), merchant=merchant, location=location)]
    assert partition.arrive(*rows) == []
    assert partition.watch.counts["in_transit"] == 1
    assert partition.believed == "a"
