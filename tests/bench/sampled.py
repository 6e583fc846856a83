"""Where the worker's main thread (judging and flushing) spends its processor time; prints shares, largest first.

``python -m tests.bench.sampled [--rows 300000]``, on the embedded broker. Every 2 ms of processor time the function
of ours that runs is noted; what a library does counts as its caller's.
"""

import argparse
import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Final

import redis

from infra.settings import Settings
from streams.detection.state import hash_name
from streams.detection.worker import run
from streams.topics import TRANSACTIONS, ensure_topics
from tests.bench.bench_detection import servers
from tests.bench.feed import fill, transactions
from tests.bench.watched import environment

_EVERY_S: Final = 0.002
_ROOT: Final = str(Path(__file__).parents[2])
_TOLD: Final = "BENCH_SAMPLES"


def sample() -> None:
    """Runs a worker, noting where it is; the counts are in a file at its end."""
    counts: Counter[str] = Counter()

    def note(_signal: int, frame: FrameType | None) -> None:
        while frame is not None and not frame.f_code.co_filename.startswith(_ROOT + "/" + "streams"):
            if frame.f_code.co_filename.startswith(_ROOT + "/rules"):
                break
            frame = frame.f_back
        name = "others" if frame is None else f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}"
        counts[name] += 1

    atexit.register(lambda: Path(os.environ[_TOLD]).write_text(json.dumps(counts), encoding="utf-8"))
    signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
    run(Settings())


def main() -> None:
    """Fills, runs one worker through, prints."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=300_000)
    rows = options.parse_args().rows
    with servers(embedded=True) as settings, tempfile.TemporaryDirectory() as folder:
        ensure_topics(settings.kafka_servers or "", settings)
        end = datetime.now(UTC) - timedelta(minutes=5)
        fill(settings.kafka_servers or "", TRANSACTIONS, transactions(rows, seed=rows, end=end))
        told = Path(folder) / "counts.json"
        program = [sys.executable, "-c", "from tests.bench.sampled import sample; sample()"]
        process = subprocess.Popen(program, env=environment(settings) | {_TOLD: str(told)})  # noqa: S603 - our own words
        store = redis.Redis.from_url(settings.redis_url or "")
        names = [hash_name(number) for number in range(settings.partitions)]
        while process.poll() is None and sum(int(store.hget(name, "position") or 0) for name in names) < rows:
            time.sleep(0.05)
        process.terminate()
        process.wait()
        counts = json.loads(told.read_text(encoding="utf-8"))
    whole = sum(counts.values())
    for name, count in sorted(counts.items(), key=lambda each: -each[1])[:16]:
        print(f"{count / whole:6.1%}  {name}")


if __name__ == "__main__":
    main()
