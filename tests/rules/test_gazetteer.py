"""Names to circles, points to cities."""

from zoneinfo import available_timezones

import pytest

from rules.gazetteer import Gazetteer, world
from rules.journey import distance_km

ONE_TOWN = b"""{"1": {"name": "Town", "countrycode": "AA", "latitude": 1.0, "longitude": 2.0, "population": 100,
    "timezone": "UTC", "alternatenames": [], "geonameid": 1}}"""


@pytest.mark.parametrize(
    ("name", "country"),
    [
        ("Phnom Penh", "KH"),
        ("PHNOM PENH", "KH"),
        ("Bruxelles", "BE"),
        ("SAO PAULO", "BR"),
        ("São Paulo", "BR"),
        ("巴黎", "FR"),
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
