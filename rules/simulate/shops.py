"""What is bought where: kinds of merchants, and what each merchant is like, derived from its number alone."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rules.simulate.assumptions import Noise
from rules.simulate.world import Bools, Floats, Ints, World, uniform


@dataclass(frozen=True)
class Shop:
    """A kind of merchant: ``often`` is its share of payments in shops, ``median`` the usual amount in cents."""

    name: str
    mcc: str
    median: int
    often: float = 0.0


SHOPS: Final = (
    Shop("Harvest Market", "5411", 2_900, 0.24),
    Shop("Corner Bakery", "5462", 650, 0.12),
    Shop("Station Coffee", "5814", 580, 0.13),
    Shop("Noodle House", "5812", 2_400, 0.13),
    Shop("City Pharmacy", "5912", 1_900, 0.06),
    Shop("Lantern Books", "5942", 2_200, 0.02),
    Shop("Blue Line Taxi", "4121", 1_700, 0.03),
    Shop("North Star Hardware", "5251", 3_900, 0.03),
    Shop("Meridian Fuel", "5541", 5_200, 0.09),
    Shop("Thread & Needle Clothing", "5651", 4_800, 0.06),
    Shop("Grand Electronics", "5732", 14_000, 0.02),
    Shop("Riverside Hotel", "7011", 13_000, 0.02),
    Shop("Picture House Cinema", "7832", 2_100, 0.02),
    Shop("Old Town Market Stall", "5499", 1_400, 0.03),
    Shop("Union Cash Machine", "6011", 8_000),
    Shop("City Transit", "4111", 240),
    Shop("Gate Duty Free", "5309", 3_600),
    Shop("Blue Sky Airways In-Flight", "4511", 1_400),
    Shop("Rail Bar On Board", "4112", 900),
    Shop("Ocean Line Cruises On Board", "4411", 4_200),
    Shop("Parcel & Post Online", "5999", 4_300),
    Shop("Tune Stream Subscription", "4899", 1_099),
    Shop("Ride App", "4121", 1_600),
    Shop("Harbour Jewellers", "5944", 42_000),
)
NUMBER: Final = {shop.name: number for number, shop in enumerate(SHOPS)}
OFTEN: Final = np.array([shop.often for shop in SHOPS]) / sum(shop.often for shop in SHOPS)
MEDIANS: Final = np.array([shop.median for shop in SHOPS])

HEAD_OFFICES: Final = (("Dublin", "IE"), ("Luxembourg", "LU"), ("Seattle", "US"), ("London", "GB"), ("Singapore", "SG"))
"""Where web shops and subscriptions have theirs."""

_PEOPLE_A_MERCHANT: Final = 150
_POINT, _POINT_TOO, _OFFICE, _FIRM, _CLOCK, _ZONE, _PRECISION, _RADIUS = range(8)
"""What a merchant's hash is drawn for."""


@dataclass(frozen=True)
class Terminals:
    """Where merchants' terminals stand, and what they say of it, one row a payment."""

    lat: Floats
    lon: Floats
    stated_city: Ints
    stated_lat: Floats
    stated_lon: Floats
    radius_m: Ints
    head_office_point: Bools
    registered_elsewhere: Bools
    clock_s: Floats
    wrong_zone: Bools
    slow_clock: Bools


def merchants(rng: np.random.Generator, world: World, city: Ints) -> Ints:
    """A merchant's number within each city; a few have most of the customers."""
    many = np.clip(world.people[city] / _PEOPLE_A_MERCHANT, 20, 20_000)
    picked: Ints = (many * rng.random(len(city)) ** 2).astype(np.int64)
    return picked


def terminals(world: World, noise: Noise, city: Ints, merchant: Ints) -> Terminals:
    """What the merchants are like: the same number in the same city is always the same merchant."""

    def drawn(purpose: int) -> Floats:
        return uniform(city, merchant, purpose)

    # people shop in their part of a city: two of one person's shops are not at opposite ends of London
    away = world.radius_km[city] * 0.5 * np.sqrt(drawn(_POINT))
    lat, lon = moved(world.lat[city], world.lon[city], away, drawn(_POINT_TOO))
    exact = drawn(_PRECISION)
    # most are geocoded to the house, some to the postcode, a few to the middle of the city
    off_km = np.select([exact < 0.8, exact < 0.97], [exact * 0.2, 0.5 + (exact - 0.8) * 20], world.radius_km[city] * 0)
    stated_lat, stated_lon = moved(lat, lon, off_km, drawn(_RADIUS))
    centre = exact >= 0.97
    stated_lat, stated_lon = (
        np.where(centre, world.lat[city], stated_lat),
        np.where(centre, world.lon[city], stated_lon),
    )
    firm = drawn(_FIRM)
    elsewhere = firm < noise.registered_elsewhere
    office_point = ~elsewhere & (drawn(_OFFICE) < noise.head_office_point)
    office = world.offices[city, (drawn(_OFFICE) * 1e6).astype(np.int64) % 3]
    office = np.where(elsewhere, world.offices[city, (firm * 1e9).astype(np.int64) % 3], office)
    moved_there = elsewhere | office_point
    zone, clock = drawn(_ZONE), drawn(_CLOCK)
    wrong_zone, slow = zone < noise.wrong_zone, clock < noise.slow_clock
    hours = np.where(
        (zone * 1e8).astype(np.int64) % 3 == 0, -np.sign(world.offset_s[city]) * 3600, world.offset_s[city]
    )
    minutes = (uniform(city, merchant, 99) - 0.5) * 1800
    return Terminals(
        lat=lat,
        lon=lon,
        stated_city=np.where(elsewhere, office, city),
        stated_lat=np.where(moved_there, world.lat[office], stated_lat),
        stated_lon=np.where(moved_there, world.lon[office], stated_lon),
        radius_m=np.where(drawn(_RADIUS) < 0.5, np.maximum(50, off_km * 1000).astype(np.int64), 0),
        head_office_point=office_point & (office != city),
        registered_elsewhere=elsewhere & (office != city),
        clock_s=np.where(wrong_zone, hours, np.where(slow, minutes, (uniform(city, merchant, 98) - 0.5) * 30)),
        wrong_zone=wrong_zone & (hours != 0),
        slow_clock=slow,
    )


def moved(lat: Floats, lon: Floats, km: Floats, turn: Floats) -> tuple[Floats, Floats]:
    """The points moved by some kilometres in a direction (0 to 1, a whole turn)."""
    angle = turn * 2 * np.pi
    north = km * np.sin(angle) / 111.2
    east = km * np.cos(angle) / (111.2 * np.maximum(0.05, np.cos(np.radians(lat))))
    return np.clip(lat + north, -89.9, 89.9), (lon + east + 540) % 360 - 180


def amounts(rng: np.random.Generator, shop: Any) -> Ints:
    """Cents: log-normal round the shop's median."""
    cents: Ints = np.maximum(50, MEDIANS[shop] * rng.lognormal(0, 0.6, len(shop))).astype(np.int64)
    return cents
