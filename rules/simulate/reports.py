"""What the bank is told of a payment: the terminal's point and clock, spelling, lateness, messages sent twice."""

from typing import Final

import numpy as np

from rules.simulate.assumptions import Noise
from rules.simulate.payments import ABSENT
from rules.simulate.rows import CAPITALS, CUT, RESPELLED, SHORT, TRUTH, Rows
from rules.simulate.shops import NUMBER, Terminals, merchants, terminals
from rules.simulate.world import Bools, Floats, World, great_circle_km

_ADDITIONAL: Final = 3
_AT_THE_TILL_S: Final = 75.0
_ACROSS_TOWN_KMH: Final = 28.0
_TOWN_KM: Final = 30.0


def report(rng: np.random.Generator, world: World, noise: Noise, rows: Rows, start_ms: int) -> Rows:
    """Fills in what the messages say, and adds those that come twice.

    Args:
        rng: draws.
        world: whose cities they are.
        noise: how often what goes wrong.
        rows: with the truth: city, time, shop, entry. Changed.
        start_ms: the simulation's start, milliseconds since 1970 UTC.
    """
    count = len(rows)
    city = rows["city"].astype(np.int64)
    merchant = merchants(rng, world, city)
    said = terminals(world, noise, city, merchant)
    absent = rows["channel"] == ABSENT
    _walk_between(rows, said, absent)
    rows["merchant"] = merchant + (city % 40_000) * 20_001  # unlike numbers for unlike cities
    rows["city"] = np.where(absent, city, said.stated_city)
    rows["lat"] = np.where(absent, world.lat[city], said.stated_lat)
    rows["lon"] = np.where(absent, world.lon[city], said.stated_lon)
    rows["radius_m"], rows["point"] = said.radius_m, True
    _at_airports(world, rows, city)
    _mark(rows, ~absent & said.head_office_point, "point of the head office")
    _mark(rows, ~absent & said.registered_elsewhere, "registered elsewhere")
    _spoil_points(rng, noise, rows, absent)
    _spell(rng, noise, rows, absent)
    _tell_time(rng, noise, rows, said, absent, start_ms)
    twice = rows[rng.random(count) < noise.duplicates].copy()
    twice["arrived_ms"] += rng.integers(200, 600_000, len(twice))
    _mark(twice, np.ones(len(twice), dtype=bool), "duplicate")
    return np.concatenate((rows, twice))


def repeat(rng: np.random.Generator, noise: Noise, rows: Rows, numbers: int) -> Rows:
    """Adds repeats of advices under ids of their own, from ``numbers`` on; the rows have theirs already."""
    again = rows[rng.random(len(rows)) < noise.repeats].copy()
    again["repeat_of"] = again["number"] + 1
    again["number"] = numbers + np.arange(len(again))
    again["arrived_ms"] += rng.integers(1_000, 4 * 3_600_000, len(again))
    again["told_ms"] = again["arrived_ms"]
    again["type"] = 5  # an advice
    _mark(again, np.ones(len(again), dtype=bool), "repeat")
    return np.concatenate((rows, again))


def _walk_between(rows: Rows, said: Terminals, absent: Bools) -> None:
    """Nobody pays in two shops at once: between one and the next lie a minute or two, and the way across town.

    Customers and thieves alike; later payments are put off. Journeys between cities have their own times already.
    """
    somewhere = np.flatnonzero(~absent & (rows["truth"] < TRUTH.code("airport")) | (~absent & (rows["case"] > 0)))
    whose = np.where(rows["case"] > 0, 2**32 + rows["case"].astype(np.int64), 0)
    whose = np.where(rows["case"] > 0, whose, rows["customer"].astype(np.int64) * 2 + (rows["card"] == _ADDITIONAL))
    order = somewhere[np.lexsort((rows["true_s"][somewhere], whose[somewhere]))]
    lat, lon, who, city = said.lat[order], said.lon[order], whose[order], rows["city"][order]
    km = great_circle_km(lat[1:], lon[1:], lat[:-1], lon[:-1])
    takes = _AT_THE_TILL_S + km / _ACROSS_TOWN_KMH * 3600
    beside = (who[1:] == who[:-1]) & ((city[1:] == city[:-1]) | (km < _TOWN_KM))
    when = rows["true_s"][order]
    put_off = np.where(beside, np.maximum(when[1:], when[:-1] + takes), when[1:])
    while (put_off != when[1:]).any():  # as often as one person's payments come on each other's heels
        when[1:] = put_off
        put_off = np.where(beside, np.maximum(when[1:], when[:-1] + takes), when[1:])
    rows["true_s"][order] = when


