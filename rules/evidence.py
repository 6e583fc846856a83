"""The evidence card: what an operator is shown of an alert, in words and in data.

It shows both sides and never says which of the two was wrong: where the memory began with the thief, the suspect is
the customer.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from rules.gazetteer import Gazetteer
from rules.itinerary import Reach
from rules.journey import Journey, distance_km, fastest_journey
from rules.memory import Entry
from rules.ruleset import RuleSet
from rules.sighting import WEAK, trust
from rules.transaction import Merchant, Transaction
from rules.verdict import Finding

GONE: Final = "The payment's record is no longer in the topic; shown is what the card's memory knows."

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN: Final = Merchant()
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


class SightingShown(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two sightings; unknown is null. ``at`` is UTC, ``local_time`` that of the nearest city's zone."""

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
        distance_km: the great circle between the two points, radii not taken off.
        elapsed_s: the time between the two, never negative.
        journey: the fastest plausible one over the distance less both radii.
        possible_if: what would have made it possible.
        recent: the card's last payments that could be looked up, newest first, at most ten.
    """

    suspect: SightingShown
    against: SightingShown
    distance_km: float
    elapsed_s: float
    journey: Journey
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
    journey = fastest_journey(Reach.distance_km(suspect, against), ruleset.means)
    elapsed_s = abs(suspect.at_us - against.at_us) / 1e6
    apart_km = distance_km(suspect.lat_e7 / 1e7, suspect.lon_e7 / 1e7, against.lat_e7 / 1e7, against.lon_e7 / 1e7)
    shown = _shown(suspect, known.get(suspect.ref), gazetteer)
    other = _shown(against, known.get(against.ref), gazetteer)
    return Evidence(
        suspect=shown,
        against=other,
        distance_km=round(apart_km, 1),
        elapsed_s=elapsed_s,
        journey=Journey(journey.means, round(journey.fastest_s, 1)),
        possible_if=(
            f"At least {_span(journey.fastest_s - ruleset.clock_allowance_s)} between the two"
            f" (a {journey.means} from door to door, {_span(ruleset.clock_allowance_s)} allowed for the clocks)."
        ),
        words=_words(finding, shown, other, apart_km=apart_km, elapsed_s=elapsed_s, journey=journey),
        recent=[_payment(known[ref]) for ref in finding.recent if ref in known],
    )


def _shown(entry: Entry, transaction: Transaction | None, gazetteer: Gazetteer) -> SightingShown:
    lat, lon = entry.lat_e7 / 1e7, entry.lon_e7 / 1e7
    nearest = gazetteer.nearest(lat, lon)
    zone = _zone(nearest.timezone)
    at = _EPOCH + timedelta(microseconds=entry.at_us)
    merchant = (transaction.merchant if transaction is not None else None) or _UNKNOWN
    return SightingShown(
        transaction_id=entry.transaction_id,
        place=merchant.city or nearest.name,
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
        reason=_reason(entry, transaction),
    )


def _reason(entry: Entry, transaction: Transaction | None) -> str:
    if transaction is None:
        return GONE
    trusted = trust(transaction.entry_mode, transaction.channel, transaction.type, transaction.instrument)
    reasons = [trusted.reason]
    if transaction.outcome == "declined":
        reasons.append("It was declined; the card was there all the same.")
    if transaction.deferred:
        reasons.append("It was reported late and is judged at its own time.")
    if entry.trust == WEAK and trusted.level != WEAK:
        reasons.append(f"Its place is known only within {entry.radius_m / 1000:,.0f} km.")
    return " ".join(reasons)


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
    elapsed_s: float,
    journey: Journey,
) -> str:
    first, second = (shown, other) if finding.suspect.order < finding.against.order else (other, shown)
    between = f"{_span(elapsed_s)} later" if elapsed_s else "at the same moment"
    told = (
        f"The card was used in {_where(first)} at {_when(first)} and {between} in {_where(second)} at {_when(second)},"
        f" {apart_km:,.0f} km away."
        f" The fastest plausible journey, by {journey.means}, takes {_span(journey.fastest_s)}."
    )
    if finding.status == "withdrawn":
        return f"No longer suspected, because of what has arrived since. {told}"
    return told


def _where(shown: SightingShown) -> str:
    return f"{shown.place} ({shown.country})"


def _when(shown: SightingShown) -> str:
    return f"{shown.local_time:%H:%M} local time"


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
