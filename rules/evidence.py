"""The evidence card: what an operator is shown of an alert, in words and in data.

It shows both sides and never says which of the two was wrong: where the memory began with the thief, the suspect is
the customer. ``rules.drawing.map_of`` draws it as a map.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from rules.gazetteer import City, Gazetteer
from rules.itinerary import Reach
from rules.journey import Journey, distance_km, fastest_journey, reach_km
from rules.memory import Entry
from rules.ruleset import RuleSet
from rules.sighting import how_placed, radius_m
from rules.transaction import HALF_ROUND_THE_EARTH_KM, Merchant, Transaction
from rules.trust import DECLINED, DEFERRED, WEAK, trust
from rules.verdict import Finding

GONE: Final = "The payment's record is no longer in the topic; shown is what the card's memory knows."

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN: Final = Merchant()
_SOMEWHERE: Final = "somewhere in "
_FROM: Final = " km from "
_NEAR_KM: Final = 50.0
_WORTH_SAYING: Final = 0.02
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


class SightingShown(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two sightings; unknown is null.

    ``at`` is UTC, ``local_time`` the same moment on the clocks of the nearest city; ``reason`` says why it is trusted
    so far, and how its place is known where it is not simply the terminal's point.
    """

    transaction_id: str
    place: str
    country: str
    lat: float
    lon: float
    radius_km: float
    at: datetime
    local_time: datetime
    zone: str
    merchant: str | None
    mcc: str | None
    amount: str | None
    currency: str | None
    channel: str | None
    entry_mode: str | None
    outcome: str | None
    trust: str
    reason: str


