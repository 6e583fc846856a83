"""A forked process is what a started one is: its environment, folder, output and end are its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import started

SAID = """
import os, sys, threading
ours = {'infra', 'outreach', 'rules', 'streams'} & set(sys.modules)
print(os.environ['SAID'], 'HOME' in os.environ, os.getcwd(), __name__, sys.argv, ours, threading.active_count())
sys.exit(3)
"""


@pytest.mark.parametrize("way", ["forked", "started"])
def test_it_finds_what_it_was_given_and_nothing_of_ours_is_imported(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"PATH": os.environ["PATH"], "SAID": "hello"}
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "log").open("wb") as log:
        if way == "forked":
            status = started(SAID, environment, log.fileno()).wait(30)
        else:
            status = subprocess.run([sys.executable, "-c", SAID], env=environment, stdout=log, check=False).returncode  # noqa: S603 - our own lines
    assert status == 3
    assert (tmp_path / "log").read_text() == f"hello False {tmp_path} __main__ ['-c'] set() 1\n"


def test_what_is_raised_in_it_is_on_its_errors(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        assert started("raise ValueError('broken')", os.environ, log.fileno()).wait(30) == 1
    assert "ValueError: broken" in (tmp_path / "log").read_text()


def test_it_ends_by_the_signal_that_it_was_sent() -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = started("import signal; signal.pause()", os.environ)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(number)
        assert process.wait(30) == -number
        process.kill()  # of one that has ended: nothing
