"""``ringback operators``, as the site engineer uses it."""

import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from infra.cli.main import build
from tests.infra.cli.reading import said

Ringback = Callable[..., Result]


@pytest.fixture
def operators(monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path) -> Ringback:
    for name, value in {
        "HOME": str(tmp_path / "home"),
        "POSTGRES_URL": postgres_url,
        "MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "REDIS_URL": "redis://127.0.0.1:9",  # nobody is there, and nobody is needed
        "KAFKA_SERVERS": "127.0.0.1:9",
    }.items():
        monkeypatch.setenv(f"RINGBACK_{name}", value)

    def run(*arguments: str) -> Result:
        given = ("operators", *arguments)
        return CliRunner().invoke(build(given), given)

    return run


def last_line(result: Result) -> str:
    """After what the log says of Redis."""
    return result.output.splitlines()[-1]


def test_somebody_is_made_a_supervisor_and_disabled_and_everybody_is_listed(operators: Ringback) -> None:
    assert "sign-in/" in operators("add", "vera", "--supervisor", "--languages", "en, de").output
    assert operators("add", "ana").exit_code == 0
    assert last_line(operators("role", "ana", "supervisor")) == "ana is supervisor now"
    assert last_line(operators("role", "ana", "supervisor")) == "ana is supervisor already"
    assert last_line(operators("disable", "ana")) == "ana is disabled"
    listed = [json.loads(line) for line in operators("list", "--json").stdout.splitlines() if line.startswith("{")]
    assert [(each["name"], each["role"], each["disabled"]) for each in listed] == [
        ("ana", "supervisor", True),
        ("vera", "supervisor", False),
    ]
    assert listed[1]["languages"] == ["en", "de"]
    assert last_line(operators("enable", "ana")) == "ana may sign in again"
    table = operators("list").output
    assert "never" in table
    assert "disabled" not in table
    assert "A role is one of operator, supervisor" in said(operators("role", "ana", "boss"))
    assert "There is no account named nobody" in said(operators("disable", "nobody"))
