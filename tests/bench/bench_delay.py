"""From a transaction's arrival in its topic to its alert's in its own, on Apache Kafka; prints one JSON object.

``python -m tests.bench.bench_delay [--rates 1000,20000,65000] [--seconds 10] [--rounds 3]``. Both topics
stamp with the broker's clock when they append, so that sender and reader of the benchmark are not in the figure; its
grain is a millisecond.
Five hundred alerts a run, at random among the transactions, each with its evidence; that is many, and each costs a
millisecond and more. A run before, which counts for nothing, warms up the broker's Java machine: for half a minute its
compiler takes more of the processor than everything else together, and a bank's broker has run for weeks.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import confluent_kafka
import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from infra.settings import Settings
from streams.topics import FRAUD_ALERTS, PARTITIONER, TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import servers
from tests.bench.feed import CITIES, PARIS, payment
from tests.bench.watched import Worker, alert_consumer, worker

CARDS: Final = 500_000
"""Each pays every half minute at the middle rate: the denser, the longer are the memories that are written."""
ALERTS: Final = 500
_WARM_PER_S: Final = 19_000
_WARM_S: Final = 40
_TICK_S: Final = 0.005
_SOON_S: Final = 1.0


def stamp_on_append(address: str) -> None:
    """Has the broker stamp both topics."""
    client = AdminClient({"bootstrap.servers": address})
    by_broker = ConfigEntry("message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET)
    topics = [
        ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[by_broker])
        for topic in (TRANSACTIONS, FRAUD_ALERTS)
    ]
    for done in client.incremental_alter_configs(topics).values():
        done.result(30)


def run(settings: Settings, one: Worker, per_s: int, seconds: int, before: int) -> tuple[dict[str, Any], int]:
    """One rate; answers the figures, and how many rows the topic has then."""
    random_ = random.Random(before)
    count = per_s * seconds
    suspects = {f"late-{before}-{number}" for number in range(min(ALERTS, count // 10))}
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": settings.kafka_servers or "",
            "partitioner": PARTITIONER,
            "linger.ms": 2,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for number, card in enumerate(suspects):
        producer.produce(TRANSACTIONS, key=card, value=payment(number, card, CITIES[0], datetime.now(UTC), random_))
    producer.flush(30)
    before = one.until(before + len(suspects))
    begin = datetime.now(UTC) + timedelta(seconds=count / 100_000)  # about when the rows are made
    late = dict(zip(random_.sample(range(count), len(suspects)), sorted(suspects), strict=True))
    rows = []
    for number in range(count):
        at = begin + timedelta(seconds=number / per_s)
        card = late.get(number) or f"card-{random_.randrange(CARDS):06d}"
        place = PARIS if number in late else CITIES[int(card[5:]) % len(CITIES)]
        rows.append((card, payment(before + number, card, place, at, random_)))
    cpu_s, stolen_s, began, sent = one.cpu_s(), _stolen_s(), time.monotonic(), 0
    while sent < count:
        due = min(count, int((time.monotonic() - began) * per_s))
        for card, value in rows[sent:due]:
            producer.produce(TRANSACTIONS, key=card, value=value)
        sent = due
        producer.poll(0)
        time.sleep(_TICK_S)
    took_s = time.monotonic() - began
    producer.flush(60)
    behind = before + count - one.judged()
    one.until(before + count)
    waits = delays(settings, suspects)
    deadline = time.monotonic() + _SOON_S
    while len(waits) < len(suspects) and time.monotonic() < deadline:
        waits = delays(settings, suspects)
    parts = statistics.quantiles(waits, n=1000, method="inclusive")
    return {
        "per_s": per_s,
        "sent_per_s": round(count / took_s),
        "delay_ms": {"p50": parts[499], "p99": parts[989], "p99.9": parts[998], "most": max(waits)},
        "alerts": len(waits),
        "alerts_expected": len(suspects),
        "behind_at_the_end": behind,
        "worker_cpu": round((one.cpu_s() - cpu_s) / took_s, 2),
        "stolen_percent": round(100 * (_stolen_s() - stolen_s) / (time.monotonic() - began) / (os.cpu_count() or 1), 1),
        "load": round(os.getloadavg()[0], 1),
    }, before + count


def _stolen_s() -> float:
    """Of all processors, what the host gave to others meanwhile; 0 where that is not told."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def middle(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of the rounds of one rate the median and the range, field by field."""
    told: dict[str, Any] = {"per_s": runs[0]["per_s"], "rounds": len(runs)}
    for part in ("p50", "p99", "p99.9", "most"):
        found = [run["delay_ms"][part] for run in runs]
        told[f"{part} ms"] = [round(figure) for figure in (statistics.median(found), min(found), max(found))]
    return told


def delays(settings: Settings, suspects: set[str]) -> list[float]:
    """Of each suspect's first alert, milliseconds."""
    consumer = alert_consumer(settings, 0)
    found: dict[str, float] = {}
    ended = 0
    while ended < settings.partitions:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error() is not None:
            ended += 1
            continue
        alert = json.loads(message.value() or b"{}")
        if alert["card_id"] in suspects:
            arrived = datetime.fromisoformat(alert["arrived_at"]).timestamp() * 1000
            found.setdefault(alert["card_id"], message.timestamp()[1] - arrived)
    consumer.close()
    return list(found.values())


def main() -> None:
    """Measures as asked, and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rates", default="1000,20000,65000")
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    rates = [int(rate) for rate in chosen.rates.split(",")]
    runs: dict[int, list[dict[str, Any]]] = {rate: [] for rate in rates}
    with servers(embedded=False) as settings:
        ensure_topics(settings.kafka_servers or "", settings)
        stamp_on_append(settings.kafka_servers or "")
        with worker(settings) as one:
            _, rows = run(settings, one, _WARM_PER_S, _WARM_S, 0)
            for rate in rates * chosen.rounds:
                told, rows = run(settings, one, rate, chosen.seconds, rows)
                runs[rate].append(told)
                print(told, file=sys.stderr, flush=True)
    print(json.dumps([middle(of_one) | {"runs": of_one} for of_one in runs.values()], indent=2))


if __name__ == "__main__":
    main()
