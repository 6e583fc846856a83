"""Names to circles, points to cities."""

from zoneinfo import available_timezones

import pytest

from rules.gazetteer import Gazetteer, Place, world
from rules.journey import distance_km

ONE_TOWN = b"""{"1": {"name": "Town", "countrycode": "AA", "latitude": 1.0, "longitude": 2.0, "population": 100,
    "timezone": "UTC", "alternatenames": [], "geonameid": 1}}"""

CITY = """{"name": "%s", "countrycode": "AA", "latitude": %d, "longitude": 2.0, "population": %d, "timezone": "UTC",
    "alternatenames": [], "admin1code": "01"}"""


def towns(*cities: str) -> bytes:
    return ("{" + ",".join(f'"{number}": {city}' for number, city in enumerate(cities)) + "}").encode()


@pytest.mark.parametrize(
    ("name", "country"),
    [
        ("Phnom Penh", "KH"),
        ("PHNOM PENH", "KH"),
        ("Bruxelles", "BE"),
        ("SAO PAULO", "BR"),
        ("São Paulo", "BR"),
        ("巴黎", "FR"),
        ("Köln", "DE"),
        ("Cologne", "DE"),
        ("KOELN", "DE"),
        ("Koln", "DE"),
        ("Москва", "RU"),
        ("moscow", "RU"),
        ("القاهرة", "EG"),
        ("ΑΘΗΝΑ", "GR"),
        ("กรุงเทพ", "TH"),
        ("TROMSOE", "NO"),
        ("İstanbul", "TR"),
        ("LODZ", "PL"),
        ("St. Petersburg", "RU"),
        ("Portland OR", "US"),
        ("PORTLAND, ME", "US"),
        ("TORONTO ON", "CA"),
        ("Montréal, QC", "CA"),
        ("SYDNEY NSW", "AU"),
    ],
)
def test_a_city_is_found_by_any_spelling(name: str, country: str) -> None:
    place = world().find(name, country)
    assert place is not None
    assert 5 <= place.radius_km <= 50


@pytest.mark.parametrize(("name", "country"), [("Paris", "KH"), ("Atlantis", "FR"), ("", "FR"), ("Paris", "XX")])
def test_a_name_that_is_not_in_its_country_is_not_found(name: str, country: str) -> None:
    assert world().find(name, country) is None


def test_a_name_with_several_candidates_covers_them_all() -> None:
    place = world().find("Springfield", "US")
    assert place is not None
    illinois, massachusetts = (39.80172, -89.64371), (42.10148, -72.58981)
    for lat, lon in (illinois, massachusetts):
        assert distance_km(place.lat, place.lon, lat, lon) < place.radius_km


@pytest.mark.parametrize("name", ["Köln", "Cologne", "KOELN", "Koeln", "koln", " KÖLN "])
def test_every_spelling_of_a_city_is_the_same_place(name: str) -> None:
    assert world().find(name, "DE") == world().find("Köln", "DE")


def test_the_bigger_place_wins_over_a_namesake_with_less_than_a_twentieth_of_its_people() -> None:
    big, small = CITY % ("Town", 1, 200_000), CITY % ("Town", 3, 9_999)
    alone, both = (Gazetteer(towns(*each)).find("Town", "AA") for each in ([big], [big, small]))
    assert alone == both


def test_a_namesake_that_may_be_meant_is_covered_too() -> None:
    found = Gazetteer(towns(CITY % ("Town", 1, 200_000), CITY % ("Town", 3, 10_000))).find("Town", "AA")
    assert found is not None
    assert found.lat == pytest.approx(2, abs=0.1)
    assert found.radius_km > 110


def test_a_bigger_city_that_is_spelled_so_counts_beside_a_small_one_of_that_name() -> None:
    respelled = (CITY % ("City of Town", 3, 90_000)).replace("[]", '["Town", "Towne"]')
    found = Gazetteer(towns(CITY % ("Town", 1, 100), respelled)).find("TOWN", "AA")
    assert found is not None
    assert found.lat == 3


def test_the_proper_name_of_a_large_city_means_it() -> None:
    respelled = (CITY % ("City of Town", 3, 900_000)).replace("[]", '["Town"]')
    found = Gazetteer(towns(CITY % ("Town", 1, 100_000), respelled)).find("Town", "AA")
    assert found is not None
    assert found.lat == 1


@pytest.mark.parametrize("name", ["MARNE LA VALL", "Marne-la-Vall"])
def test_a_name_that_was_cut_after_thirteen_characters_is_found(name: str) -> None:
    found = world().find(name, "FR")
    assert found is not None
    assert found == world().find("Marne-la-Vallée", "FR")


def test_only_a_name_of_thirteen_characters_may_be_cut() -> None:
    assert world().find("MARNE LA VAL", "FR") is None


@pytest.mark.parametrize("name", ["CDG", "Charles de Gaulle", "charles de gaulle international airport"])
def test_an_airport_is_found_by_its_code_and_its_name(name: str) -> None:
    assert world().find(name, "FR") == Place(49.0128, 2.55, 5.0, "airport")


def test_a_city_counts_before_an_airport() -> None:
    place = world().find("Nice", "FR")
    assert place is not None
    assert place.kind == "city"


@pytest.mark.parametrize(
    ("city", "country", "kind"),
    [
        ("Paris", "FR", "city"),
        ("Atlantis", "FR", "country"),
        (None, "FR", "country"),
        ("Paris", None, None),
        (None, "XX", None),
    ],
)
def test_what_is_stated_is_the_narrowest_place_that_is_known(
    city: str | None, country: str | None, kind: str | None
) -> None:
    place = world().stated(city, country)
    assert (place.kind if place else None) == kind


@pytest.mark.parametrize(
    ("country", "lat", "lon"),
    [("FR", 48.39, -4.49), ("FR", 41.39, 9.16), ("US", 21.31, -157.86), ("NZ", -46.41, 168.35), ("FJ", -16.8, -179.9)],
)
def test_a_countrys_circle_covers_its_ends(country: str, lat: float, lon: float) -> None:
    place = world().stated(None, country)
    assert place is not None
    assert distance_km(place.lat, place.lon, lat, lon) < place.radius_km


def test_every_country_with_a_town_has_a_circle() -> None:
    known = world()
    assert [code for code in known._by_country if known.stated(None, code) is None] == []


@pytest.mark.parametrize(
    ("lat", "lon", "zone"),
    [
        (11.5564, 104.9282, "Asia/Phnom_Penh"),
        (48.8606, 2.3376, "Europe/Paris"),
        (37.77, -122.41, "America/Los_Angeles"),
        (89.9, 0, "Arctic/Longyearbyen"),
        (-90, 0, "America/Argentina/Ushuaia"),
        (-16.7, -179.95, "Pacific/Fiji"),
    ],
)
def test_the_nearest_city_tells_the_zone_even_across_the_date_line(lat: float, lon: float, zone: str) -> None:
    assert world().nearest(lat, lon).timezone == zone


def test_what_was_looked_up_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.gazetteer._MOST_REMEMBERED", 1)
    small = Gazetteer(ONE_TOWN)
    assert [small.find(name, "AA") is None for name in ("Town", "Village", "Town", "Village")] == [False, True] * 2


def test_every_zone_is_one_that_the_zone_data_know_but_for_a_few() -> None:
    zones = {city.timezone for city in world()._cities}
    assert len(zones - available_timezones()) <= 3


def test_the_only_city_is_the_nearest_however_far() -> None:
    small = Gazetteer(ONE_TOWN)
    assert [small.nearest(lat, 170).name for lat in (-80, 1, 80)] == ["Town"] * 3
