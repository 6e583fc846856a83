"""Work that is shared out over processes."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.cli.main import explain
from infra.cli.processes import ProcessKilledError, worker_processes


def test_one_process_is_this_one_and_works_when_it_is_asked() -> None:
    asked: list[int] = []

    def answered(one: int, other: str) -> tuple[int, str]:
        asked.append(one)
        return os.getpid(), other

    with worker_processes(1) as pool:
        results = pool.map(answered, [1, 2], "ab")
        assert asked == []
        assert next(results) == (os.getpid(), "a")
        assert asked == [1]


def test_several_processes_are_others_and_answer_in_order() -> None:
    with worker_processes(2) as pool:
        assert list(pool.map(abs, [-3, -2, -1])) == [3, 2, 1]


def test_a_process_that_is_killed_is_told_in_a_sentence() -> None:
    with (
        pytest.raises(ProcessKilledError, match="one of the 2 processes was killed") as killed,
        worker_processes(2) as pool,
    ):
        list(pool.map(os._exit, [9]))
    assert "--processes 1" in (explain(killed.value) or "")


_PARENT = """
import os, time
from infra.cli.processes import worker_processes
if __name__ == "__main__":
    with worker_processes(2) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_whoever_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(_PARENT, encoding="utf-8")
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(program)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
