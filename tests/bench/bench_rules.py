"""What each step of judging a transaction costs the processor, without servers.

``python -m tests.bench.bench_rules [--rows 200000] [--runs 3]`` prints microseconds a row (or a card) as JSON: the best
of the runs, by the process's own processor time, so that other work on the machine counts as little as it can.
"""

import argparse
import gc
import json
import os
import platform
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rules.card_number import mask_card_numbers
from rules.gazetteer import world
from rules.layout import NOTHING, unpack
from rules.transaction import Transaction, decode
from rules.watch import Watch
from tests.bench.feed import payment, transactions

CARDS_SHARE = 10
"""Payments a card has had, on average, when the measured ones come."""
HISTORIES = (1, 10, 100, 1000)
BY_PHONE = b',"instrument":"wallet","device_id":"phone-1"'
NEXT = 32
AGAIN = 50
_LONG_RUN = "4" * 100_000


def measured(runs: int, count: int, work: Callable[[], Any]) -> float:
    """Microseconds of processor time for each of ``count`` things, in the best of the runs."""
    best = float("inf")
    for _ in range(runs):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return round(best / count * 1e6, 2)


def judged(watch: Watch, payments: Sequence[Transaction], memories: dict[str, bytes]) -> None:
    """Observes the payments in their order, as the worker does."""
    observe, stamp_ms = watch.observe, int(time.time() * 1000)
    for number, transaction in enumerate(payments):
        card = transaction.card_id
        memories[card], _ = observe(memories.get(card, NOTHING), transaction, number, stamp_ms)


def read_and_judged(raw: Sequence[bytes]) -> dict[str, bytes]:
    """Decodes and observes row by row, each let go of before the next, as the worker does; what a flush would write."""
    observe, stamp_ms = Watch().observe, int(time.time() * 1000)
    memories: dict[str, bytes] = {}
    for number, value in enumerate(raw):
        transaction = decode(value)
        card = transaction.card_id
        memories[card], _ = observe(memories.get(card, NOTHING), transaction, number, stamp_ms)
    return memories


def process_bytes(raw: Sequence[bytes]) -> int:
    """What the memories of these payments' cards take in the process, their dictionary and its keys included."""
    world()
    tracemalloc.start()
    memories = read_and_judged(raw)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return round(kept / len(memories))


def after(history: int, runs: int, *, besides: bytes = b"") -> float:
    """Microseconds for each of the next payments, trimming included, of a card that had so many before, in order.

    Args:
        history: how many.
        runs: of which the best counts.
        besides: further fields of every other payment, as JSON.
    """
    end = datetime.now(UTC) - timedelta(minutes=5)
    begin = end - timedelta(minutes=30) * (history + NEXT)
    dealt, place = random.Random(1), ("Lyon", "FR", 45.764, 4.8357)
    rows = [
        payment(number, "card", place, begin + timedelta(minutes=30) * number, dealt)
        for number in range(history + NEXT)
    ]
    payments = [decode(row[:-1] + besides + b"}" if number % 2 else row) for number, row in enumerate(rows)]
    watch, memories = Watch(), dict[str, bytes]()
    judged(watch, payments[:history], memories)
    following = payments[history:]

    def work() -> None:
        for _ in range(AGAIN):
            judged(watch, following, dict(memories))

    return measured(runs, NEXT * AGAIN, work)


def figures(rows: int, runs: int) -> dict[str, Any]:
    """Every step's figure."""
    began = time.process_time()
    world()
    gazetteer_s = round(time.process_time() - began, 3)
    raw = [value for _, value in transactions(rows, seed=1, end=datetime.now(UTC) - timedelta(minutes=5))]
    payments = [decode(each) for each in raw]
    early, late = payments[: -rows // CARDS_SHARE], payments[-rows // CARDS_SHARE :]
    watch, memories = Watch(), dict[str, bytes]()
    first = measured(1, len(early), lambda: judged(watch, early, memories))
    packed = list(memories.values())
    again = measured(1, len(late), lambda: judged(watch, late, memories))
    return {
        "rows": rows,
        "cards": len(memories),
        "gazetteer_s": gazetteer_s,
        "decode_us": measured(runs, rows, lambda: [decode(each) for each in raw]),
        "decode_judge_and_pack_us": measured(runs, rows, lambda: read_and_judged(raw)),
        "judge_cards_first_seen_and_known_us": first,
        "judge_known_cards_us": again,
        "judge_after_so_many_payments_us": {str(history): after(history, runs) for history in HISTORIES},
        "judge_after_so_many_half_of_them_by_phone_us": {
            str(history): after(history, runs, besides=BY_PHONE) for history in HISTORIES
        },
        "unpack_a_card_us": measured(runs, len(packed), lambda: [unpack(value) for value in packed]),
        "payments_a_card": round(len(early) / len(packed), 1),
        "packed_bytes_a_card": round(sum(map(len, packed)) / len(packed)),
        "process_bytes_a_card": process_bytes(raw),
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
