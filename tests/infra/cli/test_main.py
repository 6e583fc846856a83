"""The command line's entrance: help, exit codes, and errors told in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from infra.cli.main import COMMANDS, CommandLine, build, explain, main
from infra.servers import NothingRunning
from infra.settings import Settings


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    code = ended.value.code
    return code if isinstance(code, int) else 0, out, err


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys; from infra.cli.main import COMMANDS, main\n"
        "try: main(['--help'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "loaded = {c.target.split(':')[0] for c in COMMANDS} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "assert 'psycopg' not in sys.modules and 'faust' not in sys.modules and 'pydantic' not in sys.modules\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - our own lines
    assert ended.returncode == 0, ended.stderr
    assert all(command.name in ended.stdout and command.help in ended.stdout for command in COMMANDS)


def test_judging_without_the_history_loads_nothing_that_speaks_to_servers() -> None:
    code = (
        "import sys; from infra.cli.main import main\n"
        "try: main(['judge', '/dev/null'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "assert not {'psycopg', 'redis', 'faust', 'structlog', 'asyncio'} & set(sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 - our own lines
    assert ended.returncode == 0, ended.stderr


def test_a_commands_own_help_says_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["backtest", "--help"], capsys)
    assert code == 0
    assert "the column that the map names" in " ".join(out.split())


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["dance"], capsys)
    assert code == 2
    assert "dance" in err


def test_an_unknown_role_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["work", "gardening"], capsys)
    assert code == 2
    assert "gardening" in err


def test_a_role_without_servers_says_so_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("POSTGRES_URL", "REDIS_URL", "KAFKA_SERVERS"):
        monkeypatch.delenv(f"RINGBACK_{name}", raising=False)
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path))
    code, _, err = run(["work", "relay"], capsys)
    assert code == 1
    assert "nothing runs in" in err
    assert "Traceback" not in err


def test_a_setting_that_cannot_be_used_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_PARTITIONS", "several")
    code, _, err = run(["settings"], capsys)
    assert code == 1
    assert "RINGBACK_PARTITIONS" in err


def test_a_defect_is_not_explained_away() -> None:
    assert explain(ZeroDivisionError("x")) is None


def test_a_missing_file_is_named() -> None:
    assert explain(FileNotFoundError(2, "No such file or directory", "a.csv")) == "a.csv: No such file or directory"


def test_an_error_of_the_house_tells_what_it_says() -> None:
    error = NothingRunning(["redis_url"], Settings().home)
    assert explain(error) == str(error)


def test_a_group_of_commands_is_found_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    group = typer.Typer()

    @group.command()
    def verify() -> None:
        typer.echo("verified")

    @group.command()
    def stats() -> None:
        typer.echo("counted")

    monkeypatch.setattr(CommandLine, "load", lambda _self: group)
    commands = (CommandLine("history", "nowhere:app", "The event store."), CommandLine("other", "nowhere:x", "Other."))
    result = CliRunner().invoke(build(["history", "verify"], commands), ["history", "verify"])
    assert result.output == "verified\n"
