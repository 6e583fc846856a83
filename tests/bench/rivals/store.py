"""The rival store as a process, in an environment in the user's cache: nothing of it is in the product's lock."""

import json
import os
import statistics
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Final, Protocol

STORE_PINS: Final = {"eventsourcing": "9.5.6", "psycopg[binary,pool]": "3.3.9"}
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringback-tests"


def store_python() -> str:
    """The interpreter that has the rival store; made the first time."""
    pins = [f"{name}=={version}" for name, version in STORE_PINS.items()]
    folder = _CACHE / f"stores-{uuid.uuid5(uuid.NAMESPACE_OID, ' '.join([sys.version, *pins])).hex[:8]}"
    interpreter = str(folder / "bin" / "python")
    if not (folder / "whole").exists():
        uv = str(Path(sys.executable).parent / "uv")
        for command in (
            [sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)],
            [uv, "pip", "install", "--quiet", "--python", interpreter, *pins],
        ):
            subprocess.run(command, check=True)  # noqa: S603 -- our own words
        (folder / "whole").touch()
    return interpreter


def summed(waits: list[float], seconds: float, batch: int) -> dict[str, float]:
    """Events a second, and how long each append waited."""
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return {
        "events_per_s": round(len(waits) * batch / seconds),
        "p50_ms": round(cuts[49] * 1000, 2),
        "p99_ms": round(cuts[98] * 1000, 2),
    }


class Waits(Protocol):
    """Takes down what appends waited."""

    def add(self, waits: list[float], seconds: float, /) -> None:
        """One more turn."""


class Rival:
    """The other store's process."""

    def __init__(self, host: str, database: str) -> None:
        script = str(Path(__file__).parent / "eventsourcing_store.py")
        self._process = subprocess.Popen(  # noqa: S603 -- our own script
            [store_python(), script, host, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Has it do something, and waits for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the rival has ended; its words are above")
        found: dict[str, Any] = json.loads(line)
        return found

    def append(self, fields: dict[str, Any], writers: int, batch: int, seconds: float, taken: Waits) -> None:
        """So many threads append batches for so long; `taken` is told what each waited."""
        told = self.ask("append", fields=fields, writers=writers, batch=batch, seconds=seconds)
        taken.add(told["waits"], told["seconds"])

    def rate(self, do: str, events: int) -> dict[str, float]:
        told = self.ask(do, events=events)
        return {"events_per_s": round(told["events"] / told["seconds"])}

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
