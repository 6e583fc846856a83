"""A role as a process of its own, the history beside it, and waiting for what it is to do."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from infra.cli.connected import as_environment
from infra.settings import Settings
from tests.forked import Started, started

ResultT = TypeVar("ResultT")

_START = "from infra.settings import Settings; from streams.{role} import run; run(Settings())"


class RoleProcess:
    """One role's process; it ends with the block."""

    def __init__(self, role: str, settings: Settings, log: Path) -> None:
        self._code = _START.format(role=role)
        self._environment = {**os.environ, **as_environment(settings)}
        self._log = log
        self._process: Started | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = started(self._code, self._environment, log.fileno())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the role did not stop: {self.tail()}") from None

    def kill(self) -> None:
        """Ends it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])

    async def until(self, look: Callable[[], Awaitable[ResultT | None]], *, within_s: float = 60) -> ResultT:
        """Waits until there is something to see; the log's last lines are in the error."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            seen = await look()
            if seen:
                return seen
            assert self.alive, f"the role ended: {self.tail()}"
            await asyncio.sleep(0.05)
        raise AssertionError(f"not seen within {within_s} s: {self.tail()}")
