"""Topic ``fraud-alerts``, key ``card_id``: what detection says of one suspect, with the evidence for it."""

from typing import Literal, TypeAlias

from pydantic import Field

from streams.contracts.shape import Contract, Identifier, Moment, RecordedIdentifier

Status: TypeAlias = Literal["raised", "revised", "withdrawn"]
Verdict: TypeAlias = Literal["alert", "review"]
Severity: TypeAlias = Literal["low", "medium", "high"]


class Sighting(Contract):
    """One payment as a statement of where the card was; unknown is null. Radius in kilometres; ``at`` in UTC."""

    transaction_id: Identifier
    place: str
    country: str = ""
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    radius_km: float = Field(ge=0)
    at: Moment
    local_time: str = Field(default="", description="The same moment on the clocks of the place.")
    zone: str = Field(default="", description="IANA name of the place's time zone.")
    merchant: str | None = None
    mcc: str | None = None
    amount: str | None = None
    currency: str | None = None
    channel: str | None = None
    entry_mode: str | None = None
    outcome: str | None = None
    trust: str = Field(default="", description="How much the sighting is believed.")
    reason: str = Field(default="", description="Why it is believed so much and no more.")


class Payment(Contract):
    """One of the card's last payments, of any kind; unknown is null."""

    transaction_id: Identifier
    occurred_at: Moment
    merchant: str | None = None
    city: str | None = None
    country: str | None = None
    amount: str | None = None
    currency: str | None = None
    channel: str | None = None
    entry_mode: str | None = None
    outcome: str | None = None


class Journey(Contract):
    """The fastest plausible journey between the two places, in seconds from door to door."""

    means: str
    fastest_s: float = Field(ge=0)


class Evidence(Contract):
    """The evidence card: both sides, the distance, the time, and what would have made it possible."""

    suspect: Sighting
    against: Sighting | None = None
    distance_km: float | None = Field(default=None, ge=0)
    elapsed_s: float | None = Field(default=None, ge=0)
    journey: Journey | None = None
    possible_if: str = ""
    words: str = Field(default="", description="The evidence in one sentence, for a person.")
    recent: tuple[Payment, ...] = Field(default=(), max_length=10, strict=False)


class AlertMessage(Contract):
    """One alert a suspect: the same ``alert_id`` whatever is replayed; the later message in the partition stands."""

    alert_id: RecordedIdentifier
    status: Status
    card_id: RecordedIdentifier
    raised_by: Identifier = Field(description="The transaction on whose arrival it became known.")
    suspect: Identifier
    against: Identifier | None = None
    verdict: Verdict
    severity: Severity
    rule: str
    ruleset_version: str
    mode: Literal["live", "shadow"]
    evidence: Evidence
    raised_at: Moment
    arrived_at: Moment | None = Field(
        default=None,
        description="Broker time stamp of the record that made it known: of `raised_by`, or of the word on the card's "
        "payments in `card-context`; null where there was no broker.",
    )


_PHNOM_PENH = {
    "transaction_id": "t-phnom-penh-1",
    "place": "Phnom Penh",
    "country": "KH",
    "lat": 11.5564,
    "lon": 104.9282,
    "radius_km": 1.0,
    "at": "2026-03-14T10:00:00Z",
    "local_time": "2026-03-14T17:00:00+07:00",
    "zone": "Asia/Phnom_Penh",
    "merchant": "Central Market Coffee",
    "mcc": "5814",
    "amount": "4.50",
    "currency": "USD",
    "channel": "card_present",
    "entry_mode": "chip",
    "outcome": "approved",
    "trust": "trusted",
    "reason": "the chip was read at the counter",
}
_PARIS = {
    **_PHNOM_PENH,
    "transaction_id": "t-paris-1",
    "place": "Paris",
    "country": "FR",
    "lat": 48.8606,
    "lon": 2.3376,
    "at": "2026-03-14T10:12:00Z",
    "local_time": "2026-03-14T11:12:00+01:00",
    "zone": "Europe/Paris",
    "merchant": "Musée du Louvre",
    "mcc": "7991",
    "amount": "22.00",
    "currency": "EUR",
}
EXAMPLES: dict[str, dict[str, object]] = {
    "impossible-journey": {
        "alert_id": "7c5e3f04-3ab5-5b5f-8a4f-0a9a1f0c7c11",
        "status": "raised",
        "card_id": "card-sokha-visa",
        "raised_by": "t-paris-1",
        "suspect": "t-paris-1",
        "against": "t-phnom-penh-1",
        "verdict": "alert",
        "severity": "medium",
        "rule": "impossible_journey",
        "ruleset_version": "1",
        "mode": "live",
        "evidence": {
            "suspect": _PARIS,
            "against": _PHNOM_PENH,
            "distance_km": 9941.0,
            "elapsed_s": 720.0,
            "journey": {"means": "flight", "fastest_s": 39388.0},
            "possible_if": "the payments were at least 10 h 56 min apart",
            "words": "Paris is 9,941 km from Phnom Penh, and 12 minutes lie between the payments.",
            "recent": [
                {
                    "transaction_id": "t-phnom-penh-1",
                    "occurred_at": "2026-03-14T10:00:00Z",
                    "merchant": "Central Market Coffee",
                    "city": "Phnom Penh",
                    "country": "KH",
                    "amount": "4.50",
                    "currency": "USD",
                    "channel": "card_present",
                    "entry_mode": "chip",
                    "outcome": "approved",
                }
            ],
        },
        "raised_at": "2026-03-14T10:12:01.250Z",
        "arrived_at": "2026-03-14T10:12:01Z",
    }
}
