"""How many payments a second one worker judges, and two on the same two cores; prints one JSON object.

``python -m tests.bench.bench_workers [--rows 500000] [--rounds 3]``, on the embedded broker. The workers have shared
the partitions out before the measured payments come; the time is taken from the moment at which all of these are in
the topic, so that neither a start nor the sender is in it. What was judged while they were sent does not count.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from infra.settings import Settings
from streams.topics import TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import median_and_range, servers
from tests.bench.feed import fill, transactions
from tests.bench.watched import Worker, per_row, worker

_FIRST: Final = 20_000
_LONG_AGO: Final = timedelta(days=20)
"""So long before the measured payments are those that share the work out: none of the cards remembers them."""
_SHARED_OUT_S: Final = 8.0
"""Longer than the group's session time-out: whoever is going to join has joined."""


@contextmanager
def settled(settings: Settings, workers: int) -> Iterator[list[Worker]]:
    """So many workers, each with its share of the partitions, and nothing left to do."""
    with ExitStack() as stack:
        all_of_them = [stack.enter_context(worker(settings)) for _ in range(workers)]
        all_of_them[0].until(_FIRST)
        time.sleep(_SHARED_OUT_S)
        yield all_of_them


def measure(workers: int, rows: int, seed: int) -> dict[str, Any]:
    """One round on servers of its own."""
    end = datetime.now(UTC) - timedelta(minutes=5)
    measured = list(transactions(rows, seed=seed, end=end))
    with servers(embedded=True) as settings:
        address = settings.kafka_servers or ""
        ensure_topics(address, settings)
        fill(address, TRANSACTIONS, transactions(_FIRST, seed=seed + 1, end=end - _LONG_AGO))
        with settled(settings, workers) as working:
            fill(address, TRANSACTIONS, iter(measured))
            began, before, cpu_s = time.monotonic(), working[0].judged(), sum(each.cpu_s() for each in working)
            working[0].until(_FIRST + rows)
            seconds, used = time.monotonic() - began, sum(each.cpu_s() for each in working) - cpu_s
            return per_row(_FIRST + rows - before, seconds, used) | {"load": round(os.getloadavg()[0], 1)}


def main() -> None:
    """Measures one worker and two in turn, and prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=500_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seed", type=int, default=20260314)
    asked = options.parse_args()
    runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for _ in range(asked.rounds):
        for workers, told in runs.items():
            told.append(measure(workers, asked.rows, asked.seed))
    figures = {f"{workers} at work": median_and_range(told) for workers, told in runs.items()}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"machine": machine, "rows": asked.rows, "rounds": asked.rounds, "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
