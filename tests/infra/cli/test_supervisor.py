"""The supervisor, with stand-ins for the roles: small programs that do what is asked of a role and nothing else."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.cli.role_process import Role, RoleFailed
from infra.cli.supervisor import Supervisor
from infra.servers import HomeInUse, running
from infra.settings import Settings
from streams.topics import ALL, admin

STEADY = """
import json, os, signal, sys, time
from infra.cli.parent import end_with_parent
from infra.telemetry import ready
end_with_parent()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("here I am", flush=True)
with open(os.environ["STAND_IN_TOLD"], "w") as told:
    json.dump({**os.environ}, told)
ready()
while True:
    time.sleep(600)
"""

FAILING = "print('no such thing', flush=True); raise SystemExit(3)"

UP = f"""
import sys, threading
from pathlib import Path
from infra.cli.role_process import Role
from infra.cli.supervisor import Supervisor
from infra.settings import Settings
with Supervisor(Settings(home=Path(sys.argv[1])), [Role("worker", (sys.executable, "-c", {STEADY!r}))]) as supervisor:
    print(supervisor.pid("worker"), flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ringback-test-", dir="/tmp"))
    monkeypatch.setenv("STAND_IN_TOLD", str(folder / "told.json"))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def steady(name: str = "worker") -> Role:
    return Role(name, (sys.executable, "-c", STEADY))


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def topics(servers: str) -> set[str]:
    return set(admin(servers).list_topics(timeout=10).topics)


@pytest.fixture
def settings(home: Path, settings: Settings) -> Settings:
    """Servers of the session's, so that only the roles are the supervisor's; no keys."""
    return settings.model_copy(update={"home": home, "master_key": None, "feed_key": None, "twilio_auth_token": None})


def test_a_role_learns_addresses_keys_and_the_folder_of_figures(settings: Settings, home: Path) -> None:
    with Supervisor(settings, [steady()], environment={"EXTRA": "1"}) as supervisor:
        told = json.loads((home.parent / "told.json").read_text())
        assert told["RINGBACK_POSTGRES_URL"] == settings.postgres_url
        assert told["RINGBACK_KAFKA_SERVERS"] == supervisor.addresses.kafka_servers
        assert told["EXTRA"] == "1"
        assert Path(told["PROMETHEUS_MULTIPROC_DIR"]).is_dir()
        assert supervisor.settings.master_key is not None
        assert told["RINGBACK_MASTER_KEY"] == supervisor.settings.master_key.get_secret_value()
        assert running(home) == supervisor.addresses


def test_generated_keys_are_kept_for_the_next_start_and_for_this_user_alone(settings: Settings, home: Path) -> None:
    with Supervisor(settings, []) as first:
        key = first.settings.master_key
    assert key is not None
    with Supervisor(settings, []) as second:
        assert second.settings.master_key == key
    assert (home / "keys" / "master_key").stat().st_mode & 0o777 == 0o600


def test_the_topics_are_there_when_the_roles_start(settings: Settings) -> None:
    with Supervisor(settings, [steady()]) as supervisor:
        assert set(ALL) <= topics(supervisor.addresses.kafka_servers)


def test_a_killed_role_is_started_again(settings: Settings) -> None:
    with Supervisor(settings, [steady()]) as supervisor:
        first = supervisor.pid("worker")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: supervisor.ready("worker") and supervisor.pid("worker") != first)
        assert supervisor.starts("worker") == 2


def test_stopping_ends_every_role(settings: Settings) -> None:
    supervisor = Supervisor(settings, [steady("one"), steady("two")])
    supervisor.start()
    pids = [supervisor.pid("one"), supervisor.pid("two")]
    supervisor.stop()
    assert not supervisor.alive("one")
    assert not any(pid and psutil.pid_exists(pid) for pid in pids)
    assert running(supervisor.settings.home) is None


def test_a_role_that_ends_before_it_is_ready_fails_the_start_with_its_log(settings: Settings) -> None:
    supervisor = Supervisor(settings, [steady(), Role("broken", (sys.executable, "-c", FAILING))])
    with pytest.raises(RoleFailed, match=r"role broken: it ended before it was ready \(exit code 3\)") as failed:
        supervisor.start()
    assert "no such thing" in str(failed.value)
    assert not supervisor.alive("worker")


def test_a_role_that_is_not_ready_in_time_fails_the_start(settings: Settings) -> None:
    idle = Role("idle", (sys.executable, "-c", "import time; time.sleep(600)"))
    supervisor = Supervisor(settings, [idle], ready_within_s=0.3)
    with pytest.raises(RoleFailed, match="role idle: not ready in 0 s"):
        supervisor.start()
    assert not supervisor.alive("idle")


def test_one_home_is_served_by_one_supervisor(settings: Settings) -> None:
    with Supervisor(settings, []), pytest.raises(HomeInUse):
        Supervisor(settings, []).start()


def test_a_dead_embedded_broker_comes_back_at_its_port_with_its_topics(settings: Settings) -> None:
    with Supervisor(settings.model_copy(update={"kafka_servers": None}), []) as supervisor:
        address, first = supervisor.addresses.kafka_servers, supervisor.servers.pid("kafka")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: supervisor.servers.pid("kafka") not in {None, first})
        assert eventually(lambda: supervisor.servers.alive("kafka") and set(ALL) <= topics(address))


def test_a_killed_supervisor_leaves_neither_roles_nor_servers(home: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", UP, str(home)], stdout=subprocess.PIPE)  # noqa: S603 - our own lines
    assert parent.stdout is not None
    role = int(parent.stdout.readline())
    assert psutil.pid_exists(role)
    parent.kill()
    parent.communicate()
    assert eventually(lambda: not psutil.pid_exists(role))
    assert eventually(
        lambda: not any(str(home) in " ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    )
    assert running(home) is None


def test_detection_runs_in_as_many_processes_as_the_settings_say_each_under_a_name_of_its_own(
    settings: Settings,
) -> None:
    two = settings.model_copy(update={"detection_workers": 2})
    assert Supervisor(settings, ["detection", "relay"]).roles == ["detection", "relay"]
    assert Supervisor(two, ["detection", "relay"]).roles == ["detection-1", "detection-2", "relay"]


def test_of_several_processes_each_works_as_their_role_and_says_which_it_is() -> None:
    first, second = Role("detection").several(2)
    assert first.arguments()[-4:] == ["work", "detection", "--name", "detection-1"]
    assert second.arguments()[-4:] == ["work", "detection", "--name", "detection-2"]


def test_one_process_is_called_what_its_role_is() -> None:
    assert Role("detection").several(1) == [Role("detection")]
