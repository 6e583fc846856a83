"""What broken rows cost the detection worker, and its memory while a million rows wait; prints one JSON object.

``python -m tests.bench.bench_strain [--rows 300000] [--pairs 7] [--behind 2500000]``, on the embedded broker. The
broken rows are one in a hundred, cut off, without an amount or with a wrong time; the runs with and without them go
in pairs. The memory is looked at while the worker catches up, from a tenth of the rows to the last.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis

from infra.settings import Settings
from streams.detection.recall import RING_BYTES
from streams.topics import TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import median_and_range, servers
from tests.bench.feed import fill, transactions
from tests.bench.watched import throughput, worker

_EVERY_S: Final = 0.25
_TENTHS: Final = 10
_FEW_CARDS: Final = 2_000
WHOLE: Final = "whole"
BROKEN: Final = "1 % broken"


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
    """One worker on the filled topic and an empty Redis, from the first tenth of the rows to the last."""
    redis.Redis.from_url(settings.redis_url or "").flushall()
    return throughput(settings, rows // _TENTHS, rows) | {"load": round(os.getloadavg()[0], 1)}


def with_and_without(rows: int, pairs: int) -> dict[str, Any]:
    """Rate and cost on whole rows, and with one broken in a hundred; and what the broken ones cost, by pairs of runs.

    What other work on the machine does to both of a pair cancels out, and the median is not moved by a pair that met a
    bad moment; who goes first changes from pair to pair.
    """
    end = datetime.now(UTC) - timedelta(minutes=5)
    runs: dict[str, list[dict[str, Any]]] = {WHOLE: [], BROKEN: []}
    with ExitStack() as stack:
        grounds = {name: stack.enter_context(servers(embedded=True)) for name in runs}
        for name, settings in grounds.items():
            ensure_topics(settings.kafka_servers or "", settings)
            feed = transactions(rows, seed=1, end=end)
            fill(settings.kafka_servers or "", TRANSACTIONS, feed if name == WHOLE else broken(feed, 100))
        for pair in range(pairs):
            for name, settings in list(grounds.items())[:: 1 if pair % 2 else -1]:
                runs[name].append(run(settings, rows))
                print(f"pair {pair + 1}, {name}: {runs[name][-1]}", file=sys.stderr, flush=True)
    cost = "cpu_s_per_100000"
    more = [each[cost] / whole[cost] - 1 for whole, each in zip(runs[WHOLE], runs[BROKEN], strict=True)]
    told: dict[str, Any] = {name: median_and_range(each) for name, each in runs.items()}
    return told | {
        "broken_rows_cost_percent": {
            "median": round(100 * statistics.median(more), 1),
            "pairs": [round(100 * one, 1) for one in more],
        }
    }


def behind(rows: int) -> dict[str, Any]:
    """Megabytes of a worker's memory at each tenth of the rows that waited when it started, and the most it had.

    They are of few cards, whose memories are soon as long as they get; what grows besides are the recent records, up
    to the size of their ring, which is full after a million or so. From there on nothing may grow.
    """
    with servers(embedded=True) as settings:
        ensure_topics(settings.kafka_servers or "", settings)
        feed = transactions(rows, seed=1, end=datetime.now(UTC) - timedelta(minutes=5), cards=_FEW_CARDS)
        fill(settings.kafka_servers or "", TRANSACTIONS, feed)
        at: dict[str, int] = {}
        with worker(settings) as one:
            began = time.monotonic()
            while (judged := one.judged()) < rows:
                if (tenth := judged * _TENTHS // rows) and str(tenth) not in at:
                    at[str(tenth)] = round(one.memory_mb())
                time.sleep(_EVERY_S)
            took_s = time.monotonic() - began
            ring_mb = round(RING_BYTES / 2**20)
            told = {"rows": rows, "cards": _FEW_CARDS, "ring_mb": ring_mb, "seconds": round(took_s, 1)}
            return told | {"mb_at_tenth": at, "peak_mb": round(one.peak_mb())}


def main() -> None:
    """Measures and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=300_000)
    options.add_argument("--pairs", type=int, default=7)
    options.add_argument("--behind", type=int, default=2_500_000)
    chosen = options.parse_args()
    told = with_and_without(chosen.rows, chosen.pairs) if chosen.pairs else {}
    print(json.dumps(told | ({"behind": behind(chosen.behind)} if chosen.behind else {}), indent=2))


if __name__ == "__main__":
    main()
