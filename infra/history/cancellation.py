"""Noticing a cancellation that was swallowed on the way.

Before Python 3.12 ``asyncio.wait_for`` loses a cancellation that comes in the moment in which what is waited for is
there (https://github.com/python/cpython/issues/86296); psycopg and its pool wait through it. Whoever goes round in a
loop would then never end.

Do not ask behind a ``TaskGroup`` before Python 3.13: it leaves its own task looking cancelled when a child has failed.
"""

import asyncio
from typing import Any

_AGAIN_S = 10.0
"""A task may need as long to tidy up; a second cancellation would break that off."""


class Cancellation:
    """Remembers how often the running task had been told to end, when this was made."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    @property
    def requested(self) -> bool:
        """Whether the task has been told to end since."""
        return self._task is not None and self._task.cancelling() > self._before

    def check(self) -> None:
        """Does nothing unless the task has been told to end since.

        Raises:
            asyncio.CancelledError: it has, and should.
        """
        if self.requested:
            raise asyncio.CancelledError


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancels the tasks and waits until they are over, however; what they raise is not raised.

    One that has lost its cancellation on the way is cancelled again after a while.

    Raises:
        asyncio.CancelledError: the caller itself has been told to end meanwhile, and only then.
    """
    while unended := [task for task in tasks if not task.done()]:
        for task in unended:
            task.cancel()
        await asyncio.wait(unended, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
