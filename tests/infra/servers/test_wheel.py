"""The programs of the embedded servers, as their wheels brought them."""

import os
from pathlib import Path

import pytest

from infra.servers import kafka, redis
from infra.servers.wheel import program_of


def test_the_servers_run_from_where_they_were_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert all(os.access(program, os.X_OK) for program in (kafka.program(), redis.program()))
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_lost_its_bit_is_made_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_wheel" / "bin").mkdir(parents=True)
    (tmp_path / "some_wheel" / "__init__.py").touch()
    program = tmp_path / "some_wheel" / "bin" / "server"
    program.touch(mode=0o644)
    monkeypatch.syspath_prepend(tmp_path)
    assert program_of("some_wheel", "bin", "server") == program
    assert os.access(program, os.X_OK)


@pytest.mark.parametrize("where", [("no_such_wheel",), ("infra", "bin", "no-such-program")])
def test_what_is_not_there_is_not_found(where: tuple[str, ...]) -> None:
    assert program_of(*where) is None
