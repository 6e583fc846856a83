"""How throughput and memory change with the cards and their sightings, on Apache Kafka; prints a JSON object a line.

``python -m tests.bench.bench_growth [--cards 10000x1,10000x4,...] [--rows 300000] [--kept 200000]``. The cards'
memories are made by the rules and put into Redis as the worker would have, in its layout and its hashes; then a worker
reads payments of cards drawn evenly: the hardest case for what it keeps in the process, for no real feed is so even.
"""

import argparse
import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import confluent_kafka
import redis

from infra.settings import Settings
from rules.layout import NOTHING
from rules.transaction import decode
from rules.watch import Watch
from streams.detection.state import CARD_PREFIX, hash_name
from streams.topics import TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import servers
from tests.bench.feed import CITIES, payment
from tests.bench.watched import throughput

_AT_ONCE: Final = 5_000


def name_of(card: int) -> str:
    """Its token."""
    return f"card-{card:08d}"


def preload(store: redis.Redis, settings: Settings, cards: int, sightings: int) -> dict[str, float]:
    """Puts the cards where the worker would have; answers the bytes that each takes."""
    store.flushall()
    random_ = random.Random(cards)
    watch = Watch()
    now = datetime.now(UTC)
    stamp_ms = int(now.timestamp() * 1000)
    begin = now - timedelta(hours=10)
    value_bytes = 0
    for first in range(0, cards, _AT_ONCE):
        apart: list[dict[bytes, bytes]] = [{} for _ in range(settings.partitions)]
        for card in range(first, min(cards, first + _AT_ONCE)):
            memory = NOTHING
            for turn in range(sightings):
                number = card * sightings + turn
                moment = begin + timedelta(minutes=10 * turn)
                row = payment(number, name_of(card), CITIES[card % len(CITIES)], moment, random_)
                memory, _ = watch.observe(memory, decode(row), number, stamp_ms)
            value_bytes += len(memory)
            apart[card % settings.partitions][CARD_PREFIX + name_of(card).encode()] = memory
        for partition, fields in enumerate(apart):
            if fields:
                store.hset(hash_name(partition), mapping=fields)  # type: ignore[arg-type]  # bytes are taken as well
    used = sum(int(store.memory_usage(hash_name(number), samples=0) or 0) for number in range(settings.partitions))
    return {"redis_bytes_a_card": round(used / cards), "value_bytes": round(value_bytes / cards)}


def rows_of(cards: int, rows: int, seed: int) -> Iterator[tuple[int, str, bytes]]:
    """Partition, card and payment, of cards drawn evenly, at home."""
    random_ = random.Random(seed)
    begin = datetime.now(UTC) - timedelta(hours=1)
    for number in range(rows):
        card = random_.randrange(cards)
        at = begin + timedelta(minutes=50) * (number / rows)
        yield (
            card % 4,
            name_of(card),
            payment(10**8 + number, name_of(card), CITIES[card % len(CITIES)], at, random_),
        )


def fill(settings: Settings, cards: int, rows: int, seed: int) -> None:
    """Puts the payments into the partitions that their cards are in."""
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": settings.kafka_servers or "",
            "linger.ms": 50,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for number, (partition, card, value) in enumerate(rows_of(cards, rows, seed)):
        producer.produce(TRANSACTIONS, key=card, value=value, partition=partition)
        if not number % 1000:
            producer.poll(0)
    producer.flush(120)


def measure(cards: int, sightings: int, rows: int, kept: int) -> dict[str, Any]:
    """One size of the world, from nothing."""
    with servers(embedded=False) as there:
        settings = there.model_copy(update={"detection_cards_kept": kept})
        ensure_topics(settings.kafka_servers or "", settings)
        store = redis.Redis.from_url(settings.redis_url or "", socket_timeout=120)
        size = preload(store, settings, cards, sightings)
        fill(settings, cards, rows, cards)
        figures: dict[str, Any] = {"cards": cards, "sightings": sightings, "cards_kept": kept, **size}
        figures |= throughput(settings, 0, rows)
        return figures | {"load": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Measures as asked, and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cards", default="10000x1,10000x4,10000x16,1000000x1,1000000x4,5000000x1")
    options.add_argument("--rows", type=int, default=300_000)
    options.add_argument("--kept", type=int, default=Settings().detection_cards_kept, help="cards a partition")
    chosen = options.parse_args()
    for each in chosen.cards.split(","):
        cards, sightings = map(int, each.split("x"))
        print(json.dumps(measure(cards, sightings, chosen.rows, chosen.kept)), flush=True)


if __name__ == "__main__":
    main()
