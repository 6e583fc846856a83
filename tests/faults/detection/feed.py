"""Transactions for the fault runs: many impossible journeys, each row one to three times, in any order, some broken."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

SPAN: Final = timedelta(hours=20)
"""From the first payment to the last: less than the day after which a verdict depends on when it is reached."""
_MOST_A_CARD: Final = 12
"""Fewer than a memory has room for, so that the order cannot decide what is forgotten."""
_CITIES: Final = (
    ("Phnom Penh", "KH", 11.5564, 104.9282),
    ("Siem Reap", "KH", 13.3633, 103.8564),
    ("San Francisco", "US", 37.7749, -122.4194),
    ("Lyon", "FR", 45.7640, 4.8357),
    ("Paris", "FR", 48.8606, 2.3376),
    ("Singapore", "SG", 1.3521, 103.8198),
    ("Suva", "FJ", -18.1416, 178.4419),
)
_WAYS: Final = (
    (("chip", "card_present"), 60),
    (("contactless", "card_present"), 20),
    (("magstripe", "card_present"), 8),
    (("manual", "card_present"), 2),
    (("ecommerce", "card_not_present"), 10),
)
_AWAY: Final = 0.06
_REPEATS: Final = 0.02


class Arrival(NamedTuple):
    """One record as it is put into the topic."""

    card_id: str
    value: bytes
    broken: bool = False


def transactions(count: int, random: Random, *, end: datetime | None = None) -> list[Arrival]:
    """So many different transactions of cards with one to twelve each, in the order of cards; about 6 % are away."""
    begin = (end or datetime.now(UTC) - timedelta(minutes=10)) - SPAN
    found: list[Arrival] = []
    card = 0
    while len(found) < count:
        card += 1
        found += _card(f"card-{card:06d}", min(random.randint(1, _MOST_A_CARD), count - len(found)), begin, random)
    return found


def arrivals(rows: list[Arrival], random: Random, *, broken: float = 0.01) -> list[Arrival]:
    """Each of the rows one to three times, with broken ones among them, shuffled over the whole span."""
    several = [row for row in rows for _ in range(random.choices((1, 2, 3), (70, 20, 10))[0])]
    several += [_broken(row, number, random) for number, row in enumerate(random.sample(rows, int(len(rows) * broken)))]
    random.shuffle(several)
    return several


def _card(card: str, count: int, begin: datetime, random: Random) -> Iterator[Arrival]:
    home = random.choice(_CITIES)
    names: list[str] = []
    for number in range(count):
        name = f"{card}-{number}"
        entry, channel = random.choices([way for way, _ in _WAYS], [share for _, share in _WAYS])[0]
        city, country, lat, lon = random.choice(_CITIES) if random.random() < _AWAY else home
        row: dict[str, Any] = {
            "transaction_id": name,
            "card_id": card,
            "occurred_at": (begin + SPAN * random.random()).isoformat(),
            "amount": f"{random.randrange(100, 20_000) / 100:.2f}",
            "currency": "USD",
            "merchant": {"name": f"Shop in {city}", "mcc": "5411", "city": city, "country": country},
            "location": {"lat": lat + random.random() / 50, "lon": lon + random.random() / 50},
            "channel": channel,
            "entry_mode": entry,
        }
        if names and random.random() < _REPEATS:
            row["repeat_of"] = random.choice(names)
        names.append(name)
        yield Arrival(card, json.dumps(row).encode())


def _broken(row: Arrival, number: int, random: Random) -> Arrival:
    fields = json.loads(row.value) | {"transaction_id": f"broken-{number}"}
    ways: list[bytes] = [
        row.value[: len(row.value) // 2],
        json.dumps({name: value for name, value in fields.items() if name != "amount"}).encode(),
        json.dumps(fields | {"occurred_at": "yesterday"}).encode(),
        json.dumps(fields | {"card_id": "4111111111111111"}).encode(),
        json.dumps(fields | {"occurred_at": "2999-01-01T00:00:00+00:00"}).encode(),
    ]
    return Arrival(row.card_id, random.choice(ways), broken=True)
