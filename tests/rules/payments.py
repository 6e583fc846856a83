"""What the tests of the rules speak in: payments in named places, and a partition that takes them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rules.alert import Alert, make_alert
from rules.itinerary import Reach, walk
from rules.layout import NOTHING, unpack
from rules.memory import Memory
from rules.ruleset import LIVE, RuleSet
from rules.transaction import Transaction, decode
from rules.verdict import Finding
from rules.watch import Watch

CARD = "card-sokha-visa"
TEN = datetime(2026, 3, 14, 10, tzinfo=UTC)
STAMP = TEN + timedelta(days=60)

PLACES: dict[str, tuple[str, str, float, float]] = {
    "Phnom Penh": ("Phnom Penh", "KH", 11.5564, 104.9282),
    "Paris": ("Paris", "FR", 48.8606, 2.3376),
    "London": ("London", "GB", 51.5074, -0.1278),
    "Rome": ("Rome", "IT", 41.9028, 12.4964),
    "Singapore": ("Singapore", "SG", 1.4360, 103.7860),
    "Johor": ("Johor Bahru", "MY", 1.5300, 103.9170),
    "Fiji": ("Suva", "FJ", -18.1416, 178.4419),
    "Samoa": ("Apia", "WS", -13.8333, -171.7667),
}


def payment(name: str, place: str | None, at: datetime = TEN, **fields: Any) -> bytes:
    """A chip payment as the topic carries it; ``fields`` overrides."""
    city, country, lat, lon = PLACES[place] if place is not None else (None, None, None, None)
    row = {
        "transaction_id": name,
        "card_id": CARD,
        "occurred_at": at.isoformat(),
        "amount": "22.00",
        "currency": "EUR",
        "merchant": {"name": f"Shop in {city}", "mcc": "5411", "city": city, "country": country},
        "location": None if place is None else {"lat": lat, "lon": lon},
        "channel": "card_present",
        "entry_mode": "chip",
    }
    return json.dumps(row | fields).encode()


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


class Partition:
    """Takes payments in order of arrival and keeps every alert that was told."""

    def __init__(self, ruleset: RuleSet = LIVE) -> None:
        self.watch = Watch(ruleset)
        self.ruleset = ruleset
        self.memories: dict[str, bytes] = {}
        self.known: list[Transaction] = []
        self.told: list[Alert] = []

    def arrive(self, *rows: bytes, stamp: datetime = STAMP) -> list[Alert]:
        """What the rows made known, in order."""
        alerts: list[Alert] = []
        for row in rows:
            transaction = decode(row)
            self.known.append(transaction)
            self.memories[transaction.card_id], found = self.watch.observe(
                self.memories.get(transaction.card_id, NOTHING),
                transaction,
                len(self.known) - 1,
                int(stamp.timestamp() * 1000),
            )
            known = dict(enumerate(self.known))
            alerts += [make_alert(each, transaction.card_id, known, raised_at=stamp, arrived_at=None) for each in found]
        self.told += alerts
        return alerts

    def say(self, *, confirmed: Sequence[str] = (), struck_out: Sequence[str] = ()) -> list[Alert]:
        """What became known by a word on payments of the card."""
        self.memories[CARD], found = self.watch.say(self.memories.get(CARD, NOTHING), confirmed, struck_out)
        return [self.follow(finding) for finding in found]

    def follow(self, finding: Finding) -> Alert:
        """The alert of a finding, told."""
        known = dict(enumerate(self.known))
        alert = make_alert(finding, CARD, known, raised_at=STAMP, arrived_at=None)
        self.told.append(alert)
        return alert

    @property
    def standing(self) -> dict[str, str | None]:
        """What stands by the messages alone: suspect -> against."""
        stands: dict[str, Alert] = {}
        for alert in self.told:
            if alert.status == "withdrawn":
                del stands[alert.alert_id]
            else:
                stands[alert.alert_id] = alert
        return {alert.suspect: alert.against for alert in stands.values()}

    @property
    def remembered(self) -> dict[str, str | None]:
        """What stands by the card's memory: suspect -> against."""
        return {
            name: each.against.transaction_id if each.against else None for name, each in self.memory.standing.items()
        }

    @property
    def walked(self) -> dict[str, str | None]:
        """What a walk through the memory finds, done afresh."""
        memory = self.memory
        found = walk(memory, Reach(self.ruleset)).suspects
        return {each.suspect.transaction_id: each.against.transaction_id if each.against else None for each in found}

    @property
    def memory(self) -> Memory:
        return unpack(self.memories.get(CARD, NOTHING))

    @property
    def believed(self) -> str | None:
        """The last believed transaction of the card."""
        believed = self.memory.believed
        return believed.transaction_id if believed else None
