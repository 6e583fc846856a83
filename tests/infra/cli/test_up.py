"""`ringback up`, with a stand-in for the roles: what it says, and how it ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.servers import running

STAND_IN = """
import signal, sys, time
from infra.cli.parent import end_with_parent
from infra.telemetry import ready
end_with_parent()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ready()
while True:
    time.sleep(600)
"""

UP = f"""
import sys
import infra.cli.up
from infra.cli.main import main
from infra.cli.role_process import Role
infra.cli.up.ROLES = (Role("worker", (sys.executable, "-c", {STAND_IN!r})),)
main(["up"])
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ringback-test-", dir="/tmp"))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def start(home: Path) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RINGBACK_")}
    return subprocess.Popen(  # noqa: S603 - our own lines
        [sys.executable, "-c", UP],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "RINGBACK_HOME": str(home)},
    )


def told_until(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if words in line:
            return told
    raise AssertionError(f"ended without {words!r}: {told}{process.stderr.read() if process.stderr else ''}")


def processes_of(home: Path) -> list[str]:
    lines = (" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(home) in line]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_tells_where_everything_is_and_stops_everything_in_order(home: Path, ending: signal.Signals) -> None:
    process = start(home)
    told = told_until(process, "Desk: http://127.0.0.1:8400/")
    addresses = running(home)
    assert addresses is not None
    assert all(address in told for address in vars(addresses).values())
    assert "memory only" in told
    assert str(home / "logs" / "worker.log") in told
    process.send_signal(ending)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "gone when it stops" in rest
    assert running(home) is None
    assert not processes_of(home)


def test_a_second_one_in_the_same_home_says_who_is_first(home: Path) -> None:
    first = start(home)
    try:
        told_until(first, "Desk:")
        second = start(home)
        _, errors = second.communicate(timeout=60)
        assert second.returncode == 1
        assert f"in use by process {first.pid}" in errors
        assert "Traceback" not in errors
    finally:
        first.terminate()
        first.communicate(timeout=60)
