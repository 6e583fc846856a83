"""What is left when something dies: nothing, and the next start is none the wiser."""

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
import psycopg
import pytest

from infra.servers import EmbeddedServers, ServerFailed, embedded, running
from infra.servers.identity import ProcessIdentity
from infra.servers.process import ServerProcess, ServerSpec

PARENT = """
import sys, time
from pathlib import Path
from infra.servers import embedded
with embedded(Path(sys.argv[1]), durable=False) as addresses:
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ringback-test-", dir="/tmp"))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def eventually(holds: Callable[[], bool], within_s: float = 20.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def recorded(home: Path) -> dict[str, ProcessIdentity]:
    found = (home / "run").glob("*.json")
    return {path.stem: ProcessIdentity(**json.loads(path.read_text())) for path in found}


def start_parent(home: Path) -> "subprocess.Popen[bytes]":
    parent = subprocess.Popen(  # noqa: S603 - our own lines
        [sys.executable, "-c", PARENT, str(home)], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    return parent


def kill(parent: "subprocess.Popen[bytes]") -> None:
    parent.kill()
    parent.communicate()


def processes_of(home: Path) -> list[str]:
    lines = (" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(home) in line]


def test_a_killed_parent_leaves_no_orphan(home: Path) -> None:
    parent = start_parent(home)
    servers = recorded(home)
    assert set(servers) == {"postgres", "redis", "kafka"}
    assert running(home) is not None
    kill(parent)
    assert running(home) is None
    assert eventually(lambda: not any(server.alive() for server in servers.values()))
    assert eventually(lambda: not processes_of(home))


def test_a_home_starts_again_right_after_its_process_was_killed(home: Path) -> None:
    kill(start_parent(home))
    with embedded(home, durable=False) as addresses:
        assert running(home) == addresses


def test_a_server_that_even_its_warden_left_behind_is_ended_by_the_next_start(home: Path) -> None:
    parent = start_parent(home)
    left = recorded(home)["redis"]
    warden = psutil.Process(left.pid).parent()
    assert warden is not None
    warden.kill()
    kill(parent)
    assert left.alive()
    with embedded(home, which=frozenset({"redis"})):
        assert not left.alive()


def test_a_stale_record_whose_process_id_now_belongs_to_another_harms_nobody(home: Path) -> None:
    (home / "run").mkdir(parents=True)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        record = {"pid": bystander.pid, "started": time.time() - 3600}
        (home / "run" / "redis.json").write_text(json.dumps(record))
        (home / "addresses.json").write_text(
            json.dumps({"owner": record, "addresses": {"postgres_url": "", "redis_url": "", "kafka_servers": ""}})
        )
        assert running(home) is None
        with embedded(home, which=frozenset({"redis"})):
            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_killed_server_is_noticed_and_comes_back_with_its_data(home: Path) -> None:
    with EmbeddedServers(home, which=frozenset({"postgres"})) as servers:
        with psycopg.connect(servers.addresses.postgres_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        pid = servers.pid("postgres")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not servers.alive("postgres"))
        servers.restart("postgres")
        with psycopg.connect(servers.addresses.postgres_url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_a_server_that_fails_to_start_is_named_with_the_last_lines_of_its_log(home: Path) -> None:
    with embedded(home, which=frozenset({"postgres"}), durable=False):
        pass
    with (home / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_parameter = 1\n")
    with pytest.raises(ServerFailed) as failed:
        EmbeddedServers(home, which=frozenset({"postgres", "redis"})).start()
    assert failed.value.server == "postgres"
    assert "no_such_parameter" in str(failed.value)
    assert str(home / "logs" / "postgres.log") in str(failed.value)
    assert not processes_of(home)


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    for folder in ("logs", "run"):
        (tmp_path / folder).mkdir()

    def silence() -> None:
        raise ConnectionRefusedError("nobody listens")

    code = "print('here I am', flush=True); import time; time.sleep(600)"
    server = ServerProcess(
        tmp_path,
        ServerSpec(
            name="mute",
            command=[sys.executable, "-c", code],
            check=silence,
            stop_signal=signal.SIGTERM,
            ready_within_s=0.5,
        ),
    )
    with pytest.raises(ServerFailed, match=r"mute: no answer in 0 s \(nobody listens\)") as failed:
        server.start()
    assert "here I am" in str(failed.value)
    assert not server.alive()
    assert not (tmp_path / "run" / "mute.json").exists()


def test_a_program_that_cannot_be_run_is_a_clear_error(tmp_path: Path) -> None:
    for folder in ("logs", "run"):
        (tmp_path / folder).mkdir()
    spec = ServerSpec(
        name="absent", command=["/no/such/program"], check=lambda: None, stop_signal=signal.SIGTERM, ready_within_s=5
    )
    with pytest.raises(ServerFailed, match="absent: it ended at once") as failed:
        ServerProcess(tmp_path, spec).start()
    assert "/no/such/program" in str(failed.value)


def test_a_server_that_ignores_the_request_to_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.servers.process.GRACE_S", 0.2)
    for folder in ("logs", "run"):
        (tmp_path / folder).mkdir()
    ready = tmp_path / "ready"
    code = (
        "import signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(600)"
    )
    spec = ServerSpec(
        name="stubborn",
        command=[sys.executable, "-c", code],
        check=lambda: None if ready.exists() else wait(),
        stop_signal=signal.SIGTERM,
    )
    server = ServerProcess(tmp_path, spec)
    server.start()
    assert server.pid is not None
    identity = ProcessIdentity.of(server.pid)
    server.stop()
    assert not identity.alive()


def wait() -> None:
    raise TimeoutError("not yet")
