"""Distances on the sphere and the lower bound of a journey."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.journey import FURTHEST_KM, distance_km, fastest_journey, reach_km
from rules.ruleset import LIVE

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        ((11.5564, 104.9282), (48.8606, 2.3376), 9941),
        ((48.8566, 2.3522), (51.5074, -0.1278), 343.6),
        ((-18.1416, 178.4419), (-13.8333, -171.7667), 1150),
        ((0, 179.9), (0, -179.9), 22.2),
        ((90, 0), (-90, 0), 20015),
        ((1, 1), (1, 1), 0),
    ],
)
def test_the_distance_is_that_of_the_great_circle_the_short_way(
    one: tuple[float, float], other: tuple[float, float], km: float
) -> None:
    assert distance_km(*one, *other) == pytest.approx(km, rel=0.01, abs=0.1)


@given(latitudes, longitudes, latitudes, longitudes)
def test_no_distance_is_negative_or_beyond_half_round_the_earth_or_depends_on_direction(
    lat: float, lon: float, other_lat: float, other_lon: float
) -> None:
    there = distance_km(lat, lon, other_lat, other_lon)
    assert 0 <= there <= FURTHEST_KM
    assert there == pytest.approx(distance_km(other_lat, other_lon, lat, lon), abs=1e-6)


@pytest.mark.parametrize(
    ("km", "means"), [(20, "car"), (60, "fast train"), (343, "fast train"), (600, "flight"), (9941, "flight")]
)
def test_the_fastest_means_depends_on_the_distance(km: float, means: str) -> None:
    assert fastest_journey(km, LIVE.means).means == means


def test_six_hundred_kilometres_in_forty_minutes_is_below_an_airliners_speed_and_still_impossible() -> None:
    assert fastest_journey(600, LIVE.means).fastest_s > 40 * 60


@given(st.floats(0, FURTHEST_KM), st.floats(0, FURTHEST_KM))
def test_a_longer_journey_never_takes_less(one: float, other: float) -> None:
    near, far = sorted((one, other))
    assert fastest_journey(near, LIVE.means).fastest_s <= fastest_journey(far, LIVE.means).fastest_s


@given(st.floats(60, FURTHEST_KM))
def test_one_gets_as_far_in_the_time_of_the_fastest_journey_as_it_is_long(km: float) -> None:
    assert reach_km(fastest_journey(km, LIVE.means).fastest_s, LIVE.means) == pytest.approx(km, rel=1e-6)


def test_in_no_time_one_gets_nowhere_and_in_days_anywhere() -> None:
    assert reach_km(0, LIVE.means) == 0
    assert reach_km(1e6, LIVE.means) == FURTHEST_KM
