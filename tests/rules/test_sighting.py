"""The trust table, and where a transaction took place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.gazetteer import Place, world
from rules.journey import distance_km
from rules.ruleset import LIVE
from rules.sighting import HIGH, MEDIUM, NONE, TRUSTED, WEAK, believable_box, how_placed, place_of, radius_m, trust
from rules.transaction import Channel, EntryMode, Instrument, Location, Type, decode
from tests.rules.payments import TEN, Partition, minutes, payment

PARIS_AS_CITY = {"city": "PARIS", "country": "FR"}


@pytest.mark.parametrize(
    ("entry_mode", "channel", "kind", "instrument", "level"),
    [
        ("chip", "card_present", "purchase", "plastic", TRUSTED),
        ("contactless", "card_present", "advice", "plastic", TRUSTED),
        ("magstripe", "atm", "withdrawal", "plastic", TRUSTED),
        ("fallback", "card_present", "purchase", "plastic", WEAK),
        ("manual", "card_present", "purchase", "plastic", WEAK),
        ("manual", "card_not_present", "purchase", "plastic", NONE),
        ("ecommerce", "card_present", "purchase", "plastic", NONE),
        ("credential_on_file", "card_present", "purchase", "plastic", NONE),
        ("chip", "card_present", "refund", "plastic", NONE),
        ("chip", "card_present", "reversal", "plastic", NONE),
        ("chip", "card_present", "recurring", "plastic", NONE),
        ("contactless", "card_present", "purchase", "wallet", TRUSTED),
    ],
)
def test_the_trust_table(
    entry_mode: EntryMode, channel: Channel, kind: Type, instrument: Instrument, level: int
) -> None:
    trusted = trust(entry_mode, channel, kind, instrument)
    assert trusted.level == level
    assert (trusted.absence is None) == (level != NONE)
    assert trusted.reason.endswith(".")


def test_a_fallback_is_graver_than_a_chip_and_a_keyed_number_is_not() -> None:
    grades = [trust(mode, "card_present", "purchase", "plastic").grade for mode in ("chip", "manual", "fallback")]
    assert grades == [MEDIUM, MEDIUM, HIGH]


def test_a_valid_point_beats_a_name() -> None:
    row = payment("t", "Paris", location={"lat": 48.6, "lon": 2.5, "radius_km": 2})
    place = place_of(decode(row), world(), LIVE)
    assert place is not None
    assert (place.lat, place.lon, place.radius_km) == (48.6, 2.5, 2)


@pytest.mark.parametrize(
    "location",
    [
        {"lat": 2.3376, "lon": 48.8606},
        {"lat": -48.8606, "lon": 2.3376},
        {"lat": 0, "lon": 0},
        {"lat": 90, "lon": 0},
        {"lat": 148.8606, "lon": 2.3376},
        None,
    ],
)
def test_swapped_coordinates_lost_signs_and_missing_points_give_way_to_the_city(location: object) -> None:
    row = payment("t", None, location=location, merchant=PARIS_AS_CITY)
    place = place_of(decode(row), world(), LIVE)
    assert place is not None
    assert (place.lat, place.lon) == pytest.approx((48.853, 2.349), abs=0.01)


def test_a_point_some_way_from_its_city_but_within_300_km_stays() -> None:
    row = payment("t", None, location={"lat": 50.9, "lon": 2.3}, merchant=PARIS_AS_CITY)
    place = place_of(decode(row), world(), LIVE)
    assert place is not None
    assert place.lat == 50.9


@pytest.mark.parametrize(
    "merchant", [None, {"city": "Paris"}, {"country": "XX"}, {"city": "Atlantis", "country": "XX"}]
)
def test_a_point_whose_place_the_gazetteer_cannot_know_stays(merchant: object) -> None:
    row = payment("t", "Rome", merchant=merchant)
    place = place_of(decode(row), world(), LIVE)
    assert place is not None
    assert place.lat == pytest.approx(41.9028)


@pytest.mark.parametrize("merchant", [{"country": "BE"}, {"city": "Atlantis", "country": "BE"}])
def test_a_country_is_enough_to_contradict_a_point(merchant: object) -> None:
    near, far = (decode(payment("t", place, merchant=merchant)) for place in ("Paris", "Rome"))
    stays, gives_way = (place_of(each, world(), LIVE) for each in (near, far))
    assert stays is near.location
    assert isinstance(gives_way, Place)
    assert (gives_way.kind, gives_way.radius_km) == ("country", 159)


SPRINGFIELD = {"city": "Springfield", "country": "US"}
"""Of which Illinois, Missouri and Massachusetts have one each, besides others."""


def test_of_several_towns_of_one_name_the_nearest_to_the_point_is_meant() -> None:
    by_illinois, some_way_off = {"lat": 39.8, "lon": -89.6}, {"lat": 41.6, "lon": -88.2}
    meant = decode(payment("t", None, location=by_illinois, merchant=SPRINGFIELD))
    assert place_of(meant, world(), LIVE) is meant.location
    doubted = place_of(decode(payment("t", None, location=some_way_off, merchant=SPRINGFIELD)), world(), LIVE)
    assert doubted is not None
    assert (doubted.lat, doubted.lon) == (41.6, -88.2)
    assert 200 < (doubted.radius_km or 0.0) < 240  # it reaches to the nearest


def test_a_point_of_the_head_office_contradicts_no_payment_in_the_town_that_both_state() -> None:
    till, head_office = {"lat": 39.8, "lon": -89.65}, {"lat": 41.85, "lon": -87.9}
    first = payment("a", None, TEN, location=till, merchant=SPRINGFIELD)
    second = payment("b", None, TEN + minutes(3), location=head_office, merchant=SPRINGFIELD)
    assert Partition().arrive(first, second) == []
    assert Partition().arrive(second, first) == []


def test_a_radius_over_fifty_kilometres_makes_a_sighting_weak_and_less_grave() -> None:
    partition = Partition()
    wide = {"lat": 48.86, "lon": 2.34, "radius_km": 51}
    (alert,) = partition.arrive(
        payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(12), location=wide, entry_mode="manual")
    )
    assert (alert.severity, alert.evidence["suspect"]["trust"]) == ("low", "weak")
    assert partition.arrive(payment("c", "Phnom Penh", TEN + minutes(30))) == []


def test_a_point_is_judged_alike_whether_or_not_its_city_was_stated_before() -> None:
    partition = Partition()
    points = [(48.6, 2.5), (2.3376, 48.8606), (-48.8606, 2.3376), (0, 0), (50.9, 2.3), (48.6, 2.5)]
    for number, (lat, lon) in enumerate(points):
        row = payment(f"t{number}", None, location={"lat": lat, "lon": lon}, merchant=PARIS_AS_CITY)
        partition.arrive(row)
        place = place_of(decode(row), world(), LIVE)
        entry = partition.memory.known[f"t{number}"]
        assert place is not None
        assert entry is not None
        assert (entry.lat_e7, entry.lon_e7) == (int(place.lat * 1e7), int(place.lon * 1e7))
        assert entry.radius_m == radius_m(place)


def test_cities_that_are_not_known_decide_nothing_however_often_and_many_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rules.watch._MOST_BOXES", 2)
    partition = Partition()
    for number in range(9):
        merchant = {"city": f"Atlantis {number % 4}", "country": "FR"}
        partition.arrive(payment(f"t{number}", "Rome", TEN + minutes(number), merchant=merchant))
    assert partition.believed == "t8"
    assert partition.memory.entries[-1].lat_e7 == 419028000


def test_a_city_at_the_point_of_nought_degrees_does_not_make_that_a_point() -> None:
    city = Place(0.3, 0.3, 5.0)
    assert believable_box(city, LIVE) is None
    assert believable_box(Place(89.8, 0.5, 0.0), LIVE) == pytest.approx((89.485, 90, 0.185, 0.815))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"location": None}, "by its city alone, within 15 km: it came without a usable point"),
        ({"location": {"lat": 0, "lon": 0}}, "the point that came with it is none (0, 0)"),
        ({"location": {"lat": 2.3376, "lon": 48.8606}}, "the point that came with it is 6,795 km away"),
        ({"location": None, "merchant": {"country": "FR"}}, "by its country alone, within 699 km"),
        ({"location": None, "merchant": {"city": "CDG", "country": "FR"}}, "by its airport alone, within 5 km"),
        ({"location": {"lat": 50.6292, "lon": 3.0573}}, "the stated place are 189 km apart"),
        ({"merchant": None}, ""),
    ],
)
def test_how_a_place_is_known_is_said_in_words(fields: dict[str, Any], words: str) -> None:
    said = how_placed(decode(payment("t", "Paris", **fields)), world(), LIVE)
    assert words in said
    assert bool(words) == bool(said)


stated_places = st.sampled_from(
    ["Paris FR", "Suva FJ", "Murmansk RU", "Accra GH", "Springfield US", "- FR", "- US", "- NZ"]
)


@given(stated_places, st.floats(-90, 90), st.floats(-180, 180))
def test_a_point_is_believed_or_the_stated_place_and_within_its_box_always_the_point(
    stated: str, lat: float, lon: float
) -> None:
    city, _, country = stated.rpartition(" ")
    merchant = {"city": None if city == "-" else city, "country": country}
    transaction = decode(payment("t", None, location={"lat": lat, "lon": lon}, merchant=merchant))
    place, known = place_of(transaction, world(), LIVE), world().stated(merchant["city"], country)
    assert known is not None
    away_km = distance_km(lat, lon, known.lat, known.lon) - known.radius_km
    nearest_km = min(distance_km(lat, lon, one.lat, one.lon) - one.radius_km for one in known.among or (known,))
    if place is transaction.location:
        assert nearest_km <= (LIVE.contradiction_km if known.kind == "country" else LIVE.doubt_km)
    elif place != known:
        assert isinstance(place, Location)
        assert (place.lat, place.lon) == (lat, lon)
        assert place.radius_km == pytest.approx(nearest_km)
        assert LIVE.doubt_km < nearest_km
        assert away_km <= LIVE.contradiction_km
    box = believable_box(known, LIVE)
    if box is not None and box[0] < lat < box[1] and box[2] < lon < box[3]:
        assert place is transaction.location


def test_how_sightings_are_placed_is_counted() -> None:
    partition = Partition()
    bad = {"lat": 2.3376, "lon": 48.8606}
    partition.arrive(
        payment("a", "Paris"),
        payment("b", "Paris", location=None),
        payment("c", "Paris", location=bad),
        payment("d", None, location=None, merchant={"city": "CDG", "country": "FR"}),
        payment("e", None, location=bad, merchant={"country": "FR"}),
        payment("f", "Paris", merchant={"country": "FR"}),
        payment("g", "Paris", location={"lat": 50.6292, "lon": 3.0573}),
    )
    assert partition.watch.counts == {
        "by_city": 2,
        "by_airport": 1,
        "by_country": 1,
        "point_gave_way": 2,
        "point_in_doubt": 1,
    }


def test_a_head_offices_point_some_way_from_the_stated_city_is_no_impossible_journey() -> None:
    partition = Partition()
    lille = {"lat": 50.6292, "lon": 3.0573}
    assert partition.arrive(payment("a", "Paris"), payment("b", "Paris", TEN + minutes(6), location=lille)) == []
    partition.arrive(payment("c", "Phnom Penh", TEN + minutes(12)))
    assert partition.standing == {"c": "a"}


def test_a_place_in_doubt_is_still_too_far_from_the_other_end_of_the_world() -> None:
    partition = Partition()
    partition.arrive(
        payment("a", "Phnom Penh"),
        payment("b", "Paris", TEN + minutes(12), location={"lat": 50.6292, "lon": 3.0573}),
    )
    assert partition.standing == {"b": "a"}


def test_weak_sightings_alone_decide_nothing() -> None:
    partition = Partition()
    rows = [payment(name, place, TEN, entry_mode="manual") for name, place in (("a", "Paris"), ("b", "Rome"))]
    assert partition.arrive(*rows) == []
    assert partition.believed is None


def test_an_uncertain_place_in_the_middle_does_not_make_two_impossible_halves_possible() -> None:
    partition = Partition()
    unsure = {"lat": 30.0, "lon": 50.0, "radius_km": 20_000}
    partition.arrive(
        payment("a", "Phnom Penh"),
        payment("b", None, TEN + minutes(6), location=unsure),
        payment("c", "Paris", TEN + minutes(12)),
    )
    assert partition.standing == {"c": "a"}
