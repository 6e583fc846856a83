"""A role that lives beside its agents: one coroutine, started with the app and cancelled with it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from mode import Service

from streams.runner import App

log = structlog.get_logger(__name__)

_PATIENCE_S: Final = 5.0


class Role(Service):
    """Runs a coroutine as long as the app runs.

    What the coroutine raises is not understood by anybody below: the app ends with it, and so does the process, with
    status 1. Whoever started it starts it again.
    """

    def __init__(self, app: App, work: Callable[[], Awaitable[None]]) -> None:
        super().__init__(beacon=app.beacon)
        self._app = app
        self._work = work
        # At once: `app.service` would wait until the control topic's group is formed.
        app.add_dependency(self)

    @Service.task
    async def _run(self) -> None:
        try:
            await self._work()
        except Exception as error:
            # Types and places only: what a message held must not reach the log by way of an error's text.
            log.critical("the role ends", error=_kinds(error))
            await self._app.crash(error)
            raise


async def together(*works: Awaitable[None]) -> None:
    """Runs all until the first one fails or the caller is cancelled; then the others have seconds to end.

    Raises:
        Exception: what the first one raised.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_PATIENCE_S)


def _kinds(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(_kinds(one) for one in error.exceptions)
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = f"{last.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{last.tb_lineno}" if last else "?"
    return f"{type(error).__name__} at {where}"
