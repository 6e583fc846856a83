"""Which process is meant: a process id alone is given to another process sooner or later."""

import contextlib
import signal
from dataclasses import dataclass

import psutil

START_TOLERANCE_S = 2.0
"""Readings of one start time may differ by rounding or a clock step; two processes of one id never start this close."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process id together with the time the process started (seconds since the epoch)."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """The identity of a living process.

        Raises:
            ProcessLookupError: it has ended already.
        """
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess as gone:
            raise ProcessLookupError(pid) from gone

    def alive(self) -> bool:
        """Whether this very process still runs; one that has ended and waits to be collected does not."""
        return self._process() is not None

    def signal(self, how: signal.Signals) -> None:
        """Signals this very process; nothing happens when it has ended."""
        if process := self._process():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(how)

    def ended(self, within_s: float) -> bool:
        """Waits until this very process has ended; False when it still runs after ``within_s``."""
        process = self._process()
        if process is None:
            return True
        try:
            process.wait(within_s)
        except psutil.TimeoutExpired:
            return not self.alive()  # a zombie of somebody else never goes by itself, but it runs no more
        return True

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) <= START_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None
