"""Keeps a whole installation running on one machine: the embedded servers and the roles that work on them."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import structlog
from prometheus_client import multiprocess

from infra.cli.connected import as_environment, with_addresses
from infra.cli.keys import with_keys
from infra.cli.role_process import GRACE_S, Role, RoleProcess
from infra.servers import Addresses, EmbeddedServers, ServersError, from_settings
from infra.settings import Settings
from streams.errors import BrokerAway
from streams.topics import ensure_topics

DETECTION = "detection"
ROLES = (DETECTION, "casework", "outreach", "relay", "cards", "web")
"""The roles of an installation, in the order in which they are started; they are stopped in the opposite one."""

WATCH_S = 0.1
READY_WITHIN_S = 90.0
FIRST_PAUSE_S = 0.5
LAST_PAUSE_S = 15.0
STEADY_AFTER_S = 10.0
"""What ran this long before it ended is started again at once; what keeps ending, after a growing pause."""

log = structlog.get_logger(__name__)


class Supervisor:
    """Starts servers and roles, starts again what dies, and ends all when it is told to or ends itself.

    A role that dies is started again: at once if it had worked, after pauses that double up to 15 s while it dies
    before it is ready. An embedded server that dies is started again at its address; after the broker, which forgets
    its topics, these are made again. When this process is killed, servers and roles end by themselves.

    Args:
        settings: As they were read; addresses and secrets that they leave out are filled in by ``start``.
        roles: Names out of ``ROLES`` (and ``rehearsal``), or roles of your own making. Of ``detection`` there are as
            many processes as the settings say, ``detection-1`` and on where there are several.
        environment: Further environment variables for the roles.
        ready_within_s: How long the roles may take to be ready.
    """

    def __init__(
        self,
        settings: Settings,
        roles: Sequence[str | Role] = ROLES,
        *,
        environment: Mapping[str, str] | None = None,
        ready_within_s: float = READY_WITHIN_S,
    ) -> None:
        home = settings.home.expanduser().absolute()
        self.settings = settings.model_copy(update={"home": home})
        self.servers: EmbeddedServers = from_settings(self.settings)
        self.env: dict[str, str] = {}
        self._further = dict(environment or {})
        self._ready_within_s = ready_within_s
        named = [each for role in roles for each in (self._role(role) if isinstance(role, str) else [role])]
        self._roles = {role.name: RoleProcess(home, role) for role in named}
        self._held = contextlib.ExitStack()
        self._stopping = threading.Event()
        self._attempts: dict[str, tuple[float, float]] = {}  # the earliest time of the next one, and the pause after it
        self._topics_due = False
        self._parent_pipe = -1

    @property
    def roles(self) -> list[str]:
        """The names of the roles, in the order of their start."""
        return list(self._roles)

    @property
    def addresses(self) -> Addresses:
        """Where the servers answer; RuntimeError before ``start``."""
        return self.servers.addresses

    def start(self) -> None:
        """Starts everything and returns when every role is ready; what was started is stopped again on an error.

        Raises:
            ServersError: a server or a role did not come up (``HomeInUse``, ``ServerFailed``, ``RoleFailed``, …).
            BrokerAway: the broker that the settings name does not answer.
        """
        self._stopping.clear()
        try:
            self.servers.start()
            self._held.callback(self.servers.stop)
            self.settings = with_keys(with_addresses(self.settings, self.servers.addresses), generate=True)
            ensure_topics(self.addresses.kafka_servers, self.settings)
            self._prepare_environment()
            self._held.callback(self._stop_roles)
            for process in self._roles.values():
                process.start(self.env, self._parent_pipe)
            self._wait_until_ready()
            watch = threading.Thread(target=self._watch, name="supervisor", daemon=True)
            watch.start()
            self._held.callback(watch.join)
            self._held.callback(self._stopping.set)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the roles in order, then the servers; nothing happens when nothing runs."""
        self._stopping.set()
        self._held.close()

    def alive(self, role: str) -> bool:
        """Whether a role's process runs; KeyError when there is no such role."""
        return self._roles[role].pid is not None

    def ready(self, role: str) -> bool:
        """Whether a role runs and does its work; KeyError when there is no such role."""
        return self._roles[role].ready()

    def pid(self, role: str) -> int | None:
        """The process id of a role; None while it does not run, KeyError when there is no such role."""
        return self._roles[role].pid

    def starts(self, role: str) -> int:
        """How often a role was started; KeyError when there is no such role."""
        return self._roles[role].starts

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _role(self, name: str) -> list[Role]:
        role = Role(name, health_url=f"{self._local_url}/healthz" if name == "web" else None)
        return role.several(self.settings.detection_workers) if name == DETECTION else [role]

    @property
    def _local_url(self) -> str:
        host = self.settings.http_host
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{self.settings.http_port}"  # noqa: S104 - compared, not bound

    def _prepare_environment(self) -> None:
        metrics = self.settings.home / "run" / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(mode=0o700, parents=True)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RINGBACK_")},
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            "PYTHONUNBUFFERED": "1",
            **as_environment(self.settings),
            "RINGBACK_METRICS_PORT": "0",  # the web process shows the figures of all
            **self._further,
        }
        self._parent_pipe, ours = os.pipe()
        self._held.callback(os.close, self._parent_pipe)
        self._held.callback(os.close, ours)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._ready_within_s
        waiting = dict(self._roles)
        while waiting and not self._stopping.wait(WATCH_S):
            for name, process in list(waiting.items()):
                if process.ready():
                    del waiting[name]
                elif process.exit_code is not None:
                    raise process.failed(f"it ended before it was ready ({_how(process.exit_code)})")
                elif time.monotonic() > deadline:
                    raise process.failed(f"not ready in {self._ready_within_s:.0f} s")

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_S):
            for name in sorted(self.servers.which):
                if not self.servers.alive(name):
                    self._attempt(f"server {name}", partial(self._restart_server, name))
            if self._topics_due:
                self._attempt("topics", self._make_topics)
            for name, process in self._roles.items():
                if process.exit_code is not None:
                    if process.was_ready():
                        self._attempts.pop(f"role {name}", None)  # it worked: what ended it was not its start
                    self._attempt(f"role {name}", partial(self._restart_role, name, process))

    def _attempt(self, what: str, action: Callable[[], None]) -> None:
        """Does it, unless the last attempt was too recent; what fails is logged and tried again later."""
        now = time.monotonic()
        earliest, pause = self._attempts.get(what, (now, FIRST_PAUSE_S))
        if now < earliest:
            return
        if now > earliest + STEADY_AFTER_S:
            pause = FIRST_PAUSE_S
        self._attempts[what] = (now + pause, min(2 * pause, LAST_PAUSE_S))
        try:
            action()
        except (ServersError, BrokerAway, OSError) as reason:
            log.warning("could not be started again; will be tried again", what=what, reason=str(reason))

    def _restart_server(self, name: str) -> None:
        log.warning("server ended; starting it again", server=name)
        self._topics_due = self._topics_due or name == "kafka"
        self.servers.restart(name)

    def _make_topics(self) -> None:
        made = ensure_topics(self.addresses.kafka_servers, self.settings)
        self._topics_due = False
        log.warning("the broker had forgotten its topics; made again", topics=len(made))

    def _restart_role(self, name: str, process: RoleProcess) -> None:
        log.warning("role ended; starting it again", of=name, ended=_how(process.exit_code or 0))
        if process.last_pid is not None:
            multiprocess.mark_process_dead(process.last_pid, self.env["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]  # the library declares no types here
        process.start(self.env, self._parent_pipe)

    def _stop_roles(self) -> None:
        """Ends what lets work in first, then all that work on it together: none waits for another."""
        deadline = time.monotonic() + GRACE_S
        if web := self._roles.get("web"):
            web.ask_to_end()
            web.end(deadline)
        for process in self._roles.values():
            process.ask_to_end()
        for process in self._roles.values():
            process.end(deadline)


def _how(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
