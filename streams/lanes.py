"""Work that goes on at once where it may and in order where it must: one lane a case."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

ROOM: Final = 2000
"""Pieces of work that may wait or run before whoever brings more has to wait."""

log = structlog.get_logger(__name__)


class Lanes:
    """Runs named pieces of work; those of one lane one after another, lanes beside each other.

    A piece that fails with what it does not understand is kept as `failure`: whoever owns the lanes raises it, so that
    the process ends instead of going on without the piece.
    """

    def __init__(self, room: int = ROOM) -> None:
        self.failure: BaseException | None = None
        self._room = room
        self._tails: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def __contains__(self, name: str) -> bool:
        return name in self._running

    def start(self, lane: str, name: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Begins the piece when those before it in its lane are over; False: a piece of this name is there already."""
        if name in self._running:
            return False
        before = self._tails.get(lane)
        task = asyncio.create_task(self._run(before, work), name=f"{lane}/{name}")
        self._tails[lane] = self._running[name] = task
        task.add_done_callback(lambda _: self._over(lane, name, task))
        return True

    async def room(self) -> None:
        """Returns when there is room for more."""
        while len(self._running) >= self._room:
            await self._change()

    async def idle(self) -> None:
        """Returns when nothing waits or runs."""
        while self._running:
            await self._change()

    async def stop(self, grace_s: float) -> None:
        """Gives what runs so long to end by itself, then cancels it."""
        try:
            await asyncio.wait_for(self.idle(), grace_s)
        except TimeoutError:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _run(self, before: asyncio.Task[None] | None, work: Callable[[], Awaitable[None]]) -> None:
        if before is not None:
            await asyncio.wait([before])
        await work()

    def _over(self, lane: str, name: str, task: asyncio.Task[None]) -> None:
        self._running.pop(name, None)
        if self._tails.get(lane) is task:
            del self._tails[lane]
        if not task.cancelled() and task.exception() is not None:
            self.failure = self.failure or task.exception()
            log.error("work failed", lane=lane, error=repr(task.exception()))
        self._changed.set()
