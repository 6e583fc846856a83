"""What journeys take from door to door, drawn from what journeys take; no threshold of a rule is known here.

Sources: cruise speeds of airliners and the North Atlantic's jet stream (EUROCONTROL, block-time statistics: 0.4 to 0.6
hours beyond distance over speed); average station-to-station speeds of European intercity and high-speed trains (80 to
230 km/h, UIC); road distances of 1.2 to 1.4 times the great circle, driven at 60 to 110 km/h.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rules.simulate.world import Bools, Floats, Ints, World

CAR: Final = 0
TRAIN: Final = 1
FLIGHT: Final = 2
SHIP: Final = 3

_HOUR: Final = 3600.0
_BY_CAR_KM: Final = 130.0
_BY_LAND_KM: Final = 900.0
_TEMPERATE: Final = 25.0


@dataclass(frozen=True)
class Legs:
    """Journeys, one a row, seconds from the door.

    Attributes:
        means: ``CAR``, ``TRAIN``, ``FLIGHT`` or ``SHIP``.
        door_s: the whole of it.
        off_s, on_s: when the vehicle leaves and arrives; of a car, the whole of it.
    """

    means: Ints
    door_s: Floats
    off_s: Floats
    on_s: Floats


def draw_legs(rng: np.random.Generator, world: World, here: Ints, there: Ints, *, ship: Bools) -> Legs:
    """How people get from one city to another.

    Args:
        rng: draws.
        world: whose cities they are.
        here: from where.
        there: to where.
        ship: on these they sail.
    """
    count = len(here)
    km = world.km(here, there)
    means = _means(rng, world, here, there, km)
    means[ship] = SHIP
    ways = {
        CAR: _by_car(rng, km),
        TRAIN: _by_train(rng, km),
        FLIGHT: _by_air(rng, world, here, there, km),
        SHIP: _by_ship(rng, km),
    }
    before, moving, after = (np.zeros(count) for _ in range(3))
    for kind, parts in ways.items():
        taken = means == kind
        for total, part in zip((before, moving, after), parts, strict=True):
            total[taken] = part[taken]
    return Legs(means, (before + moving + after) * _HOUR, before * _HOUR, (before + moving) * _HOUR)


def _means(rng: np.random.Generator, world: World, here: Ints, there: Ints, km: Floats) -> Ints:
    chance = rng.random(len(km))
    rails = world.rail[here] & world.rail[there]
    flies = (world.airport[here] >= 0) & (world.airport[there] >= 0)
    train_share = np.where(rails, np.where(km < _BY_LAND_KM, 0.45, 0.05), 0.0)
    means = np.where(chance < train_share, TRAIN, CAR)
    air_share = np.clip((km - 250) / 600, 0, 1)
    return np.where(flies & (means != TRAIN) & (km > _BY_CAR_KM) & (rng.random(len(km)) < air_share), FLIGHT, means)


def _by_car(rng: np.random.Generator, km: Floats) -> tuple[Floats, Floats, Floats]:
    count = len(km)
    road = km * np.clip(rng.normal(1.28, 0.08, count), 1.08, 1.7)
    fast = np.clip(rng.normal(88, 14, count), 50, 128)
    speed = np.minimum(fast, 35 + road * 0.6)  # a short way is a slow one
    breaks = road / speed * np.clip(rng.normal(0.08, 0.05, count), 0, 0.3)
    return rng.uniform(0.02, 0.15, count), road / speed + breaks, rng.uniform(0.03, 0.2, count)


def _by_train(rng: np.random.Generator, km: Floats) -> tuple[Floats, Floats, Floats]:
    count = len(km)
    speed = np.clip(rng.lognormal(np.log(125), 0.3, count), 60, 255)
    ride = km * np.clip(rng.normal(1.18, 0.06, count), 1.05, 1.5) / speed
    before = rng.uniform(0.1, 0.6, count) + rng.uniform(0.08, 0.4, count)
    return before, ride, rng.uniform(0.05, 0.6, count)


def _by_air(
    rng: np.random.Generator, world: World, here: Ints, there: Ints, km: Floats
) -> tuple[Floats, Floats, Floats]:
    count = len(km)
    temperate = (np.abs(world.lat[here]) + np.abs(world.lat[there])) / 2 > _TEMPERATE
    eastward = np.sin(np.radians((world.lon[there] - world.lon[here] + 540) % 360 - 180) / 2)
    wind = np.clip(rng.normal(65, 45, count), -40, 190) * np.sign(eastward) * np.minimum(1, np.abs(eastward) * 4)
    ground_speed = rng.normal(845, 22, count) + np.where(temperate, wind, 0)
    block = rng.uniform(0.38, 0.65, count) + km * rng.uniform(1.01, 1.06, count) / ground_speed
    small = np.minimum(world.people[here], world.people[there]) < 2_000_000
    changes = (km > 1_800) & (rng.random(count) < np.where(small, 0.7, 0.25))
    block += np.where(changes, rng.uniform(1.2, 4.5, count) + km * 0.1 / 845, 0)
    before = rng.uniform(0.3, 1.3, count) + rng.uniform(0.7, 2.6, count)
    return before, block, rng.uniform(0.1, 1.0, count) + rng.uniform(0.2, 1.2, count)


def _by_ship(rng: np.random.Generator, km: Floats) -> tuple[Floats, Floats, Floats]:
    count = len(km)
    sailing = np.maximum(6.0, km * rng.uniform(1.1, 1.5, count) / rng.normal(36, 2, count))
    return np.full(count, 0.5), sailing, np.full(count, 0.5)
