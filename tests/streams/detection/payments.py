"""Payments of the acceptance cases."""

from datetime import UTC, datetime, timedelta
from typing import Any

PHNOM_PENH = ("Phnom Penh", "KH", 11.5564, 104.9282)
PARIS = ("Paris", "FR", 48.8606, 2.3376)
ROME = ("Rome", "IT", 41.9028, 12.4964)
NADI = ("Nadi", "FJ", -17.7765, 177.4356)
LONDON = ("London", "GB", 51.5074, -0.1278)
SINGAPORE = ("Singapore", "SG", 1.4360, 103.7860)
JOHOR = ("Johor Bahru", "MY", 1.5300, 103.9170)
APIA = ("Apia", "WS", -13.8333, -171.7667)
TODAY = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=12)


def payment(card: str, name: str, place: tuple[str, str, float, float], minutes: float, **other: Any) -> dict[str, Any]:
    """One payment, `minutes` after the card's story began."""
    city, country, lat, lon = place
    return {
        "transaction_id": f"{card}-{name}",
        "card_id": card,
        "occurred_at": (TODAY + timedelta(minutes=minutes)).isoformat(),
        "amount": "18.50",
        "currency": "USD",
        "merchant": {"name": f"Shop in {city}", "mcc": "5411", "city": city, "country": country},
        "location": {"lat": lat, "lon": lon, "radius_km": 0},
        "channel": "card_present",
        "entry_mode": "chip",
        **other,
    }
