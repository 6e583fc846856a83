"""Apache Kafka itself on this machine, one node, without containers: for what the embedded broker cannot show.

The broker's jars come from its Maven artifact and are kept in the user's cache; Java 17 and Maven are needed, and no
quick test depends on either.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.servers import warden

VERSION: Final = "4.1.0"
_UP_WITHIN_S: Final = 90.0
_DOWN_WITHIN_S: Final = 30.0
_LAST_LINES: Final = 20
_GRACE_S: Final = 10.0

_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ringback.tests</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""


class KafkaMissingError(RuntimeError):
    """Java or Maven is not there, or the jars could not be had; the message says which."""


class ApacheKafka:
    """A broker that can be stopped, killed, halted, and started again with what it had.

    The Java machine runs under a warden, which ends it when this process is gone, however that ended.

    Args:
        folder: where its log and settings lie; they outlive a restart.
        heap: of the Java machine.
    """

    def __init__(self, folder: Path, *, heap: str = "1g") -> None:
        self._folder = folder
        self._heap = heap
        self._port, self._controller_port = _free_port(), _free_port()
        self._warden: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    def servers(self) -> str:
        """For `bootstrap.servers`; the same over restarts."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Of the Java machine, while it runs."""
        assert self._warden is not None
        return self._pid

    def start(self) -> None:
        """Starts it, the first time on an empty log; returns when it answers.

        Raises:
            KafkaMissingError: there is nothing to start.
            RuntimeError: it did not come up; the message ends with its last lines.
        """
        jars = _jars()
        properties = self._folder / "server.properties"
        if not properties.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            properties.write_text(self._properties(), encoding="utf-8")
            cluster = _run([*_storage_tool(jars), "random-uuid"]).split()[-1]
            _run([*_storage_tool(jars), "format", "-t", cluster, "-c", str(properties)])
        with (self._folder / "kafka.log").open("ab") as log:
            self._warden = subprocess.Popen(  # noqa: S603 - our own words
                [
                    *(sys.executable, "-I", "-S", warden.__file__, str(int(signal.SIGTERM)), str(_GRACE_S), "-1", "-1"),
                    *(_tool("java"), f"-Xmx{self._heap}", "-cp", f"{jars}/*", "kafka.Kafka", str(properties)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._warden.stdout is not None
        with self._warden.stdout as line:
            self._pid = int(line.readline())
        self._wait()

    def stop(self) -> None:
        """Ends it in good order; nothing happens when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        running, self._warden = self._warden, None
        if running is None:
            return
        assert running.stdin is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, how)
        try:
            running.wait(_DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            running.wait()
        running.stdin.close()

    def _wait(self) -> None:
        client = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        deadline = time.monotonic() + _UP_WITHIN_S
        while True:
            with contextlib.suppress(KafkaException):
                client.list_topics(timeout=1)
                return
            ended = self._warden is None or self._warden.poll() is not None
            if ended or time.monotonic() > deadline:
                lines = (self._folder / "kafka.log").read_text(errors="replace").splitlines()[-_LAST_LINES:]
                self.kill()
                raise RuntimeError("Apache Kafka did not come up:\n" + "\n".join(lines))

    def _properties(self) -> str:
        wanted = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._folder / "log"),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
        }
        return "".join(f"{name}={value}\n" for name, value in wanted.items())


def _jars() -> Path:
    """The folder with the broker's jars; fetched the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringback-tests" / f"kafka-{VERSION}"
    if (cache / "whole").exists():
        return cache
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "pom.xml").write_text(_POM, encoding="utf-8")
    _run([_tool("mvn"), "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={cache}"], cwd=cache)
    (cache / "whole").touch()
    return cache


def _storage_tool(jars: Path) -> list[str]:
    return [_tool("java"), "-cp", f"{jars}/*", "kafka.tools.StorageTool"]


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise KafkaMissingError(f"Apache Kafka needs {name} on the PATH (Java 17 and Maven)")
    return found


def _run(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)  # noqa: S603 - our own words
    if done.returncode:
        raise KafkaMissingError(f"{Path(command[0]).name} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
