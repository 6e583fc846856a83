"""One role as a child process of the supervisor."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.cli.parent import PARENT_FD
from infra.servers import ServersError
from infra.telemetry import READY_FILE

GRACE_S = 15.0
"""A role that was asked to end is killed after this."""

LOG_LIMIT_BYTES = 20_000_000
TAIL_LINES = 15


@dataclass(frozen=True)
class Role:
    """What to run as a role.

    Attributes:
        name: What the process is called; its log is ``HOME/logs/NAME.log``.
        command: Program and arguments; empty: ``ringback work NAME``, or ``ringback serve`` for ``web``.
        health_url: It is ready when this answers 200; none: when it has called ``infra.telemetry.ready()``.
        work: Of several processes that do the same under names of their own, what that is.
    """

    name: str
    command: tuple[str, ...] = field(default=())
    health_url: str | None = None
    work: str = ""

    def arguments(self) -> list[str]:
        """The whole command line."""
        ours = ("work", self.work, "--name", self.name) if self.work else ("work", self.name)
        return list(
            self.command or (sys.executable, "-m", "infra.cli.main", *(("serve",) if self.name == "web" else ours))
        )

    def several(self, number: int) -> list["Role"]:
        """So many processes of it, ``NAME-1`` and on; the role itself where one is enough."""
        if number == 1:
            return [self]
        return [replace(self, name=f"{self.name}-{one + 1}", work=self.name) for one in range(number)]


class RoleFailed(ServersError):
    """A role ended before it was ready, or was not ready in time; the message carries the last lines of its log."""

    def __init__(self, role: str, reason: str, log: Path, lines: list[str]) -> None:
        self.role = role
        tail = "\n".join(f"  | {line}" for line in lines) or "  | (empty)"
        super().__init__(f"role {role}: {reason}. Last lines of {log}:\n{tail}")


class RoleProcess:
    """A role's process, which may be started again and again."""

    def __init__(self, home: Path, role: Role) -> None:
        self.role = role
        self.log = home / "logs" / f"{role.name}.log"
        self._ready_file = home / "run" / f"{role.name}.ready"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_offset = 0
        self.started_at = 0.0
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def last_pid(self) -> int | None:
        """The process id of its last start, whether that still runs or not."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """How it ended (minus the signal that killed it); None while it runs and before its first start."""
        return self._process.poll() if self._process else None

    def start(self, environment: Mapping[str, str], parent_pipe: int) -> None:
        """Starts the process; returns at once.

        Args:
            environment: All of its environment.
            parent_pipe: The end of a pipe on which it notices the end of this process.
        """
        self._ready_file.unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._log_offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                self.role.arguments(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environment, PARENT_FD: str(parent_pipe), READY_FILE: str(self._ready_file)},
                pass_fds=(parent_pipe,),
                start_new_session=True,  # Ctrl-C reaches the supervisor, which ends its roles in order
            )
        self.started_at = time.monotonic()
        self.starts += 1

    def ready(self) -> bool:
        """Whether it runs and does its work."""
        if self.pid is None:
            return False
        if self.role.health_url is None:
            return self._ready_file.exists()
        try:
            with urllib.request.urlopen(self.role.health_url, timeout=2) as answer:  # noqa: S310 - http, our own address
                return bool(answer.status == 200)  # noqa: PLR2004 - OK
        except (urllib.error.URLError, OSError):
            return False

    def was_ready(self) -> bool:
        """Whether its last start came as far as ``infra.telemetry.ready()``."""
        return self._ready_file.exists()

    def ask_to_end(self) -> None:
        """Asks the process to end in order; returns at once."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Waits until it has ended; kills it, and what it left in its session, when ``deadline`` (monotonic) passes."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._ready_file.unlink(missing_ok=True)

    def failed(self, reason: str) -> RoleFailed:
        """The error for a role that does not come up."""
        with self.log.open("rb") as log:
            log.seek(self._log_offset)
            lines = log.read().decode(errors="replace").splitlines()
        return RoleFailed(self.role.name, reason, self.log, lines[-TAIL_LINES:])
