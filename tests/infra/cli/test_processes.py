"""Work that is shared out over processes."""

import os

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
