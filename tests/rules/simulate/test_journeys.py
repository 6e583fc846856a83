"""Journey times are those of the world, not of a rule."""

import numpy as np
import pytest

from rules.simulate.assumptions import Assumptions, Crime
from rules.simulate.fraud import _copied_to
from rules.simulate.journeys import CAR, FLIGHT, SHIP, TRAIN, Legs, draw_legs
from rules.simulate.simulation import START
from rules.simulate.world import World, _offsets, mixed, uniform, world_at

MANY = 2_000


@pytest.fixture(scope="module")
def world() -> World:
    return world_at(START)


def legs(world: World, here: tuple[str, str], there: tuple[str, str], *, ship: bool = False) -> Legs:
    one, other = (np.full(MANY, world.find(*place)) for place in (here, there))
    return draw_legs(np.random.default_rng(1), world, one, other, ship=np.full(MANY, ship))


def hours(found: Legs, means: int) -> tuple[float, float, float]:
    taken = found.door_s[found.means == means] / 3600
    return float(taken.min()), float(np.median(taken)), float(taken.max())


def test_across_the_atlantic_people_fly_and_it_takes_the_day(world: World) -> None:
    there = legs(world, ("Paris", "FR"), ("New York City", "US"))
    assert set(there.means) == {FLIGHT}
    least, usual, most = hours(there, FLIGHT)
    assert 7.5 < least < 10
    assert 10 < usual < 14
    assert most < 24


def test_the_wind_blows_eastward(world: World) -> None:
    west = legs(world, ("London", "GB"), ("New York City", "US"))
    east = legs(world, ("New York City", "US"), ("London", "GB"))
    assert np.median(east.on_s - east.off_s) < np.median(west.on_s - west.off_s)


def test_to_lyon_some_drive_some_take_the_train_and_some_fly(world: World) -> None:
    there = legs(world, ("Paris", "FR"), ("Lyon", "FR"))
    assert set(there.means) == {CAR, TRAIN, FLIGHT}
    assert 2 < hours(there, TRAIN)[1] < 5.5
    assert 4 < hours(there, CAR)[1] < 8


def test_to_the_next_town_one_drives_and_not_fast(world: World) -> None:
    there = legs(world, ("Singapore", "SG"), ("Johor Bahru", "MY"))
    assert set(there.means) == {CAR}
    assert 0.4 < hours(there, CAR)[1] < 1.2


def test_ships_sail_by_night(world: World) -> None:
    there = legs(world, ("Barcelona", "ES"), ("Marseille", "FR"), ship=True)
    assert set(there.means) == {SHIP}
    assert 8 < hours(there, SHIP)[1] < 20


def test_a_vehicle_leaves_after_the_door_closes_and_arrives_before_it_opens(world: World) -> None:
    for there in (legs(world, ("Paris", "FR"), ("Rome", "IT")), legs(world, ("Paris", "FR"), ("Lyon", "FR"))):
        assert (there.off_s > 0).all()
        assert (there.on_s > there.off_s).all()
        assert (there.door_s > there.on_s).all()


def test_cities_are_found_by_name_and_country(world: World) -> None:
    assert world.people[world.find("Phnom Penh", "KH")] > 1_000_000
    with pytest.raises(KeyError):
        world.find("Atlantis", "GR")


def test_great_cities_have_an_airport_near_them(world: World) -> None:
    for city in (("London", "GB"), ("Paris", "FR"), ("Singapore", "SG"), ("Phnom Penh", "KH")):
        number = world.find(*city)
        airport = world.airport[number]
        assert airport >= 0
        assert abs(world.airport_lat[airport] - world.lat[number]) < 0.9


def test_hashes_are_the_same_everywhere() -> None:
    assert mixed(np.array([1, 2, 3]), 4).tolist() == mixed(np.array([1, 2, 3]), 4).tolist()
    spread = uniform(np.arange(10_000), 7)
    assert 0 <= spread.min() < 0.01
    assert 0.99 < spread.max() < 1
    assert abs(spread.mean() - 0.5) < 0.02


def test_a_copy_that_can_be_used_nowhere_near_is_used_at_home(world: World) -> None:
    honolulu = world.find("Honolulu", "US")
    near_only = Assumptions(crime=Crime(same_city=0.0, near=1.0))
    assert _copied_to(np.random.default_rng(1), world, near_only, honolulu) == (honolulu, "same_city")


def test_a_zone_that_the_machine_does_not_know_is_taken_for_utc() -> None:
    assert _offsets(["Atlantis/Poseidonis", "Asia/Phnom_Penh"], START).tolist() == [0, 7 * 3600]
