"""What a transaction says about where the card was: how far it is trusted (``rules.trust``), and where it places it."""

from math import ceil
from typing import Final, TypeAlias

from rules.gazetteer import Gazetteer, Place
from rules.journey import distance_km
from rules.ruleset import RuleSet
from rules.transaction import Location, Transaction
from rules.trust import HIGH, LOW, MEDIUM, NONE, TRUSTED, WEAK, Absence, Trust, every_trust, trust

__all__ = [
    "HIGH",
    "LOW",
    "MEDIUM",
    "NONE",
    "TRUSTED",
    "WEAK",
    "Absence",
    "Box",
    "Trust",
    "believable_box",
    "every_trust",
    "how_placed",
    "place_of",
    "radius_m",
    "trust",
]

_NULL_ISLAND_DEGREES: Final = 0.01
_POLES: Final = frozenset((90.0, -90.0))
_DEGREES_A_KM: Final = 0.0063
"""A box of this half-width lies within a kilometre of its middle: 1 / (111.2 times the root of 2), less a bit."""

Box: TypeAlias = tuple[float, float, float, float]
"""South, north, west, east, in degrees, none of them within."""


def place_of(transaction: Transaction, gazetteer: Gazetteer, ruleset: RuleSet) -> Place | Location | None:
    """Where the terminal stands: its point, or the stated place where there is none or the point contradicts it.

    The stated place is the city, or an airport, or the country where neither is known. (0, 0) and the poles are no
    points. Where a city and the point are too far apart to be one place and too near to say which is wrong, it is the
    point with a radius that reaches to the city; of several cities of one name, to the nearest. None: neither a usable
    point nor a place that the gazetteer knows.
    """
    point = _usable(transaction.location)
    merchant = transaction.merchant
    stated = gazetteer.stated(merchant.city, merchant.country) if merchant is not None else None
    if stated is None:
        return point
    if point is None:
        return stated
    doubted_from_km = _doubted_from_km(stated, ruleset)
    apart_km = _apart_km(point.lat, point.lon, stated, doubted_from_km)
    if apart_km > ruleset.contradiction_km:
        return stated
    if stated.among:
        apart_km = min(_apart_km(point.lat, point.lon, each, doubted_from_km) for each in stated.among)
    if apart_km > doubted_from_km:
        return Location(point.lat, point.lon, max(apart_km, point.radius_km or 0.0))
    return point


def how_placed(transaction: Transaction, gazetteer: Gazetteer, ruleset: RuleSet) -> str:
    """How the place is known, in words; empty where it is simply the terminal's point."""
    place = place_of(transaction, gazetteer, ruleset)
    point, merchant = transaction.location, transaction.merchant
    if place is point or place is None or merchant is None:
        return ""
    if isinstance(place, Location):
        return (
            f"The point that came with it and the stated place are {place.radius_km:,.0f} km apart, and neither is"
            " surely wrong: its place is taken for uncertain by as much."
        )
    known_by = f"It is placed by its {place.kind} alone, within {place.radius_km:,.0f} km"
    if point is None:
        return f"{known_by}: it came without a usable point."
    if _usable(point) is None:
        return f"{known_by}: the point that came with it is none ({point.lat:g}, {point.lon:g})."
    away_km = distance_km(point.lat, point.lon, place.lat, place.lon)
    return f"{known_by}: the point that came with it is {away_km:,.0f} km away from there."


def radius_m(place: Place | Location) -> int:
    """The place's error radius in whole metres, rounded up."""
    return ceil(place.radius_km * 1000) if place.radius_km else 0


def believable_box(stated: Place, ruleset: RuleSet) -> Box | None:
    """A box round a stated place in which every point is one, and near enough to it; None if there is none.

    Of several places of one name, round the greatest.
    """
    stated = max(stated.among, key=lambda each: each.radius_km, default=stated)
    half = (_doubted_from_km(stated, ruleset) + stated.radius_km) * _DEGREES_A_KM
    south, north = max(stated.lat - half, -90.0), min(stated.lat + half, 90.0)
    box = south, north, stated.lon - half, stated.lon + half
    return None if _holds_null_island(box) else box


def _usable(point: Location | None) -> Location | None:
    if point is None or point.lat in _POLES:
        return None
    at_null_island = abs(point.lat) < _NULL_ISLAND_DEGREES and abs(point.lon) < _NULL_ISLAND_DEGREES
    return None if at_null_island else point


def _holds_null_island(box: Box) -> bool:
    south, north, west, east = box
    nearly = _NULL_ISLAND_DEGREES
    return south < nearly and north > -nearly and west < nearly and east > -nearly


def _doubted_from_km(stated: Place, ruleset: RuleSet) -> float:
    """So far from the stated place a point is doubted; a country is too coarse for that."""
    return ruleset.contradiction_km if stated.kind == "country" else min(ruleset.doubt_km, ruleset.contradiction_km)


def _apart_km(lat: float, lon: float, stated: Place, near_km: float) -> float:
    """How far outside of the stated place the point is; 0 where a glance shows that it is not further than that."""
    surely = near_km * _DEGREES_A_KM
    if -surely < lat - stated.lat < surely and -surely < lon - stated.lon < surely:
        return 0.0
    return max(0.0, distance_km(lat, lon, stated.lat, stated.lon) - stated.radius_km)
