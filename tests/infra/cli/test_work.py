"""One role in a process of its own: how it finds its servers, and how it ends with its parent."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from infra.cli import work
from infra.cli.connected import UnusableSetting, connected_settings, master_key
from infra.cli.keys import with_keys
from infra.cli.parent import PARENT_FD
from infra.cli.rehearsed import rehearsed
from infra.servers import Addresses, NothingRunning
from infra.servers.addresses import publish, withdraw
from infra.settings import Settings

SERVED = Addresses(postgres_url="postgresql://db/", redis_url="redis://cache", kafka_servers="broker:9092")

CHILD = """
import time
from infra.cli.parent import end_with_parent
end_with_parent()
print("watching", flush=True)
time.sleep(600)
"""


def test_addresses_are_those_of_what_runs_in_the_home(tmp_path: Path) -> None:
    publish(tmp_path, SERVED)
    found = connected_settings(Settings(home=tmp_path))
    assert (found.postgres_url, found.redis_url, found.kafka_servers) == tuple(vars(SERVED).values())


def test_a_url_in_the_settings_comes_before_what_runs_in_the_home(tmp_path: Path) -> None:
    publish(tmp_path, SERVED)
    found = connected_settings(Settings(home=tmp_path, redis_url="redis://mine"))
    assert (found.redis_url, found.kafka_servers) == ("redis://mine", SERVED.kafka_servers)


def test_without_any_address_the_error_names_what_to_set(tmp_path: Path) -> None:
    publish(tmp_path, SERVED)
    withdraw(tmp_path)
    with pytest.raises(NothingRunning, match="RINGBACK_REDIS_URL") as missing:
        connected_settings(Settings(home=tmp_path, postgres_url="postgresql://db/"))
    assert missing.value.missing == ["redis_url", "kafka_servers"]


def test_a_demo_that_runs_beside_the_home_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    publish(tmp_path / "demo", SERVED)
    with pytest.raises(NothingRunning, match=f"RINGBACK_HOME={tmp_path / 'demo'}\\."):
        connected_settings(Settings(home=tmp_path))
    assert connected_settings(Settings(home=tmp_path / "demo")).redis_url == SERVED.redis_url


def test_the_home_s_keys_are_used_where_the_settings_give_none(tmp_path: Path) -> None:
    made = with_keys(Settings(home=tmp_path), generate=True)
    found = connected_settings(Settings(home=tmp_path, **vars(SERVED)))
    assert found.master_key == made.master_key
    assert len(master_key(found)) == 32


def test_a_missing_master_key_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnusableSetting, match="not set"):
        master_key(Settings(home=tmp_path))


def test_a_role_is_run_with_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Settings] = []
    monkeypatch.setitem(sys.modules, "a_role", types.SimpleNamespace(run=given.append))
    monkeypatch.setitem(work.MODULES, "relay", "a_role")
    monkeypatch.setattr(work, "configure", lambda *_args, **_named: None)
    work.run_role("relay", Settings(home=tmp_path, **vars(SERVED)))
    assert given[0].kafka_servers == "broker:9092"


def test_a_child_ends_when_the_other_end_of_its_pipe_is_closed() -> None:
    reading, writing = os.pipe()
    child = subprocess.Popen(  # noqa: S603 - our own lines
        [sys.executable, "-c", CHILD],
        stdout=subprocess.PIPE,
        env={**os.environ, PARENT_FD: str(reading)},
        pass_fds=(reading,),
    )
    os.close(reading)
    assert child.stdout is not None
    assert child.stdout.readline() == b"watching\n"
    assert child.poll() is None
    os.close(writing)
    child.communicate(timeout=30)
    assert child.returncode == -15


def test_a_rehearsal_never_reaches_the_real_twilio_or_mail_server(tmp_path: Path) -> None:
    real = Settings(home=tmp_path, http_port=9000, twilio_account_sid="AC1", smtp_host="mail.bank.example")
    acted = rehearsed(real)
    assert acted.twilio_api_url == "http://127.0.0.1:9001"
    assert (acted.smtp_host, acted.smtp_port, acted.smtp_starttls) == ("127.0.0.1", 9002, False)
    assert acted.twilio_account_sid != "AC1"
