"""How throughput and memory change with the cards and their sightings, on Apache Kafka; prints a JSON object a line.

``python -m tests.bench.bench_growth [--cards 10000x1,10000x4,...] [--rows 200000] [--rounds 3] [--kept 200000]``. Cards
are put into Redis as the worker would have put them, in its layout and its hashes; then a worker with an empty process
reads payments of cards drawn evenly: the hardest case for what it keeps in the process, for no real feed is so even.

Worlds of as many sightings stand side by side, each with a broker and a Redis of its own, and take turns: each is put
back to where it was, and judged again. Figures are medians of the rounds; ``beside_the_least`` are the medians of what
a world's rate and cost were of those of the one with the fewest cards, in the same round.
"""

import argparse
import gc
import json
import os
import random
import statistics
import sys
import tracemalloc
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import confluent_kafka
import redis

from infra.settings import Settings
from rules.layout import NOTHING
from rules.transaction import decode
from rules.watch import Watch
from streams.detection.state import CARD_PREFIX, hash_name
from streams.detection.wire import commands
from streams.topics import TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import servers
from tests.bench.feed import CITIES, payment
from tests.bench.watched import forget_group, throughput

_AT_ONCE: Final = 10_000
"""Words of one command."""
_KINDS: Final = 1_000 * len(CITIES)
"""So many cards' memories are made by the rules; the others have the same ones, which nobody compares."""


def name_of(card: int) -> str:
    """Its token."""
    return f"card-{card:08d}"


def memories(sightings: int) -> list[bytes]:
    """What the rules make of so many payments, each at home: the memories of the first cards."""
    random_ = random.Random(sightings)
    watch, now = Watch(), datetime.now(UTC)
    stamp_ms, begin = int(now.timestamp() * 1000), now - timedelta(hours=10)
    made: list[bytes] = []
    for card in range(_KINDS):
        memory = NOTHING
        for turn in range(sightings):
            number = card * sightings + turn
            row = payment(number, "card", CITIES[card % len(CITIES)], begin + timedelta(minutes=10 * turn), random_)
            memory, _ = watch.observe(memory, decode(row), number, stamp_ms)
        made.append(memory)
    return made


def process_bytes_a_card(made: list[bytes]) -> int:
    """What a card that stays takes in the worker: its memory, its name, and its place among the others."""
    tracemalloc.start()
    kept = {name_of(card): bytes(bytearray(memory)) for card, memory in enumerate(made)}
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return round(taken / len(kept))


