"""The embedded servers of a home, together: started in parallel, stopped in order, restarted one by one."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.servers.addresses import Addresses, publish, withdraw
from infra.servers.home import forget_sockets, owned
from infra.servers.kafka import kafka
from infra.servers.postgres import postgres
from infra.servers.process import ServerProcess, ServerSpec
from infra.servers.redis import redis
from infra.settings import Settings

ALL = frozenset({"postgres", "redis", "kafka"})


class EmbeddedServers:
    """Some or all of the three servers in one home, which this process holds while they run.

    Args:
        home: Folder of their data; made when it is missing.
        which: The servers to run, out of ``postgres``, ``redis`` and ``kafka``.
        others: Addresses of those that are not run here, published along with the others.
        durable: Whether data survives the machine's loss of power. Off only in tests.
    """

    def __init__(
        self,
        home: Path,
        *,
        which: frozenset[str] = ALL,
        others: Addresses | None = None,
        durable: bool = True,
    ) -> None:
        if unknown := which - ALL:
            raise ValueError(f"unknown servers: {', '.join(sorted(unknown))}")
        self.home = home.expanduser().absolute()
        self.which = which
        self.others = others or Addresses(postgres_url="", redis_url="", kafka_servers="")
        self._durable = durable
        self._processes: dict[str, ServerProcess] = {}
        self._addresses: Addresses | None = None
        self._held = contextlib.ExitStack()

    @property
    def addresses(self) -> Addresses:
        """Where the servers answer.

        Raises:
            RuntimeError: they were not started.
        """
        if self._addresses is None:
            raise RuntimeError("the servers were not started")
        return self._addresses

    def start(self) -> Addresses:
        """Starts all and returns when each answers.

        Raises:
            HomeInUse: another process serves from this home.
            ServerFailed: one did not come up; those that did are stopped again.
            NotInstalled: a wheel is missing.
        """
        self._held.enter_context(owned(self.home))
        self._held.callback(forget_sockets, self.home)
        self._held.callback(self._stop_all)
        try:
            with ThreadPoolExecutor(max_workers=len(ALL)) as pool:
                found = dict(zip(sorted(self.which), pool.map(self._start_one, sorted(self.which)), strict=True))
            self._addresses = Addresses(
                postgres_url=found.get("postgres", self.others.postgres_url),
                redis_url=found.get("redis", self.others.redis_url),
                kafka_servers=found.get("kafka", self.others.kafka_servers),
            )
            publish(self.home, self._addresses)
            self._held.callback(withdraw, self.home)
        except BaseException:
            self._held.close()
            raise
        return self._addresses

    def stop(self) -> None:
        """Stops all in order, and lets go of the home; nothing happens when they do not run."""
        self._held.close()
        self._addresses = None

    def restart(self, name: str) -> None:
        """Ends one server, if it still runs, and starts it at the same address.

        PostgreSQL and Redis come back with their data; the broker comes back empty, so its topics must be made again.

        Raises:
            ServerFailed: it did not come up.
            KeyError: it is not one of ours.
        """
        process = self._processes[name]
        process.stop()
        process.start()

    def alive(self, name: str) -> bool:
        """Whether a server's process runs; KeyError when it is not one of ours."""
        return self._processes[name].alive()

    def pid(self, name: str) -> int | None:
        """The process id of a server; None when it does not run, KeyError when it is not one of ours."""
        return self._processes[name].pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_one(self, name: str) -> str:
        recipes: dict[str, Callable[[], tuple[str, ServerSpec]]] = {
            "postgres": lambda: postgres(self.home, durable=self._durable),
            "redis": lambda: redis(self.home, durable=self._durable),
            "kafka": lambda: kafka(self.home),
        }
        address, spec = recipes[name]()
        self._processes[name] = ServerProcess(self.home, spec)
        self._processes[name].start()
        return address

    def _stop_all(self) -> None:
        with contextlib.ExitStack() as each:  # one that does not end keeps none of the others running
            for name in (
                "postgres",
                "redis",
                "kafka",
            ):  # the last pushed is stopped first: what feeds, before what keeps
                if process := self._processes.get(name):
                    each.callback(process.stop)


@contextlib.contextmanager
def embedded(home: Path, *, which: frozenset[str] = ALL, durable: bool = True) -> Iterator[Addresses]:
    """Runs the embedded servers of a home for as long as the block lasts; errors as of ``EmbeddedServers.start``.

    Addresses of servers that are not in ``which`` are empty.
    """
    with EmbeddedServers(home, which=which, durable=durable) as servers:
        yield servers.addresses


def from_settings(settings: Settings) -> EmbeddedServers:
    """Those servers, not started, whose address the settings do not give; none of them when all are given."""
    named = Addresses(
        postgres_url=settings.postgres_url or "",
        redis_url=settings.redis_url or "",
        kafka_servers=settings.kafka_servers or "",
    )
    given = {"postgres": named.postgres_url, "redis": named.redis_url, "kafka": named.kafka_servers}
    missing = frozenset(name for name, address in given.items() if not address)
    return EmbeddedServers(settings.home, which=missing, others=named)


@contextlib.contextmanager
def resolve(settings: Settings) -> Iterator[Addresses]:
    """The addresses that the settings give, and embedded servers for those they do not, while the block lasts.

    When all are given, nothing starts and the home is not touched.
    """
    servers = from_settings(settings)
    if not servers.which:
        yield servers.others
        return
    with servers:
        yield servers.addresses
