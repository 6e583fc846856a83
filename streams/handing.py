"""Handing work to a Faust agent, one piece at a time, and hearing from it that it is done or what went wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from faust.types import StreamT

from streams.runner import App

WorkT = TypeVar("WorkT")

_LOOK_EVERY_S: Final = 0.01


class _Piece(Generic[WorkT]):
    def __init__(self, work: WorkT, answered: "asyncio.Future[None]") -> None:
        self.work = work
        self.answered = answered


class Handing(Generic[WorkT]):
    """A channel and the agent behind it.

    Nothing escapes from the agent into Faust, which would acknowledge and go on: whoever gave the work gets the error.

    Args:
        app: the role's app; make the handing before the app starts.
        name: the agent's.
        work: what the agent does.
    """

    def __init__(self, app: App, name: str, work: Callable[[WorkT], Awaitable[None]]) -> None:
        self._work = work
        self._channel: Any = app.channel(maxsize=1)

        @app.agent(self._channel, name=name)
        async def _agent(pieces: StreamT[_Piece[WorkT]]) -> AsyncIterator[None]:
            async for piece in pieces:
                await self._do(piece)
                yield

    async def give(self, work: WorkT) -> None:
        """Returns when the agent has done it.

        Raises:
            Exception: whatever the work raised.
        """
        # Faust drops what is put before the agent listens, and has no event that says when it does.
        while not self._channel._subscribers:  # noqa: SLF001, ASYNC110 - the comment above
            await asyncio.sleep(_LOOK_EVERY_S)
        piece = _Piece(work, asyncio.get_running_loop().create_future())
        await self._channel.put(piece)
        await piece.answered

    async def _do(self, piece: _Piece[WorkT]) -> None:
        try:
            await self._work(piece.work)
        except asyncio.CancelledError:
            piece.answered.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - handed to the giver, who tells retryable from not understood
            if not piece.answered.done():
                piece.answered.set_exception(error)
        else:
            if not piece.answered.done():
                piece.answered.set_result(None)
