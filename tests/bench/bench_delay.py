"""From a transaction's arrival in its topic to its alert's in its own, on Apache Kafka; prints one JSON object.

``python -m tests.bench.bench_delay [--rates 1000,20000,65000] [--seconds 10]``. Both topics stamp with the broker's
clock when they append, so that sender and reader of the benchmark are not in the figure; its grain is a millisecond.
Five hundred alerts a run, at random among the transactions, each with its evidence; that is many, and each costs a
millisecond and more. A run before, which counts for nothing, warms up the broker's Java machine.
"""

import argparse
import json
import os
import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import confluent_kafka
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from infra.settings import Settings
from streams.topics import FRAUD_ALERTS, PARTITIONER, TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import servers
from tests.bench.feed import CARDS, CITIES, PARIS, payment
from tests.bench.watched import Worker, alert_consumer, worker

ALERTS: Final = 500
_WARM_PER_S: Final = 19_000
_WARM_S: Final = 5
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
    random_ = random.Random(per_s)
    count = per_s * seconds
    suspects = {f"late-{per_s}-{number}" for number in range(min(ALERTS, count // 10))}
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
        rows.append((card, payment(10**8 + number, card, place, at, random_)))
    cpu_s, began, sent = one.cpu_s(), time.monotonic(), 0
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
        "load": round(os.getloadavg()[0], 1),
    }, before + count


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
    chosen = options.parse_args()
    figures = []
    with servers(embedded=False) as settings:
        ensure_topics(settings.kafka_servers or "", settings)
        stamp_on_append(settings.kafka_servers or "")
        with worker(settings) as one:
            _, rows = run(settings, one, _WARM_PER_S, _WARM_S, 0)
            for rate in map(int, chosen.rates.split(",")):
                told, rows = run(settings, one, rate, chosen.seconds, rows)
                figures.append(told)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
