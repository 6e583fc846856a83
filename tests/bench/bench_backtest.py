"""How fast a history is simulated and judged, and how much memory that takes.

``python -m tests.bench.bench_backtest [--rows 10000000] [--days 25] [--processes 2] [--keep FOLDER] [--plain]``
simulates so many transactions, judges them by the live rule set alone (``plain``) and with others' rules and the curve
beside it (``whole``; not with ``--plain``), and prints JSON: transactions a second, processor seconds per 100,000 of
every process together, and the peak of the largest process. Processor time counts what other work on the machine
leaves alone.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import Any, Final

from rules.simulate.assumptions import Habits

_COMMAND: Final = (sys.executable, "-m", "infra.cli.main")


def measured(*arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a command printed as JSON, and what it took."""
    before, begun_s = resource.getrusage(resource.RUSAGE_CHILDREN), monotonic()
    ran = subprocess.run((*_COMMAND, *arguments, "--json"), check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own
    elapsed_s, after = monotonic() - begun_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    told: dict[str, Any] = json.loads(ran.stdout)
    rows = told.get("rows") or told["transactions"]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return told, {
        "rows": rows,
        "elapsed_s": round(elapsed_s, 1),
        "rows_a_second": round(rows / elapsed_s),
        "cpu_s_per_100000": round(cpu_s / rows * 100_000, 2),
        "peak_mb_of_a_process": round(after.ru_maxrss / 1024, 1),
    }


def figures(rows: int, days: int, processes: int, folder: Path, *, plain_only: bool) -> dict[str, Any]:
    """Every figure."""
    file, cards = folder / "history.ndjson", max(1, round(rows / days / Habits().payments_a_day))
    common = ("--processes", str(processes))
    _, simulated = measured("simulate", str(file), "--cards", str(cards), "--days", str(days), "--seed", "1", *common)
    told, plain = measured("backtest", str(file), "--plain", *common)
    plain["peak_mb_of_a_process"] = told["peak_mb"]
    found = {
        "cards": cards,
        "days": days,
        "file_mb": round(file.stat().st_size / 2**20),
        "simulate": simulated,
        "backtest_plain": plain,
    }
    if plain_only:
        return found
    whole, compared = measured("backtest", str(file), "--report", str(folder / "report.html"), *common)
    compared["peak_mb_of_a_process"] = whole["peak_mb"]
    return found | {
        "backtest_whole": compared,
        "precision_case": whole["live"]["precision_case"]["value"],
        "recall_case": whole["live"]["recall_case"]["value"],
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=25)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="a folder for the history and the report; none: they are removed")
    parser.add_argument("--plain", action="store_true", help="the live rule set alone")
    arguments = parser.parse_args()
    folder = arguments.keep or Path(mkdtemp(prefix="ringback-bench-"))
    machine = {
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    try:
        found = figures(arguments.rows, arguments.days, arguments.processes, folder, plain_only=arguments.plain)
    finally:
        if arguments.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"machine": machine} | found, indent=2))


if __name__ == "__main__":
    main()
