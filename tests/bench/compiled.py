"""What a core compiled from the same Python source adds: mypyc, the same tests, and both judging in turn.

``python -m tests.bench.compiled [--rows 200000] [--untested]``: copies the repository into a folder of its own, has
mypyc (it comes with mypy) compile there what every payment passes, runs the tests of the rules and of the partition
on it, and lets it take turns with the interpreted one (``tests.bench.in_turn``). Needs a C compiler. Nothing that is
installed changes.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.bench.in_turn import compare

_HERE: Final = Path(__file__).parents[2]
_ROOMS: Final = ("rules", "streams", "infra", "outreach", "tests", "docs")
_COMPILED: Final = (
    "rules/watch.py",
    "rules/forgetting.py",
    "rules/itinerary.py",
    "rules/journey.py",
    "rules/verdict.py",
    "streams/detection/partition.py",
)
"""Of what judges, all but the decoding and the packing: they are made of msgspec's structs, which mypyc breaks."""
_TESTS: Final = ("tests/rules", "tests/streams/detection/test_partition.py")
_BY_REPLACING: Final = tuple(
    f"--deselect=tests/rules/test_several_instruments.py::{name}"
    for name in (
        "test_what_is_near_what_was_believed_of_all_instruments_takes_the_quick_path",
        "test_what_is_further_away_is_reconsidered_and_may_be_believed",
        "test_a_memory_of_phones_that_is_full_is_trimmed_and_goes_on",
    )
)
"""They see which way a payment takes by replacing a method; compiled code calls its own."""


def compiled(folder: Path) -> None:
    """A copy of the repository in that folder, with the core compiled."""
    for room in _ROOMS:
        shutil.copytree(_HERE / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    # without the project's own configuration, in which setuptools would look for what to build
    _run(folder, "mypyc", "--ignore-missing-imports", "--follow-imports=silent", *_COMPILED)
    shutil.copy(_HERE / "pyproject.toml", folder)
    missing = [path for path in _COMPILED if not list((folder / path).parent.glob(f"{Path(path).stem}.*.so"))]
    if missing:
        raise SystemExit(f"not compiled: {', '.join(missing)}")


def _run(folder: Path, module: str, *arguments: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise SystemExit(f"{module} is not installed: make setup")
    told = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(*told.stdout.splitlines()[-1:], flush=True)
    if told.returncode:
        raise SystemExit(told.stdout)


def main() -> None:
    """Compiles, tests, compares."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--untested", action="store_true", help="leave the tests out")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compiled(Path(folder))
        if not chosen.untested:
            _run(Path(folder), "pytest", "-q", "-p", "no:cacheprovider", *_TESTS, *_BY_REPLACING)
        compare(["", folder], chosen.rows, datetime.now(UTC) - timedelta(minutes=5))


if __name__ == "__main__":
    main()