class PaymentShown(msgspec.Struct, frozen=True, kw_only=True):
    """One of the card's last payments, of any kind."""

    transaction_id: str
    occurred_at: datetime
    merchant: str | None
    city: str | None
    country: str | None
    amount: str
    currency: str
    channel: str
    entry_mode: str
    outcome: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence card.

    Attributes:
        against: null where the suspect is one by itself: the use of a blocked card; so is what compares the two.
        distance_km: the great circle between the two points, radii not taken off.
        elapsed_s: the time between the two, never negative.
        journey: the fastest plausible one over the distance less both radii.
        possible_if: what would have made it possible.
        recent: the card's last payments that could be looked up, newest first, at most ten.
    """

    suspect: SightingShown
    against: SightingShown | None
    distance_km: float | None
    elapsed_s: float | None
    journey: Journey | None
    possible_if: str
    words: str
    recent: list[PaymentShown]


def gather(finding: Finding, known: Mapping[int, Transaction], gazetteer: Gazetteer, ruleset: RuleSet) -> Evidence:
    """The evidence card of a finding.

    Args:
        finding: what changed.
        known: transactions by ref, as far as they could be looked up.
        gazetteer: names the places and their time zones.
        ruleset: the one that the finding was made under.
    """
    suspect, against = finding.suspect, finding.against
    recent = [_payment(known[ref]) for ref in finding.recent if ref in known]
    if against is None:
        return _of_blocked_card(finding, known.get(suspect.ref), gazetteer, ruleset, recent)
    away_km = Reach.distance_km(suspect, against)
    journey = fastest_journey(away_km, ruleset.means)
    elapsed_s = abs(suspect.at_us - against.at_us) / 1e6
    apart_km = distance_km(suspect.lat_e7 / 1e7, suspect.lon_e7 / 1e7, against.lat_e7 / 1e7, against.lon_e7 / 1e7)
    shown = _shown(suspect, known.get(suspect.ref), gazetteer, ruleset)
    other = _shown(against, known.get(against.ref), gazetteer, ruleset)
    return Evidence(
        suspect=shown,
        against=other,
        distance_km=round(apart_km, 1),
        elapsed_s=elapsed_s,
        journey=Journey(journey.means, round(journey.fastest_s, 1)),
        possible_if=_possible_if(journey, elapsed_s, away_km, ruleset),
        words=_words(finding, shown, other, apart_km=apart_km, away_km=away_km, elapsed_s=elapsed_s, journey=journey),
        recent=recent,
    )


def _of_blocked_card(
    finding: Finding,
    transaction: Transaction | None,
    gazetteer: Gazetteer,
    ruleset: RuleSet,
    recent: list[PaymentShown],
) -> Evidence:
    """The evidence of a use of a blocked card: one side, and no journey."""
    entry = finding.suspect
    shown = _shown(entry, transaction, gazetteer, ruleset) if entry.trust else _nowhere(entry, transaction)
    where = _where(shown) if entry.trust else "without the card being there"
    words = (
        f"The card is blocked, and was used {where} on {_clock(shown).date():%-d %B} at {_when(shown)}; the bank"
        " declined it."
    )
    if finding.status == "withdrawn":
        words = f"No longer suspected, because of what is known since. {words}"
    return Evidence(
        suspect=shown,
        against=None,
        distance_km=None,
        elapsed_s=None,
        journey=None,
        possible_if="",
        words=words,
        recent=recent,
    )


def _nowhere(entry: Entry, transaction: Transaction | None) -> SightingShown:
    """A payment that does not say where the card was: anywhere on Earth."""
    at = _EPOCH + timedelta(microseconds=entry.at_us)
    merchant = (transaction.merchant if transaction is not None else None) or _UNKNOWN
    return SightingShown(
        transaction_id=entry.transaction_id,
        place=merchant.city or "anywhere",
        country=merchant.country or "",
        lat=0.0,
        lon=0.0,
        radius_km=float(HALF_ROUND_THE_EARTH_KM),
        at=at,
        local_time=at,
        zone="UTC",
        merchant=merchant.name,
        mcc=merchant.mcc,
        amount=None if transaction is None else str(transaction.amount),
        currency=None if transaction is None else transaction.currency,
        channel=None if transaction is None else transaction.channel,
        entry_mode=None if transaction is None else transaction.entry_mode,
        outcome=None if transaction is None else transaction.outcome,
        trust="none",
        reason=GONE if transaction is None else "It does not say where the card was.",
    )


def _shown(entry: Entry, transaction: Transaction | None, gazetteer: Gazetteer, ruleset: RuleSet) -> SightingShown:
    lat, lon = entry.lat_e7 / 1e7, entry.lon_e7 / 1e7
    nearest = gazetteer.nearest(lat, lon)
    zone = _zone(nearest.timezone)
    at = _EPOCH + timedelta(microseconds=entry.at_us)
    merchant = (transaction.merchant if transaction is not None else None) or _UNKNOWN
    return SightingShown(
        transaction_id=entry.transaction_id,
        place=merchant.city or _named(entry, merchant.country, nearest, gazetteer),
        country=merchant.country or nearest.countrycode,
        lat=round(lat, 5),
        lon=round(lon, 5),
        radius_km=entry.radius_m / 1000,
        at=at,
        local_time=at.astimezone(zone),
        zone=zone.key,
        merchant=merchant.name,
        mcc=merchant.mcc,
        amount=None if transaction is None else str(transaction.amount),
        currency=None if transaction is None else transaction.currency,
        channel=None if transaction is None else transaction.channel,
        entry_mode=None if transaction is None else transaction.entry_mode,
        outcome=None if transaction is None else transaction.outcome,
        trust="weak" if entry.trust == WEAK else "trusted",
        reason=GONE if transaction is None else _reason(entry, transaction, gazetteer, ruleset),
    )


def _named(entry: Entry, country: str | None, nearest: City, gazetteer: Gazetteer) -> str:
    """What the place is called where no city was stated: the nearest city, if that says where it is."""
    stated = gazetteer.stated(None, country)
    if stated is not None and radius_m(stated) == entry.radius_m:
        return f"{_SOMEWHERE}{stated.name}"
    away_km = distance_km(entry.lat_e7 / 1e7, entry.lon_e7 / 1e7, nearest.latitude, nearest.longitude)
    return nearest.name if away_km < _NEAR_KM else f"{away_km:,.0f}{_FROM}{nearest.name}"


def _reason(entry: Entry, transaction: Transaction, gazetteer: Gazetteer, ruleset: RuleSet) -> str:
    trusted = trust(transaction.entry_mode, transaction.channel, transaction.type, transaction.instrument)
    reasons = [trusted.reason]
    if transaction.outcome == "declined":
        reasons.append(DECLINED.reason)
    if transaction.deferred:
        reasons.append(DEFERRED.reason)
    reasons.append(how_placed(transaction, gazetteer, ruleset))
    if entry.trust == WEAK:
        if trusted.level != WEAK:
            reasons.append(f"Its place is known only within {entry.radius_m / 1000:,.0f} km.")
        reasons.append("So it may be doubted, and is never believed.")
    return " ".join(filter(None, reasons))


def _possible_if(journey: Journey, elapsed_s: float, away_km: float, ruleset: RuleSet) -> str:
    allowed_s = ruleset.clock_allowance_s
    reached_km = max(ruleset.floor_km, reach_km(elapsed_s + allowed_s, ruleset.means))
    return (
        f"At least {_span(journey.fastest_s - allowed_s)} between the two ({journey.means} over {away_km:,.0f} km, from"
        f" one till to the other; {_span(allowed_s)} are allowed for the clocks); or a second place within"
        f" {reached_km:,.0f} km of the first."
    )


def _payment(transaction: Transaction) -> PaymentShown:
    merchant = transaction.merchant or _UNKNOWN
    return PaymentShown(
        transaction_id=transaction.transaction_id,
        occurred_at=transaction.occurred_at.astimezone(UTC),
        merchant=merchant.name,
        city=merchant.city,
        country=merchant.country,
        amount=str(transaction.amount),
        currency=transaction.currency,
        channel=transaction.channel,
        entry_mode=transaction.entry_mode,
        outcome=transaction.outcome,
    )


def _words(
    finding: Finding,
    shown: SightingShown,
    other: SightingShown,
    *,
    apart_km: float,
    away_km: float,
    elapsed_s: float,
    journey: Journey,
) -> str:
    first, second = (
        (shown, other) if finding.against is None or finding.suspect.order < finding.against.order else (other, shown)
    )
    between = f"{_span(elapsed_s)} later" if elapsed_s >= 1 else "at the same moment"
    at_least = (
        f" (at least {away_km:,.0f} km, wherever in their circles they are)"
        if apart_km - away_km > _WORTH_SAYING * apart_km
        else ""
    )
    day, other_day = _clock(first).date(), _clock(second).date()
    next_day = f" on {other_day:%-d %B}" if other_day != day else ""
    told = (
        f"The card was used {_where(first)} on {day:%-d %B} at {_when(first)} and {between}"
        f" {_where(second)} at {_when(second)}{next_day}, {apart_km:,.0f} km away{at_least}."
        f" The fastest plausible journey, by {journey.means}, takes {_span(journey.fastest_s)}."
    )
    if finding.against is not None and finding.suspect.device != finding.against.device:
        told += " The plastic and a phone or watch, or two of these, may be in two hands."
    if finding.status == "withdrawn":
        return f"No longer suspected, because of what is known since. {told}"
    return told


def _where(shown: SightingShown) -> str:
    if shown.place.startswith(_SOMEWHERE):
        return shown.place
    named = f"{shown.place} ({shown.country})"
    return named if _FROM in shown.place else f"in {named}"


def _clock(shown: SightingShown) -> datetime:
    """The time as the words say it: local, or UTC where so wide a circle may lie in several time zones."""
    return shown.local_time if shown.radius_km <= _NEAR_KM else shown.at


def _when(shown: SightingShown) -> str:
    utc = f"{shown.at:%H:%M} UTC"
    return utc if _clock(shown) is shown.at else f"{shown.local_time:%H:%M} local time ({utc})"


def _span(seconds: float) -> str:
    """A length of time as a person says it."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / _MINUTE_S), _HOUR_S // _MINUTE_S)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@cache
def _zone(name: str) -> ZoneInfo:
    """The zone, or UTC where the machine's zone data are older than the gazetteer."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return ZoneInfo("UTC")