def rows_of(cards: int, rows: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """Card and payment, of cards drawn evenly, at home."""
    random_ = random.Random(seed)
    begin = datetime.now(UTC) - timedelta(hours=1)
    for number in range(rows):
        card = random_.randrange(cards)
        at = begin + timedelta(minutes=50) * (number / rows)
        yield card, payment(10**8 + number, name_of(card), CITIES[card % len(CITIES)], at, random_)


def put(settings: Settings, cards: Iterable[int], made: list[bytes]) -> None:
    """Puts these cards into Redis as the worker would have, with memories that the rules made."""
    connection: Any = redis.Redis.from_url(
        settings.redis_url or "", socket_timeout=120
    ).connection_pool.get_connection()

    def write(number: int, words: list[bytes]) -> None:  # the client takes minutes for millions
        connection.send_packed_command([commands([[b"HSET", hash_name(number).encode(), *words]])])
        connection.read_response()

    apart: dict[int, list[bytes]] = defaultdict(list)
    for card in cards:
        words = apart[card % settings.partitions]
        words += (CARD_PREFIX + name_of(card).encode(), made[card % _KINDS])
        if len(words) >= _AT_ONCE:
            write(card % settings.partitions, words)
            words.clear()
    for number, words in apart.items():
        if words:
            write(number, words)
    connection.disconnect()


class World:
    """So many cards with so many sightings, and the payments that are to be judged."""

    def __init__(self, settings: Settings, cards: int, sightings: int, rows: int) -> None:
        self.cards, self.sightings, self.rows = cards, sightings, rows
        self.runs: list[dict[str, Any]] = []
        self._settings = settings
        self._store = redis.Redis.from_url(settings.redis_url or "", socket_timeout=120)
        self._made = memories(sightings)
        ensure_topics(settings.kafka_servers or "", settings)
        put(settings, range(cards), self._made)
        names = map(hash_name, range(settings.partitions))
        used = sum(int(self._store.memory_usage(name, samples=0) or 0) for name in names)
        self.size = {
            "redis_bytes_a_card": round(used / cards),
            "value_bytes": len(self._made[0]),
            "process_bytes_a_card": process_bytes_a_card(self._made),
        }
        self._touched = self._fill()

    def judge(self) -> None:
        """One worker, from the first payment to the last; then everything is as before."""
        figures: dict[str, Any] = throughput(self._settings, 0, self.rows)
        self.runs.append(figures | {"load": round(os.getloadavg()[0], 1)})
        for number in range(self._settings.partitions):
            name = hash_name(number)
            own = {b"position", b"identity", b"epoch", b"holder", b"serial", b"generation", b"watermark_us"}
            own |= {b"ruleset", b"ruleset_from", b"applied_ms", b"begun_ms", b"heard_identity", b"heard_position"}
            self._store.hdel(name, *own)
        put(self._settings, self._touched, self._made)
        forget_group(self._settings)

    def figures(self, least: "World") -> dict[str, Any]:
        """Everything that was seen, beside the world with the fewest cards."""
        rates = [run["transactions_per_s"] for run in self.runs]
        told: dict[str, Any] = {"cards": self.cards, "sightings": self.sightings, **self.size}
        told["cards_kept"] = self._settings.detection_cards_kept
        told |= {
            name: statistics.median(run[name] for run in self.runs)
            for name in ("transactions_per_s", "cpu_s_per_100000", "peak_mb", "load")
        }
        told["transactions_per_s_range"] = [min(rates), max(rates)]
        told["beside_the_least"] = {
            name: round(statistics.median(a[name] / b[name] for a, b in zip(self.runs, least.runs, strict=True)), 3)
            for name in ("transactions_per_s", "cpu_s_per_100000")
        }
        return told

    def _fill(self) -> set[int]:
        """Puts the payments into the partitions that their cards are in; answers the cards."""
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": self._settings.kafka_servers or "",
                "linger.ms": 50,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        touched = set()
        for number, (card, value) in enumerate(rows_of(self.cards, self.rows, self.cards)):
            touched.add(card)
            partition = card % self._settings.partitions
            producer.produce(TRANSACTIONS, key=name_of(card), value=value, partition=partition)
            if not number % 1000:
                producer.poll(0)
        if producer.flush(120):
            raise RuntimeError("the broker did not take the payments")
        return touched


def measure(cards: list[int], sightings: int, chosen: argparse.Namespace) -> None:
    """Worlds of these sizes in turn; prints each one's figures."""
    with ExitStack() as stack:
        worlds: list[World] = []
        for size in sorted(cards):
            settings = stack.enter_context(servers(embedded=False))
            settings = settings.model_copy(update={"detection_cards_kept": chosen.kept})
            worlds.append(World(settings, size, sightings, chosen.rows))
        for round_ in range(chosen.rounds):
            for world in worlds if round_ % 2 else worlds[::-1]:
                world.judge()
                print(f"round {round_ + 1}, {world.cards}x{sightings}: {world.runs[-1]}", file=sys.stderr, flush=True)
        for world in worlds:
            print(json.dumps(world.figures(worlds[0])), flush=True)


def main() -> None:
    """Measures as asked, and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    worlds = "10000x1,1000000x1,5000000x1,10000x4,1000000x4,5000000x4,10000x16,1000000x16"
    options.add_argument("--cards", default=worlds)
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--kept", type=int, default=Settings().detection_cards_kept, help="cards a partition")
    chosen = options.parse_args()
    apart: dict[int, list[int]] = defaultdict(list)
    for each in chosen.cards.split(","):
        cards, sightings = map(int, each.split("x"))
        apart[sightings].append(cards)
    for sightings, sizes in apart.items():
        measure(sizes, sightings, chosen)


if __name__ == "__main__":
    main()
