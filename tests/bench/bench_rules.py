"""What each step of judging a transaction costs the processor, without servers.

``python -m tests.bench.bench_rules [--rows 200000] [--runs 3]`` prints microseconds a row (or a card) as JSON: the best
of the runs, by the process's own processor time, so that other work on the machine counts as little as it can.
"""

import argparse
import gc
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rules.card_number import mask_card_numbers
from rules.gazetteer import world
from rules.memory import Memory, pack, unpack
from rules.transaction import Transaction, decode
from rules.watch import Watch
from tests.bench.bench_detection import transactions

CARDS_SHARE = 10
"""Payments a card has had, on average, when the measured ones come."""
_LONG_RUN = "4" * 100_000


def measured(runs: int, count: int, work: Callable[[], Any]) -> float:
    """Microseconds of processor time for each of ``count`` things, in the best of the runs."""
    best = float("inf")
    for _ in range(runs):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return round(best / count * 1e6, 2)


def judged(payments: Sequence[Transaction], memories: dict[str, Memory]) -> int:
    """Observes the payments in their order, as the worker does; answers how many findings there were."""
    observe, stamp_ms = Watch().observe, int(time.time() * 1000)
    found = 0
    for number, transaction in enumerate(payments):
        memory = memories.get(transaction.card_id)
        if memory is None:
            memory = memories[transaction.card_id] = Memory()
        found += len(observe(memory, transaction, number, stamp_ms))
    return found


def read_and_judged(raw: Sequence[bytes]) -> None:
    """Decodes and observes row by row, each let go of before the next, as the worker does."""
    watch, stamp_ms = Watch(), int(time.time() * 1000)
    memories: dict[str, Memory] = {}
    for number, value in enumerate(raw):
        transaction = decode(value)
        memory = memories.get(transaction.card_id)
        if memory is None:
            memory = memories[transaction.card_id] = Memory()
        watch.observe(memory, transaction, number, stamp_ms)


def figures(rows: int, runs: int) -> dict[str, Any]:
    """Every step's figure."""
    began = time.process_time()
    world()
    gazetteer_s = round(time.process_time() - began, 3)
    raw = [value for _, value in transactions(rows, seed=1, end=datetime.now(UTC) - timedelta(minutes=5))]
    payments = [decode(each) for each in raw]
    early, late = payments[: -rows // CARDS_SHARE], payments[-rows // CARDS_SHARE :]
    memories: dict[str, Memory] = {}
    first = measured(1, len(early), lambda: judged(early, memories))
    packed = [pack(memory) for memory in memories.values()]
    again = measured(1, len(late), lambda: judged(late, memories))
    changed = [memories[each.card_id] for each in late]
    return {
        "rows": rows,
        "cards": len(memories),
        "gazetteer_s": gazetteer_s,
        "decode_us": measured(runs, rows, lambda: [decode(each) for each in raw]),
        "decode_and_judge_us": measured(runs, rows, lambda: read_and_judged(raw)),
        "judge_cards_first_seen_and_known_us": first,
        "judge_known_cards_us": again,
        "pack_a_changed_card_us": measured(1, len(changed), lambda: [pack(memory) for memory in changed]),
        "unpack_a_card_us": measured(runs, len(packed), lambda: [unpack(value) for value in packed]),
        "packed_bytes": round(sum(map(len, packed)) / len(packed)),
        "mask_a_digit_of_a_long_run_us": measured(runs, len(_LONG_RUN), lambda: mask_card_numbers(_LONG_RUN)),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as in the worker
    machine = {
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    print(json.dumps({"machine": machine} | figures(arguments.rows, arguments.runs), indent=2))


if __name__ == "__main__":
    main()
