"""What a transaction says about where the card was; or why it says nothing."""

from functools import cache
from itertools import product
from math import ceil
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from rules.gazetteer import Gazetteer, Place
from rules.journey import distance_km
from rules.ruleset import RuleSet
from rules.transaction import Channel, EntryMode, Instrument, Location, Transaction, Type

NONE: Final = 0
WEAK: Final = 1
TRUSTED: Final = 2
"""How far a sighting is trusted: not at all, so far that it can be a suspect but is never believed, or fully."""

LOW: Final = 1
MEDIUM: Final = 2
HIGH: Final = 3
"""The severity with which it alarms."""

Absence: TypeAlias = Literal["without_customer", "wallet", "card_absent", "no_place"]
"""Why a transaction is no sighting, as it is counted."""

_NULL_ISLAND_DEGREES: Final = 0.01
_POLES: Final = frozenset((90.0, -90.0))
_DEGREES_A_KM: Final = 0.0063
"""A box of this half-width lies within a kilometre of its middle: 1 / (111.2 times the root of 2), less a bit."""


Box: TypeAlias = tuple[float, float, float, float]
"""South, north, west, east, in degrees, none of them within."""


class Trust(msgspec.Struct, frozen=True, gc=False):
    """How far a transaction is trusted as a sighting, before its place is looked at.

    Attributes:
        level: ``NONE``, ``WEAK`` or ``TRUSTED``.
        grade: the severity that its entry mode deserves.
        reason: in words, for the evidence card.
        absence: why it is no sighting; None if it is one.
    """

    level: int
    grade: int
    reason: str
    absence: Absence | None = None


_BY_ENTRY_MODE: Final[dict[str, Trust]] = {
    "chip": Trust(TRUSTED, MEDIUM, "The chip was read: the plastic was there."),
    "contactless": Trust(TRUSTED, MEDIUM, "The chip was read without contact: the plastic was there."),
    "magstripe": Trust(
        TRUSTED, MEDIUM, "The magnetic stripe was read: the plastic, or a copy of its stripe, was there."
    ),
    "fallback": Trust(WEAK, HIGH, "The chip could not be read and the stripe was used instead, as copied cards do."),
    "manual": Trust(WEAK, MEDIUM, "The number was keyed by hand: somebody who knew it was there."),
}


@cache
def trust(entry_mode: EntryMode, channel: Channel, kind: Type, instrument: Instrument) -> Trust:
    """The trust table: what kind of transaction is a sighting of the plastic, and how far.

    Outcome and lateness change nothing: a declined attempt with a wrong PIN is a sighting, and one that was deferred
    is judged at its own time. (ISO 8583 data element 22: 05 and 07 chip, 90 stripe, 80 fallback, 01 manual, 09, 10
    and 81 without card.)
    """
    if kind in {"refund", "reversal", "recurring"}:
        return Trust(
            NONE, LOW, "Refunds, reversals and recurring charges happen without the customer.", "without_customer"
        )
    if entry_mode == "credential_on_file":
        return Trust(NONE, LOW, "A stored card number is charged without the customer.", "without_customer")
    if channel == "card_not_present" or entry_mode == "ecommerce":
        return Trust(NONE, LOW, "The card was not there: the place is the merchant's.", "card_absent")
    if instrument == "wallet":
        return Trust(NONE, LOW, "A phone or watch is another device than the plastic.", "wallet")
    return _BY_ENTRY_MODE[entry_mode]


def every_trust() -> dict[tuple[str, str, str, str], Trust]:
    """The whole trust table, by entry mode, channel, type and instrument."""
    kinds = product(get_args(EntryMode), get_args(Channel), get_args(Type), get_args(Instrument))
    return {kind: trust(*kind) for kind in kinds}


def place_of(transaction: Transaction, gazetteer: Gazetteer, ruleset: RuleSet) -> Place | Location | None:
    """Where the terminal stands: its point, or the stated city where there is none or the point contradicts it.

    (0, 0) and the poles are no points. None: neither a usable point nor a city that the gazetteer knows.
    """
    point = transaction.location
    if point is not None:
        lat, lon = point.lat, point.lon
        if lat in _POLES or (-_NULL_ISLAND_DEGREES < lat < _NULL_ISLAND_DEGREES and abs(lon) < _NULL_ISLAND_DEGREES):
            point = None
    merchant = transaction.merchant
    if merchant is None or merchant.city is None or merchant.country is None:
        return point
    city = gazetteer.find(merchant.city, merchant.country)
    if point is None or (city is not None and _apart(lat, lon, city, ruleset.contradiction_km)):
        return city
    return point


def radius_m(place: Place | Location) -> int:
    """The place's error radius in whole metres, rounded up."""
    return ceil(place.radius_km * 1000) if place.radius_km else 0


def believable_box(city: Place, ruleset: RuleSet) -> Box | None:
    """A box round a stated city in which every point is one, and near enough to the city; None if there is none."""
    half = ruleset.contradiction_km * _DEGREES_A_KM
    south, north = max(city.lat - half, -90.0), min(city.lat + half, 90.0)
    box = south, north, city.lon - half, city.lon + half
    return None if _holds_null_island(box) else box


def _holds_null_island(box: Box) -> bool:
    south, north, west, east = box
    nearly = _NULL_ISLAND_DEGREES
    return south < nearly and north > -nearly and west < nearly and east > -nearly


def _apart(lat: float, lon: float, city: Place, limit_km: float) -> bool:
    surely = limit_km * _DEGREES_A_KM
    if -surely < lat - city.lat < surely and -surely < lon - city.lon < surely:
        return False
    return distance_km(lat, lon, city.lat, city.lon) - city.radius_km > limit_km