def _at_airports(world: World, rows: Rows, city: object) -> None:
    """Shops at the gate stand at the airport, whatever the city's middle is."""
    at = np.flatnonzero(rows["shop"] == NUMBER["Gate Duty Free"])
    airport = world.airport[np.asarray(city)[at]]
    at, airport = at[airport >= 0], airport[airport >= 0]
    rows["lat"][at], rows["lon"][at] = world.airport_lat[airport], world.airport_lon[airport]


def _spoil_points(rng: np.random.Generator, noise: Noise, rows: Rows, absent: Bools) -> None:
    chance = rng.random(len(rows))
    rows["point"] = np.where(absent, chance < 0.3, chance >= noise.no_point)
    chance = rng.random(len(rows))
    limits = np.cumsum((noise.null_island, noise.swapped, noise.lost_sign, noise.out_of_range))
    null, swapped, sign, outside = (
        (chance >= low) & (chance < high) & ~absent for low, high in zip(np.r_[0, limits[:-1]], limits, strict=True)
    )
    lat, lon = rows["lat"].copy(), rows["lon"].copy()
    rows["lat"] = np.select([null, swapped, sign, outside], [0, lon, -lat, 99.9], lat)
    rows["lon"] = np.select([null, swapped, sign], [0, lat, lon], lon)
    _mark(rows, (null | swapped | sign | outside) & rows["point"], "bad point")


def _spell(rng: np.random.Generator, noise: Noise, rows: Rows, absent: Bools) -> None:
    chance, way = rng.random(len(rows)), rng.random(len(rows))
    rows["country_of"] = rows["city"]
    rows["city"][chance < noise.no_city] = -1
    odd = (chance > 1 - noise.misspelt) & (rows["city"] >= 0)
    rows["spelling"] = np.where(odd, np.select([way < 0.4, way < 0.7, way < 0.9], [CAPITALS, CUT, RESPELLED], SHORT), 0)
    _mark(rows, odd & ~absent & (way >= 0.4), "misspelt city")


def _tell_time(
    rng: np.random.Generator, noise: Noise, rows: Rows, said: Terminals, absent: Bools, start_ms: int
) -> None:
    """The terminal's clock, and when the message comes."""
    count = len(rows)
    true_ms = start_ms + (rows["true_s"] * 1000).astype(np.int64)
    clock_ms = (np.where(absent, 0, said.clock_s) * 1000).astype(np.int64)
    rows["at_ms"] = true_ms + clock_ms
    delay_s: Floats = rng.lognormal(np.log(1.2), 0.6, count)
    delay_s = np.where(rng.random(count) < 0.002, rng.exponential(240, count), delay_s)
    transit = rows["truth"] == TRUTH.code("transit tap")
    hours_late = rng.random(count) < noise.late
    delay_s = np.where(hours_late, rng.exponential(10 * 3600, count), delay_s)
    delay_s = np.where(transit, np.minimum(7 * 86_400, rng.lognormal(np.log(11 * 3600), 0.9, count)), delay_s)
    delay_s = np.where(rows["deferred"] & ~transit, rng.uniform(0.5, 20, count) * 3600, delay_s)
    rows["deferred"] |= hours_late
    rows["arrived_ms"] = true_ms + (delay_s * 1000).astype(np.int64)
    rows["told_ms"] = rows["arrived_ms"]
    _mark(rows, hours_late, "late")
    _mark(rows, said.slow_clock & ~absent, "slow clock")
    _mark(rows, said.wrong_zone & ~absent, "wrong time zone")


def _mark(rows: Rows, where: Bools, truth: str) -> None:
    """What it is in truth, unless it is fraud or on the way, which says more."""
    kept = (rows["case"] > 0) | (
        (rows["truth"] >= TRUTH.code("airport")) & (rows["truth"] <= TRUTH.code("aboard a ship"))
    )
    rows["truth"][where & ~kept] = TRUTH.code(truth)
