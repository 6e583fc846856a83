"""What broken rows cost the detection worker, and its memory while a million rows wait; prints one JSON object.

``python -m tests.bench.bench_strain [--rows 300000] [--rounds 3] [--behind 1000000]``, on the embedded broker. The
broken rows are one in a hundred, cut off, without an amount or with a wrong time; the runs with and without them are
interleaved. The memory is looked at while the worker catches up, from a tenth of the rows to the last.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis

from infra.settings import Settings
from streams.topics import TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import median_and_range, servers
from tests.bench.feed import fill, transactions
from tests.bench.watched import throughput, worker

_EVERY_S: Final = 0.25
_TENTHS: Final = 10


def broken(feed: Iterator[tuple[str, bytes]], one_in: int) -> Iterator[tuple[str, bytes]]:
    """The feed, of which one row in so many cannot be read."""
    for number, (card, value) in enumerate(feed):
        if number % one_in:
            yield card, value
        else:
            ways = (
                value[: len(value) // 2],
                value.replace(b'"amount"', b'"amounts"'),
                value.replace(b'"occurred_at":"20', b'"occurred_at":"at 20'),
            )
            yield card, ways[number // one_in % len(ways)]


def run(settings: Settings, rows: int) -> dict[str, Any]:
    """One worker on the filled topic and an empty Redis."""
    redis.Redis.from_url(settings.redis_url or "").flushall()
    return throughput(settings, 0, rows) | {"load": round(os.getloadavg()[0], 1)}


def with_and_without(rows: int, rounds: int) -> dict[str, Any]:
    """Rate and cost on whole rows, and with one broken in a hundred."""
    end = datetime.now(UTC) - timedelta(minutes=5)
    runs: dict[str, list[dict[str, Any]]] = {"whole": [], "1 % broken": []}
    with ExitStack() as stack:
        grounds = {name: stack.enter_context(servers(embedded=True)) for name in runs}
        for name, settings in grounds.items():
            ensure_topics(settings.kafka_servers or "", settings)
            feed = transactions(rows, seed=1, end=end)
            fill(settings.kafka_servers or "", TRANSACTIONS, feed if name == "whole" else broken(feed, 100))
        for round_ in range(rounds):
            for name, settings in grounds.items():
                runs[name].append(run(settings, rows))
                print(f"round {round_ + 1}, {name}: {runs[name][-1]}", file=sys.stderr, flush=True)
    return {name: median_and_range(each) for name, each in runs.items()}


def behind(rows: int) -> dict[str, Any]:
    """Megabytes of a worker's memory at each tenth of the rows that waited when it started, and the most it had."""
    with servers(embedded=True) as settings:
        ensure_topics(settings.kafka_servers or "", settings)
        feed = transactions(rows, seed=1, end=datetime.now(UTC) - timedelta(minutes=5))
        fill(settings.kafka_servers or "", TRANSACTIONS, feed)
        at: dict[str, int] = {}
        with worker(settings) as one:
            began = time.monotonic()
            while (judged := one.judged()) < rows:
                if (tenth := judged * _TENTHS // rows) and str(tenth) not in at:
                    at[str(tenth)] = round(one.memory_mb())
                time.sleep(_EVERY_S)
            took_s = time.monotonic() - began
            return {"rows": rows, "seconds": round(took_s, 1), "mb_at_tenth": at, "peak_mb": round(one.peak_mb())}


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=300_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--behind", type=int, default=1_000_000)
    chosen = options.parse_args()
    told = with_and_without(chosen.rows, chosen.rounds)
    print(json.dumps(told | {"behind": behind(chosen.behind)}, indent=2))


if __name__ == "__main__":
    main()
