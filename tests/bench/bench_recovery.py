"""How soon detection is back, and what a second worker brings, on Apache Kafka; prints one JSON object.

``python -m tests.bench.bench_recovery [--cards 1000000] [--rows 500000]``:

- a restart with so many cards in Redis, from the start of the process to its first stored verdict;
- the worker killed, and a second one that was standing by: to the second's first verdict on all partitions;
- Redis emptied under a running worker: to the position where it was before, and the rate of the read-back;
- one worker and two through the same topic, the second joining under load, and how long nobody judged meanwhile.
"""

import argparse
import json
import os
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import confluent_kafka
import redis

from infra.settings import Settings
from streams.detection.state import hash_name
from streams.topics import TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import servers
from tests.bench.bench_growth import memories, name_of, put
from tests.bench.feed import CITIES, fill, payment, transactions
from tests.bench.watched import Worker, per_row, throughput, worker

_PAUSE_S: Final = 0.01


def one_each(settings: Settings) -> None:
    """One payment into each partition, now."""
    producer = confluent_kafka.Producer({"bootstrap.servers": settings.kafka_servers or ""})
    for card in range(settings.partitions):
        row = payment(10**8, name_of(card), CITIES[card % len(CITIES)], datetime.now(UTC), random.Random(card))
        producer.produce(TRANSACTIONS, key=name_of(card), value=row, partition=card)
    producer.flush(30)


def restart(settings: Settings, store: redis.Redis, cards: int) -> dict[str, Any]:
    """From the start of the process to the first verdict, and to one on every partition."""
    store.flushall()
    put(settings, range(cards), memories(1))
    one_each(settings)
    with worker(settings) as one:  # the first claim of the hashes
        one.until(settings.partitions)
    one_each(settings)
    began = time.monotonic()
    with worker(settings) as one:
        one.until(settings.partitions + 1)
        first_s = time.monotonic() - began
        one.until(2 * settings.partitions)
        return {
            "cards": cards,
            "first_verdict_s": round(first_s, 1),
            "every_partition_s": round(time.monotonic() - began, 1),
            "memory_mb": round(one.memory_mb()),
        }


def takeover(settings: Settings, before: int) -> dict[str, float]:
    """One of two workers is killed; how soon the other has judged what comes to every partition."""
    first, second = Worker(settings), Worker(settings)
    try:
        time.sleep(15)  # both have joined
        one_each(settings)
        second.until(before + settings.partitions)
        one_each(settings)
        began = time.monotonic()
        first.kill()
        second.until(before + 2 * settings.partitions)
        return {"every_partition_s": round(time.monotonic() - began, 1)}
    finally:
        second.stop()


def read_back(settings: Settings, store: redis.Redis, rows: int) -> dict[str, float]:
    """Redis emptied under a running worker that has judged everything."""
    with worker(settings) as one:
        one.until(rows)
        cpu_s, began = one.cpu_s(), time.monotonic()
        store.flushall()
        one_each(settings)  # what it would store says that the state is gone
        one.until(1)
        noticed_s = time.monotonic() - began
        one.until(rows + settings.partitions)
        took_s = time.monotonic() - began
        return {
            "rows": rows,
            "seconds": round(took_s, 1),
            "of_which_until_first_position_s": round(noticed_s, 1),
            **per_row(rows, took_s, one.cpu_s() - cpu_s),
        }


def joined(settings: Settings, store: redis.Redis, rows: int) -> dict[str, Any]:
    """A second worker joins while the first is at it."""
    store.flushall()
    first = Worker(settings)
    second: Worker | None = None
    seen, longest_s = 0, 0.0
    try:
        first.until(1)
        began = moved = time.monotonic()
        while seen < rows:
            now, judged = time.monotonic(), first.judged()
            if judged != seen:
                seen, moved = judged, now
            longest_s = max(longest_s, now - moved)
            if second is None and judged > rows // 10:
                second = Worker(settings)
            time.sleep(_PAUSE_S)
        took_s = time.monotonic() - began
        assert second is not None
        epochs = [int(store.hget(hash_name(number), "epoch") or 0) for number in range(settings.partitions)]
        return {
            "transactions_per_s": round(rows / took_s),
            "longest_pause_s": round(longest_s, 1),
            "cpu_s_of_each": [round(each.cpu_s(), 1) for each in (first, second)],
            "claims": epochs,
        }
    finally:
        first.stop()
        if second is not None:
            second.stop()


def measure(cards: int, rows: int) -> dict[str, Any]:
    """Everything, one after the other."""
    told: dict[str, Any] = {}
    with servers(embedded=False) as settings:
        ensure_topics(settings.kafka_servers or "", settings)
        store = redis.Redis.from_url(settings.redis_url or "", socket_timeout=120)
        told["restart"] = restart(settings, store, cards)
        told["takeover"] = takeover(settings, 2 * settings.partitions)
    with servers(embedded=False) as settings:
        ensure_topics(settings.kafka_servers or "", settings)
        store = redis.Redis.from_url(settings.redis_url or "", socket_timeout=120)
        end = datetime.now(UTC) - timedelta(minutes=5)
        fill(settings.kafka_servers or "", TRANSACTIONS, transactions(rows, seed=rows, end=end))
        told["one_worker"] = throughput(settings, 0, rows)
        told["two_workers"] = joined(settings, store, rows)
        told["read_back"] = read_back(settings, store, rows)
    return told | {"load": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Measures as asked, and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cards", type=int, default=1_000_000)
    options.add_argument("--rows", type=int, default=500_000)
    chosen = options.parse_args()
    print(json.dumps(measure(chosen.cards, chosen.rows), indent=2))


if __name__ == "__main__":
    main()
