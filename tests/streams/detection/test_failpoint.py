"""A worker dies where it is told to, the time that it is told to, and nowhere when it is told nothing."""

import os
import signal
import subprocess
import sys

import pytest

from streams.detection.failpoint import VARIABLE, armed

_TWICE = """
from streams.detection import failpoint
for time in (1, 2):
    failpoint.reached("judged")
    failpoint.reached("claimed")
    print(time, flush=True)
"""


def run(what: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own lines
        [sys.executable, "-c", _TWICE], env=os.environ | {VARIABLE: what}, capture_output=True, text=True, check=False
    )


def test_a_worker_dies_at_its_point_the_time_that_is_said() -> None:
    done = run("claimed:2")
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["1"]


def test_without_a_point_nothing_happens() -> None:
    assert run("").returncode == 0


@pytest.mark.parametrize("unknown", ["nowhere", "judged:1:explode", "judged:soon"])
def test_a_point_that_does_not_exist_is_not_waited_for(unknown: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of one line, whose words differ
        armed(unknown)
