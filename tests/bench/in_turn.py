"""What judging costs in one version of the code beside another, or under one Python beside another; batch by batch.

``python -m tests.bench.in_turn [FOLDER][@PYTHON] [FOLDER][@PYTHON] [--rows 200000]``: two copies of the repository
(``git worktree add``), two interpreters of the same version, or both. Each judges the same payments in a process
of its own, without servers, and packs what a flush would write; they take turns at 5,000 payments, so that a slow
moment of the machine is both's. Whole runs on a busy machine do not show a tenth more or less; this shows a fiftieth.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import mmh3

from rules.gazetteer import world
from streams.detection.heap import keep_heap
from streams.detection.partition import Partition
from streams.detection.rows import Rows
from streams.detection.state import Claim, PartitionState
from streams.detection.wire import commands
from tests.bench.feed import transactions

_HERE: Final = Path(__file__).parents[2]
_PARTITIONS: Final = 4
_RUN: Final = 1_250
_FLUSH: Final = (8_000, 12_000)
"""Changed cards, and records, as of ``streams.detection.custody``."""
_CLAIM: Final = Claim(
    epoch=1, fields=0, position=0, watermark_us=None, generation=0, reissue=False, serial=0, applied_ms=0
)
_NOWHERE: Final = "redis://localhost:1"
"""Nobody is asked."""


async def judge(rows: int, end: datetime) -> None:
    """One side: at each line of the input judges the next payments, and prints the microseconds for each of them."""
    apart: list[list[bytes]] = [[] for _ in range(_PARTITIONS)]
    for card, value in transactions(rows, seed=1, end=end):
        apart[mmh3.hash(card) % _PARTITIONS].append(value)
    world()
    held = [Partition(PartitionState(_NOWHERE, number), _CLAIM) for number in range(_PARTITIONS)]
    for partition in held:
        partition._all_here = True  # as `load` finds out in an empty Redis
    keep_heap()
    print("ready", flush=True)
    stamp_ms = int(time.time() * 1000)
    for begin in range(0, min(map(len, apart)) - _RUN, _RUN):
        sys.stdin.readline()
        spent = 0.0
        for partition, values in zip(held, apart, strict=True):
            fetched = [bytes(bytearray(value)) for value in values[begin : begin + _RUN]]  # just made, as by the intake
            run = Rows(range(begin, begin + _RUN), [stamp_ms] * _RUN, fetched)
            began = time.thread_time()
            await partition.judge(run)
            if partition.dirty >= _FLUSH[0] or partition.pending >= _FLUSH[1]:
                change = partition.snapshot()
                if change is not None:
                    commands(partition.state._asked(change, 1))
                partition.written()
            spent += time.thread_time() - began
        print(spent / _RUN / _PARTITIONS * 1e6, flush=True)


def start(side: str, rows: int, end: datetime) -> "subprocess.Popen[str]":
    """One side's process, ready."""
    folder, _, python = side.partition("@")
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    process = subprocess.Popen(  # noqa: S603 - what the caller named
        [
            python or sys.executable,
            "-m",
            "tests.bench.in_turn",
            "--side",
            "--rows",
            str(rows),
            "--end",
            end.isoformat(),
        ],
        cwd=folder or _HERE,
        env=os.environ | {"PYTHONPATH": libraries},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if next(process.stdout or iter(()), "") != "ready\n":
        raise SystemExit(f"{side} does not begin")
    return process


def compare(sides: list[str], rows: int, end: datetime) -> None:
    """Has both judge in turn, and prints."""
    processes = [start(side, rows, end) for side in sides]
    told: list[list[float]] = [[], []]
    while all(process.poll() is None for process in processes):
        first = len(told[0]) % 2
        for at in (first, 1 - first):
            process = processes[at]
            if process.stdin is not None and process.stdout is not None and process.poll() is None:
                process.stdin.write("\n")
                process.stdin.flush()
                told[at] += [float(line) for line in [process.stdout.readline()] if line]
    whole = min(map(len, told))
    for side, each in zip(sides, told, strict=True):
        print(f"{statistics.mean(each[:whole]):6.2f} us a payment: {side or 'this'}")
    pairs = [other / one for one, other in zip(*told, strict=False)]
    print(f"the second costs {statistics.median(pairs):.3f} times the first (median of {whole} turns)")


def main() -> None:
    """Judges as one side, or compares two."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sides", nargs="*", metavar="FOLDER@PYTHON")
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--end", type=datetime.fromisoformat, default=datetime.now(UTC) - timedelta(minutes=5))
    chosen = options.parse_args()
    if chosen.side:
        asyncio.run(judge(chosen.rows, chosen.end))
    else:
        compare([*chosen.sides, "", ""][:2], chosen.rows, chosen.end)


if __name__ == "__main__":
    main()
