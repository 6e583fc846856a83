"""One embedded server as a process: started under a warden, known by id and start time, ended in order."""

import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGKILL, Signals

from infra.servers.errors import ServerFailed
from infra.servers.identity import ProcessIdentity

GRACE_S = 10.0
"""A server that was asked to end is killed after this."""

LOG_LIMIT_BYTES = 10_000_000
TAIL_LINES = 15
POLL_S = 0.01


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """How to run one server: what the process needs to know of PostgreSQL, Redis or the broker.

    Attributes:
        name: What the server is called in messages and file names.
        command: Program and arguments.
        check: Returns when the server answers as what it is; raises any ``Exception`` while it does not.
        stop_signal: Asks the server to end in order.
        account: The account it runs under; None: our own.
        ready_within_s: How long a start may take.
    """

    name: str
    command: list[str]
    check: Callable[[], None]
    stop_signal: Signals
    account: pwd.struct_passwd | None = None
    ready_within_s: float = 30.0


class ServerProcess:
    """A server of a home. Not safe for use by two threads at once."""

    def __init__(self, home: Path, spec: ServerSpec) -> None:
        self.spec = spec
        self.log = home / "logs" / f"{spec.name}.log"
        self._record = home / "run" / f"{spec.name}.json"
        self._warden: subprocess.Popen[bytes] | None = None
        self._identity: ProcessIdentity | None = None

    @property
    def pid(self) -> int | None:
        """The server's own process id; None before the start and after the stop."""
        return self._identity.pid if self._identity else None

    def alive(self) -> bool:
        """Whether the server runs; says nothing about whether it answers."""
        return self._identity is not None and self._identity.alive()

    def start(self) -> None:
        """Starts the server and returns when it answers; one that a crash left behind is ended first.

        Raises:
            ServerFailed: it ended, or did not answer in time; nothing is left running.
        """
        self._end_stale()
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        offset = self.log.stat().st_size if self.log.exists() else 0
        account = self.spec.account
        with self.log.open("ab") as log:
            self._warden = subprocess.Popen(  # noqa: S603 - our own script and a command that we built
                [
                    *(sys.executable, "-I", "-S", str(Path(__file__).with_name("warden.py"))),
                    *(str(int(self.spec.stop_signal)), str(GRACE_S)),
                    *(str(account.pw_uid if account else -1), str(account.pw_gid if account else -1)),
                    *self.spec.command,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )
        assert self._warden.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self._warden.stdout.readline().strip()
        self._warden.stdout.close()
        try:
            self._identity = ProcessIdentity.of(int(line))
        except (ValueError, ProcessLookupError):
            self.stop()
            raise self._failed("it ended at once", offset) from None
        self._record.write_text(json.dumps(asdict(self._identity)))
        self._wait_until_ready(offset)

    def stop(self) -> None:
        """Ends the server in order and returns when it has ended; nothing happens when it does not run.

        Raises:
            ServerFailed: it could not be ended.
        """
        warden, self._warden = self._warden, None
        identity, self._identity = self._identity, None
        if warden is not None:
            assert warden.stdin is not None  # noqa: S101 - a pipe was asked for
            warden.stdin.close()
            try:
                warden.wait(GRACE_S + 5)
            except subprocess.TimeoutExpired:
                warden.kill()
                warden.wait()
        if identity is not None:
            self._end(identity)
        self._record.unlink(missing_ok=True)

    def _end_stale(self) -> None:
        """Ends what a crashed process left behind: its warden is at it already, unless that was killed as well."""
        try:
            left = ProcessIdentity(**json.loads(self._record.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return
        self._end(left)
        self._record.unlink(missing_ok=True)

    def _end(self, identity: ProcessIdentity) -> None:
        if identity.alive():
            identity.signal(self.spec.stop_signal)
            if not identity.ended(GRACE_S):
                identity.signal(SIGKILL)
                if not identity.ended(GRACE_S):
                    raise self._failed(f"process {identity.pid} does not end", 0)

    def _wait_until_ready(self, offset: int) -> None:
        deadline = time.monotonic() + self.spec.ready_within_s
        while True:
            try:
                self.spec.check()
            except Exception as reason:
                ended = not self.alive()
                if ended or time.monotonic() > deadline:
                    self.stop()
                    what = "it ended while starting" if ended else f"no answer in {self.spec.ready_within_s:.0f} s"
                    raise self._failed(f"{what} ({reason})" if not ended else what, offset) from reason
                time.sleep(POLL_S)
            else:
                if self.alive():
                    return
                self.stop()  # another process answered in its place: the port was taken
                raise self._failed("it ended while starting, and another process answers at its address", offset)

    def _failed(self, reason: str, offset: int) -> ServerFailed:
        with self.log.open("rb") as log:
            log.seek(offset)
            lines = log.read().decode(errors="replace").splitlines()
        return ServerFailed(self.spec.name, reason, self.log, lines[-TAIL_LINES:])


def _environment() -> dict[str, str]:
    """What a server may see of our environment: settings of ours, or of another installation, would steer it."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "TZDIR", "SYSTEMROOT") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
