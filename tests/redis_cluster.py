"""A Redis Cluster of real nodes on this machine: three masters share the slots, and one has a replica."""

import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis
from redis.crc import key_slot

from infra.servers.redis import program

_SLOTS: Final = 16_384
_WITHIN_S: Final = 30.0
_MASTERS: Final = 3


class RedisCluster:
    """The nodes are processes of ours, on ports that were free; nothing is kept.

    Args:
        folder: of their files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        self.nodes: list[redis.Redis] = []
        self.ports: list[int] = []
        self._bus_ports: list[int] = []

    @property
    def url(self) -> str:
        """As the settings take it."""
        return f"redis+cluster://127.0.0.1:{self.ports[0]}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for number in range(_MASTERS + 1):
                self._start(number, stack)
            for node in self.nodes[1:]:
                self._ask(node, "CLUSTER", "MEET", "127.0.0.1", self.ports[0], self._bus_ports[0])
            share = -(-_SLOTS // _MASTERS)
            for number in range(_MASTERS):
                last = min(_SLOTS, (number + 1) * share) - 1
                self._ask(self.nodes[number], "CLUSTER", "ADDSLOTSRANGE", number * share, last)
            self._until(lambda: all(self._known(node) == _MASTERS + 1 for node in self.nodes), "all know each other")
            self._ask(self.nodes[-1], "CLUSTER", "REPLICATE", self._id(self.nodes[0]))
            self._until(lambda: all(self._is_ok(node) for node in self.nodes), "the cluster serves every slot")
            self._until(lambda: self._replicates(self.nodes[-1]), "the replica follows")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def serving(self, key: str) -> int:
        """The number of the node that has the key's slot."""
        for number, process in enumerate(self._processes):
            if process.poll() is None:
                with suppress(redis.exceptions.MovedError):
                    self.nodes[number].exists(key)
                    return number
        raise AssertionError(f"nobody serves {key}")

    def move(self, key: str, to: int) -> None:
        """Gives the key's slot, in which there is nothing else, to another node."""
        slot, source, target = key_slot(key.encode()), self.nodes[self.serving(key)], self.nodes[to]
        self._ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self._id(source))
        self._ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self._id(target))
        self._ask(source, "MIGRATE", "127.0.0.1", self.ports[to], key, 0, 5000)
        for node in (target, source):
            self._ask(node, "CLUSTER", "SETSLOT", slot, "NODE", self._id(target))

    def flush(self) -> None:
        """Empties every node."""
        for number in range(_MASTERS):
            self.nodes[number].flushall()

    def kill(self, number: int) -> None:
        """As the machine would."""
        self._processes[number].kill()
        self._processes[number].wait()

    def _start(self, number: int, stack: ExitStack) -> None:
        port, bus_port = _free_port(), _free_port()
        data = self._folder / f"node-{number}"
        data.mkdir(parents=True)
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "dir": data,
            "cluster-enabled": "yes",
            "cluster-port": bus_port,
            "cluster-node-timeout": 1000,
            "cluster-config-file": "nodes.conf",
            "save": "",
            "appendonly": "no",
            "repl-diskless-sync-delay": 0,
        }
        command = [str(program()), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own program
        stack.callback(process.wait)
        stack.callback(process.kill)
        client = redis.Redis(port=port, socket_timeout=5.0)
        stack.callback(client.close)
        self._processes.append(process)
        self.nodes.append(client)
        self.ports.append(port)
        self._bus_ports.append(bus_port)
        self._until(lambda: _answers(client), f"node {number} answers")

    @staticmethod
    def _ask(node: Any, *words: Any) -> Any:
        return node.execute_command(*words)

    def _id(self, node: redis.Redis) -> str:
        told = self._ask(node, "CLUSTER", "MYID")
        return told.decode() if isinstance(told, bytes) else str(told)

    def _known(self, node: redis.Redis) -> int:
        return int(self._state(node)["cluster_known_nodes"])

    def _is_ok(self, node: redis.Redis) -> bool:
        return bool(self._state(node)["cluster_state"] == "ok")

    def _state(self, node: redis.Redis) -> dict[str, str]:
        told: dict[str, str] = self._ask(node, "CLUSTER INFO")
        return told

    @staticmethod
    def _replicates(node: redis.Redis) -> bool:
        told: Any = node.info("replication")
        return bool(told["role"] == "slave" and told["master_link_status"] == "up")

    @staticmethod
    def _until(seen: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while time.monotonic() < deadline:
            if seen():
                return
            time.sleep(0.02)
        raise AssertionError(f"not seen within {_WITHIN_S} s: {what}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
