"""Processes of roles, forked from one that has imported the libraries of others.

Importing Faust and the drivers takes each role a second and a half of processor, in the sixtieth process of a run as
in the first. What is ours is imported, and its coverage measured, in the role's own process, as ever. How roles start
for users is tested in tests/infra/cli (up, the supervisor, work) and in tests/streams/test_web_process.

Only the standard library is imported above: this file is also the program of the process that forks.
"""

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

LIBRARIES: Final = (
    "aiokafka",
    "confluent_kafka.admin",
    "coverage",
    "cryptography.hazmat.primitives.ciphers.aead",
    "faust",
    "faust.app",
    "faust.transport.drivers.aiokafka",
    "msgspec",
    "orjson",
    "psycopg_pool",
    "pydantic_settings",
    "redis.asyncio.cluster",
    "structlog",
    "uvloop",
)
"""What roles import and what reads no environment at its import, as prometheus_client does, and starts no thread."""

_LONGEST: Final = 1 << 17  # bytes of a message


class Started(Protocol):
    """What may be done with a process, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


def started(code: str, environment: Mapping[str, str], output: int | None = None) -> Started:
    """A process that runs the lines.

    Args:
        code: Python.
        environment: all of it.
        output: the open file that takes what it prints and its errors; None: ours.
    """
    if sys.platform != "linux":  # elsewhere a library may not outlive a fork
        return subprocess.Popen([sys.executable, "-u", "-c", code], env=environment, stdout=output, stderr=output)  # noqa: S603 - our own code
    return _Template.ours().fork(code, environment, output)


class _Forked:
    """One process; ours to signal, the template's to wait for."""

    def __init__(self, template: "_Template", pid: int) -> None:
        self._template = template
        self.pid = pid

    def poll(self) -> int | None:
        return self._template.status(self.pid, 0.0)

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + (3600.0 if timeout is None else timeout)
        while (status := self._template.status(self.pid, 0.05)) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _Template:
    """The process that forks, started once and ended with ours."""

    _started: "_Template | None" = None

    @classmethod
    def ours(cls) -> "_Template":
        if cls._started is None:
            cls._started = cls()
            atexit.register(cls._started.close)
        return cls._started

    def __init__(self) -> None:
        self._channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}
        with far:
            self._process = subprocess.Popen(  # noqa: S603 - this file; -P: its folder has rooms of the packages' names
                [sys.executable, "-u", "-P", __file__, str(far.fileno())], env=unmeasured, pass_fds=[far.fileno()]
            )
        self._statuses: dict[int, int] = {}
        self._lock = threading.Lock()

    def fork(self, code: str, environment: Mapping[str, str], output: int | None) -> _Forked:
        request = {"code": code, "environment": dict(environment), "folder": str(os.getcwd())}  # noqa: PTH109 - as it is
        with self._lock:
            socket.send_fds(self._channel, [json.dumps(request).encode()], [1, 2] if output is None else [output] * 2)
            while (pid := self._receive()) is None:
                pass
        return _Forked(self, pid)

    def status(self, pid: int, within_s: float) -> int | None:
        """The exit status as `subprocess` gives it, as soon as there is one."""
        with self._lock:
            while pid not in self._statuses and select.select([self._channel], [], [], within_s)[0]:
                self._receive()
        return self._statuses.get(pid)

    def close(self) -> None:
        self._channel.close()
        self._process.wait()

    def _receive(self) -> int | None:
        """Takes one message; answers the id of a process that was forked."""
        message = self._channel.recv(_LONGEST)
        if not message:
            raise AssertionError("the process that forks has ended")
        pid, status = json.loads(message)
        if status is None:
            return int(pid)
        self._statuses[pid] = status
        return None


def _forked(channel: socket.socket) -> str | None:
    """In each process that is forked, the lines that it is to run; None in the one that forks, at its end."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # of the terminal: for those that were forked
    while True:
        ready = select.select([channel.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(channel)
        if channel.fileno() not in ready:
            continue
        message, files, _, _ = socket.recv_fds(channel, _LONGEST, 2)
        if not message:
            return None
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            channel.close()
            return _become(json.loads(message), files, [woken, wake])
        for file in files:
            os.close(file)
        channel.send(json.dumps([pid, None]).encode())


def _tell_ends(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        channel.send(json.dumps([pid, os.waitstatus_to_exitcode(status)]).encode())


def _become(request: dict[str, Any], files: list[int], ours: list[int]) -> str:
    """Puts on what the process was asked to be."""
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
    for file in (*files, *ours):
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if any(name.startswith("COVERAGE_PROCESS_") for name in os.environ):
        importlib.import_module("coverage").process_startup()
    return str(request["code"])


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    if (lines := _forked(socket.socket(fileno=int(sys.argv[1])))) is not None:
        sys.argv = ["-c"]
        exec(compile(lines, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own code
