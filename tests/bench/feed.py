"""The transactions that the benchmarks of detection run on: made from a seed, put into a topic."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import confluent_kafka
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from rules.layout import NOTHING
from rules.transaction import decode
from rules.watch import Watch
from streams.topics import PARTITIONER
from tests.bench.rivals.speed import Sighting, impossible, sighting

CARDS: Final = 47_000
JOURNEYS: Final = 941
SPAN: Final = timedelta(hours=20)
Place = tuple[str, str, float, float]
CITIES: Final[tuple[Place, ...]] = (
    ("Phnom Penh", "KH", 11.5564, 104.9282),
    ("Siem Reap", "KH", 13.3633, 103.8564),
    ("San Francisco", "US", 37.7749, -122.4194),
    ("Lyon", "FR", 45.7640, 4.8357),
    ("Singapore", "SG", 1.3521, 103.8198),
    ("Nadi", "FJ", -17.7765, 177.4356),
)
PARIS: Final[Place] = ("Paris", "FR", 48.8606, 2.3376)


def payment(number: int, card: str, place: Place, at: datetime, random_: random.Random) -> bytes:
    """One payment of about 350 bytes."""
    city, country, lat, lon = place
    return (
        f'{{"transaction_id":"tx-{number:09d}","card_id":"{card}","occurred_at":"{at.isoformat()}",'
        f'"amount":"{random_.randrange(100, 20_000) / 100:.2f}","currency":"USD",'
        f'"merchant":{{"name":"Market Street {number % 900}","mcc":"5411",'
        f'"city":"{city}","country":"{country}"}},'
        f'"location":{{"lat":{lat + random_.random() / 50:.5f},"lon":{lon + random_.random() / 50:.5f}}},'
        '"channel":"card_present","entry_mode":"chip","type":"purchase","outcome":"approved"}'
    ).encode()


def transactions(rows: int, *, seed: int, end: datetime, cards: int = CARDS) -> Iterator[tuple[str, bytes]]:
    """Card and payment in the order of time; `JOURNEYS` of them far from where the card just was."""
    random_ = random.Random(seed)
    far = set(random_.sample(range(rows // 2, rows), min(JOURNEYS, rows // 500)))
    begin = end - SPAN
    for number in range(rows):
        card = random_.randrange(cards)
        place = PARIS if number in far else CITIES[card % len(CITIES)]
        name = f"card-{card:06d}"
        yield name, payment(number, name, place, begin + SPAN * (number / rows), random_)


def each_once(cards: int, *, seed: int, at: datetime, sightings: int = 1) -> Iterator[tuple[str, bytes]]:
    """So many payments of each card, at home, a minute and more apart; first one of every card, then the next."""
    random_ = random.Random(seed)
    for turn in range(sightings):
        begin = at + timedelta(minutes=10 * turn)
        for card in range(cards):
            name = f"card-{card:08d}"
            moment = begin + timedelta(minutes=5) * (card / cards)
            yield name, payment(turn * cards + card, name, CITIES[card % len(CITIES)], moment, random_)


def expected(feed: Iterable[tuple[str, bytes]]) -> tuple[int, int]:
    """How many alerts the rules and the rivals' plain rule are to raise on it, judged here one after the other."""
    watch, memories = Watch(), dict[str, bytes]()
    told: Counter[str] = Counter()
    last: dict[str, Sighting] = {}
    stamp_ms = int(datetime.now(UTC).timestamp() * 1000)
    for ref, (card, value) in enumerate(feed):
        transaction = decode(value)
        memories[card], found = watch.observe(memories.get(card, NOTHING), transaction, ref, stamp_ms)
        told["rules"] += len(found)
        assert transaction.location is not None
        now = sighting(transaction.occurred_at.isoformat(), transaction.location.lat, transaction.location.lon)
        if card in last and impossible(last[card], now):
            told["plain"] += 1
        else:
            last[card] = now
    return told["rules"], told["plain"]


def fill(servers: str, topic: str, feed: Iterable[tuple[str, bytes]]) -> float:
    """Puts the transactions into the topic; answers their mean size in bytes."""
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": servers,
            "partitioner": PARTITIONER,
            "linger.ms": 50,
            "queue.buffering.max.messages": 1_000_000,
            "compression.type": "lz4",
        }
    )
    size = rows = 0
    for card, value in feed:
        size += len(value)
        rows += 1
        while True:
            try:
                producer.produce(topic, key=card, value=value)
                break
            except BufferError:
                producer.poll(0.1)
        if not rows % 1000:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("the broker did not take the transactions")
    return size / rows


def make_topic(servers: str, name: str, partitions: int) -> None:
    """A topic of the benchmark's own."""
    client = AdminClient({"bootstrap.servers": servers})
    client.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
