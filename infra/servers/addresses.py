"""Where the servers answer, and how one process of a home tells the others."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.servers.identity import ProcessIdentity


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Addresses of the three servers, as their drivers take them.

    An embedded PostgreSQL and Redis answer on Unix sockets in a folder that only this user can enter
    (``postgresql://…?host=/path``, ``unix:///path``); an embedded broker on a loopback port.
    """

    postgres_url: str
    redis_url: str
    kafka_servers: str


def publish(home: Path, addresses: Addresses) -> None:
    """Tells other processes what this process serves in ``home``; only this user can read it (URLs hold passwords)."""
    body = {"owner": asdict(ProcessIdentity.of(os.getpid())), "addresses": asdict(addresses)}
    new = home / "addresses.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(body))
    new.replace(home / "addresses.json")


def withdraw(home: Path) -> None:
    """Tells other processes that nothing is served in ``home`` any more."""
    (home / "addresses.json").unlink(missing_ok=True)


def running(home: Path) -> Addresses | None:
    """What a running process serves in ``home``; None when nobody does.

    A file that a killed process left behind counts for nothing: its owner is known by process id and start time.
    """
    try:
        body = json.loads((home.expanduser() / "addresses.json").read_text())
        if ProcessIdentity(**body["owner"]).alive():
            return Addresses(**body["addresses"])
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError, KeyError, TypeError):
        return None
    return None
