"""How many transactions a second the detection worker judges, on the embedded broker and Redis.

``python -m tests.bench.bench_detection [--rows 500000] [--runs 1]``. The topic is filled first, then one worker process
starts and reads it through. Timed is from the first stored position to the last; CPU is the worker's own, neither the
broker's nor Redis's, and is the figure to trust on a shared machine.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import confluent_kafka
import redis

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.detection.state import hash_name
from streams.topics import FRAUD_ALERTS, PARTITIONER, TRANSACTIONS, ensure_topics

CARDS = 47_000
JOURNEYS = 941
SPAN = timedelta(hours=20)
_CITIES = (
    ("Phnom Penh", "KH", 11.5564, 104.9282),
    ("Siem Reap", "KH", 13.3633, 103.8564),
    ("San Francisco", "US", 37.7749, -122.4194),
    ("Lyon", "FR", 45.7640, 4.8357),
    ("Singapore", "SG", 1.3521, 103.8198),
    ("Nadi", "FJ", -17.7765, 177.4356),
)
_PARIS = ("Paris", "FR", 48.8606, 2.3376)


class Measured(NamedTuple):
    """One run's figures."""

    seconds: float
    cpu_s: float
    peak_mb: float
    alerts: int


def transactions(rows: int, *, seed: int, end: datetime) -> Iterator[tuple[str, bytes]]:
    """Card and JSON of about 350 bytes, in the order of time; `JOURNEYS` of them far from where the card just was."""
    random_ = random.Random(seed)
    far = set(random_.sample(range(rows // 2, rows), min(JOURNEYS, rows // 500)))
    begin = end - SPAN
    for number in range(rows):
        card = random_.randrange(CARDS)
        city, country, lat, lon = _PARIS if number in far else _CITIES[card % len(_CITIES)]
        at = begin + SPAN * (number / rows)
        yield (
            f"card-{card:06d}",
            (
                f'{{"transaction_id":"tx-{number:09d}","card_id":"card-{card:06d}","occurred_at":"{at.isoformat()}",'
                f'"amount":"{random_.randrange(100, 20_000) / 100:.2f}","currency":"USD",'
                f'"merchant":{{"name":"Market Street {card % 900}","mcc":"5411",'
                f'"city":"{city}","country":"{country}"}},'
                f'"location":{{"lat":{lat + random_.random() / 50:.5f},"lon":{lon + random_.random() / 50:.5f}}},'
                '"channel":"card_present","entry_mode":"chip","type":"purchase","outcome":"approved"}'
            ).encode(),
        )


def fill(servers: str, rows: int, *, seed: int) -> float:
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
    size = 0
    for card, value in transactions(rows, seed=seed, end=datetime.now(UTC) - timedelta(minutes=5)):
        size += len(value)
        while True:
            try:
                producer.produce(TRANSACTIONS, key=card, value=value)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("the broker did not take the transactions")
    return size / rows


def run_once(settings: Settings, rows: int) -> Measured:
    """Starts one worker on the filled topic and an empty Redis; returns when every record is judged and stored."""
    store = redis.Redis.from_url(settings.redis_url or "")
    store.flushall()
    names = [hash_name(number) for number in range(settings.partitions)]
    environment = os.environ | {
        "RINGBACK_REDIS_URL": settings.redis_url or "",
        "RINGBACK_KAFKA_SERVERS": settings.kafka_servers or "",
        "RINGBACK_LOG_LEVEL": "WARNING",
    }
    program = "from infra.settings import Settings; from streams.detection.worker import run; run(Settings())"
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as worker:  # noqa: S603 - our own program
        try:
            done, began = 0, 0.0
            while done < rows:
                if worker.poll() is not None:
                    raise RuntimeError(f"the worker ended with {worker.returncode}")
                time.sleep(0.02)
                done = sum(int(store.hget(name, "position") or 0) for name in names)
                if not began and any(store.hexists(name, "epoch") for name in names):
                    began = time.monotonic()
            seconds = time.monotonic() - began
            status = Path(f"/proc/{worker.pid}/status")
            peak = 0.0
            if status.exists():
                peak = next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if "VmHWM" in line)
        finally:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            worker.terminate()
            worker.wait()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(seconds, cpu, peak, _alerts(settings.kafka_servers or "", settings.partitions))


def _alerts(servers: str, partitions: int) -> int:
    """How many alert messages the topic holds."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": servers, "group.id": "bench", "enable.partition.eof": True, "enable.auto.commit": False}
    )
    consumer.assign([confluent_kafka.TopicPartition(FRAUD_ALERTS, number, 0) for number in range(partitions)])
    total, ended = 0, 0
    while ended < partitions:
        message = consumer.poll(1)
        if message is not None and message.error() is not None:
            ended += 1
        elif message is not None:
            total += 1
    consumer.close()
    return total


def main() -> None:
    """Fills, runs, reports."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--seed", type=int, default=20260314)
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ringback-bench-") as home,
        EmbeddedServers(Path(home) / "home", which=frozenset({"redis", "kafka"})) as servers,
    ):
        settings = Settings(kafka_servers=servers.addresses.kafka_servers, redis_url=servers.addresses.redis_url)
        ensure_topics(settings.kafka_servers or "", settings)
        size = fill(settings.kafka_servers or "", chosen.rows, seed=chosen.seed)
        print(f"{chosen.rows} transactions of {size:.0f} bytes, {CARDS} cards, seed {chosen.seed}")
        said = 0
        for number in range(chosen.runs):
            run = run_once(settings, chosen.rows)
            print(
                f"run {number + 1}: {chosen.rows / run.seconds:,.0f} transactions/s (claim included), "
                f"{run.cpu_s / chosen.rows * 100_000:.2f} CPU s per 100,000 (start included), "
                f"peak {run.peak_mb:.0f} MB, {run.alerts - said} alerts"
            )
            said = run.alerts


if __name__ == "__main__":
    main()
