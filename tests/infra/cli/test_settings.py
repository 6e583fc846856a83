"""`ringback settings`: values, origins, and no secret in sight."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from infra.cli.connected import as_environment
from infra.cli.keys import with_keys
from infra.cli.main import build
from infra.cli.settings import Shown, explained
from infra.settings import Settings


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path / "home"))


def one(name: str) -> Shown:
    return next(shown for shown in explained(Settings()) if shown.name == name)


def test_every_setting_is_shown_with_its_meaning() -> None:
    shown = explained(Settings())
    assert [each.name for each in shown] == [f"RINGBACK_{name.upper()}" for name in Settings.model_fields]
    assert all(each.meaning for each in shown)


def test_the_origin_is_the_source_that_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ringback.toml").write_text('bank_name = "Toml"\nmail_from = "toml@bank.example"\npartitions = 2\n')
    (tmp_path / ".env").write_text("RINGBACK_BANK_NAME=Dotenv\nRINGBACK_PARTITIONS=3\n")
    monkeypatch.setenv("RINGBACK_PARTITIONS", "5")
    assert (one("RINGBACK_PARTITIONS").value, one("RINGBACK_PARTITIONS").origin) == ("5", "environment")
    assert (one("RINGBACK_BANK_NAME").value, one("RINGBACK_BANK_NAME").origin) == ("Dotenv", ".env")
    assert one("RINGBACK_MAIL_FROM").origin == "ringback.toml"
    assert one("RINGBACK_SMTP_PORT").origin == "default"


def test_a_generated_key_is_masked_and_its_place_is_named() -> None:
    made = with_keys(Settings(), generate=True)
    shown = one("RINGBACK_MASTER_KEY")
    assert made.master_key is not None
    assert made.master_key.get_secret_value() not in str(shown)
    assert shown.origin.endswith("keys/master_key")


def test_neither_secrets_nor_passwords_in_urls_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_FEED_KEY", "hush")
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", "postgresql://me:hush@db/ringback")
    result = CliRunner().invoke(build(["settings"]), ["settings", "--json"])
    by_name = {each["name"]: each["value"] for each in json.loads(result.output)}
    assert by_name["RINGBACK_POSTGRES_URL"] == "postgresql://me:[secret]@db/ringback"
    assert "hush" not in result.output
    assert "hush" not in CliRunner().invoke(build(["settings"]), ["settings"]).output


def test_a_child_reads_the_very_same_settings_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = with_keys(
        Settings(bank_name="Täglich", smtp_password=SecretStr("a b=c"), smtp_starttls=False), generate=True
    )
    for name, value in as_environment(before).items():
        monkeypatch.setenv(name, value)
    assert Settings() == before
