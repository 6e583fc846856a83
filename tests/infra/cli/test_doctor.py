"""`ringback doctor`: what it finds on servers that run, that do not, and that are set up wrongly."""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr
from typer.testing import CliRunner

from infra.cli.doctor import Checked, Finding, examine, python_build
from infra.cli.main import build
from infra.clock import Clock, utc_now
from infra.settings import Settings
from streams.topics import ensure_topics


def found(settings: Settings, clock: Clock = utc_now) -> dict[str, Checked]:
    return {each.what: each for each in examine(settings, clock)}


@pytest.fixture
def bare(tmp_path: Path, free_port: int) -> Settings:
    """Nothing configured, nothing running."""
    return Settings(home=tmp_path / "home", http_port=free_port)


def test_a_fresh_machine_has_notes_but_nothing_broken(bare: Settings) -> None:
    assert {each.finding for each in found(bare).values()} == {Finding.GOOD, Finding.NOTE}
    assert not bare.home.exists()


def test_servers_that_answer_are_good_but_for_a_disk_that_is_not_waited_for(settings: Settings) -> None:
    ensure_topics(settings.kafka_servers or "", settings)
    checked = found(settings)
    assert checked["redis"].finding is Finding.GOOD
    assert checked["kafka"].finding is Finding.GOOD
    assert checked["keys"].finding is Finding.GOOD
    assert checked["postgres"].finding is Finding.BROKEN  # the tests' own PostgreSQL runs without
    assert "fsync is off" in checked["postgres"].says


def test_a_redis_that_throws_data_away_is_broken(settings: Settings, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert "allkeys-lru" in found(settings)["redis"].says
        finally:
            client.config_set("maxmemory-policy", "noeviction")


@pytest.fixture
def refusing() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_servers_that_do_not_answer_are_broken_and_their_passwords_are_not_told(bare: Settings, refusing: int) -> None:
    dead = f"127.0.0.1:{refusing}"
    checked = found(
        bare.model_copy(
            update={
                "postgres_url": f"postgresql://me:hush@{dead}/x",
                "redis_url": f"redis://:hush@{dead}",
                "kafka_servers": dead,
                "smtp_host": "127.0.0.1",
                "smtp_port": refusing,
            }
        )
    )
    for server in ("postgres", "redis", "kafka", "mail"):
        assert checked[server].finding is Finding.BROKEN
        assert "hush" not in checked[server].says


def test_a_port_that_something_else_has_is_named_whatever_it_says(bare: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as conn:
                conn.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=greet, daemon=True).start()
        told = found(bare.model_copy(update={"http_host": "127.0.0.1", "http_port": server.getsockname()[1]}))["web"]
    assert told.finding is Finding.BROKEN
    assert "set RINGBACK_HTTP_PORT" in told.says


@pytest.mark.parametrize(
    ("arguments", "prefix", "finding"),
    [
        ("'--prefix=/opt/python' '--enable-shared'", "/opt/python", Finding.NOTE),
        ("'--prefix=/opt/python' '--enable-optimizations'", "/opt/python", Finding.GOOD),
        ("'--enable-shared' '--prefix=/usr'", "/usr", Finding.GOOD),
        (None, "/opt/python", Finding.GOOD),
    ],
)
def test_a_python_that_was_built_without_optimisations_is_noted_and_not_broken(
    arguments: str | None, prefix: str, finding: Finding
) -> None:
    checked = python_build(arguments, prefix)
    assert checked.finding is finding
    assert ("docs/performance.md" in checked.says) is (finding is Finding.NOTE)


def test_a_home_that_cannot_be_made_is_broken(bare: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    checked = found(bare.model_copy(update={"home": tmp_path / "file" / "home"}))["home"]
    assert checked.finding is Finding.BROKEN
    assert "RINGBACK_HOME" in checked.says


def test_a_master_key_of_the_wrong_length_is_broken(bare: Settings) -> None:
    checked = found(bare.model_copy(update={"master_key": SecretStr("c2hvcnQ=")}))["keys"]
    assert checked.finding is Finding.BROKEN
    assert "32 bytes" in checked.says


def test_half_a_twilio_is_broken_and_the_missing_half_is_named(bare: Settings) -> None:
    checked = found(bare.model_copy(update={"twilio_account_sid": "AC1", "twilio_auth_token": SecretStr("t")}))["sms"]
    assert checked.finding is Finding.BROKEN
    assert "RINGBACK_TWILIO_FROM" in checked.says


def test_a_real_twilio_needs_a_public_address(settings: Settings) -> None:
    assert "RINGBACK_PUBLIC_URL" in found(settings)["sms"].says
    reachable = settings.model_copy(update={"public_url": "https://ringback.bank.example"})
    assert found(reachable)["sms"].finding is Finding.GOOD


def test_a_port_that_another_program_has_is_broken(bare: Settings) -> None:
    with socket.create_server(("127.0.0.1", bare.http_port)) as taken:
        taken.settimeout(30)

        def hang_up() -> None:
            taken.accept()[0].close()

        other = threading.Thread(target=hang_up)
        other.start()
        assert found(bare)["web"].finding is Finding.BROKEN
        other.join()


def test_a_server_that_is_no_mail_server_is_broken(bare: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"SSH-2.0-x\r\n")

        greeter = threading.Thread(target=greet)
        greeter.start()
        port = other.getsockname()[1]
        checked = found(bare.model_copy(update={"smtp_host": "127.0.0.1", "smtp_port": port}))["mail"]
        greeter.join()
    assert (checked.finding, "not as a mail server" in checked.says) == (Finding.BROKEN, True)


def test_a_clock_that_is_an_hour_off_is_told(settings: Settings) -> None:
    assert "s apart" in found(settings, lambda: utc_now() + timedelta(hours=1))["postgres"].says
    assert "s apart" not in found(settings)["postgres"].says


def test_the_command_fails_when_something_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path))
    monkeypatch.setenv("RINGBACK_MASTER_KEY", "short")
    result = CliRunner().invoke(build(["doctor"]), ["doctor", "--json"])
    assert result.exit_code == 1
    assert '"broken"' in result.output
