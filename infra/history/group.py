"""Group append: the writers of one process share a transaction, and so its commit.

Whoever comes while a commit is under way goes with the next one. What one writer is refused for is told to that writer
and undoes nothing of the others; a writer that is cancelled leaves the group, or the group goes on without it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec

from infra.history.appending import Batch, write
from infra.history.errors import HistoryError, Unavailable
from infra.history.keys import CustomerKeys
from infra.history.pool import AWAY
from infra.history.writes import Appended, Connection

_EVENTS_AT_MOST = 1_000
_BYTES_AT_MOST = 4_000_000
"""Of one transaction, so that nobody waits long for others' events; a single batch may hold more."""


class _Waiting(msgspec.Struct, frozen=True):
    batch: Batch
    answer: "asyncio.Future[Appended]"


class GroupAppend:
    """Brings batches to PostgreSQL, as many as wait in one transaction.

    Args:
        connection: gives a connection on which each statement commits by itself; raises Unavailable.
        keys: seal the personal data.
    """

    def __init__(self, connection: Callable[[], AbstractAsyncContextManager[Connection]], keys: CustomerKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None

    async def append(self, batch: Batch) -> Appended:
        """Returns when the batch is committed.

        A cancelled caller may find later that it was: the same ids again are recognised.

        Raises:
            Conflict, PartlyRecorded, IdTaken, WrongMasterKey: nothing of this batch was written.
            Unavailable: whether it was committed is not known.
        """
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._write_all(), name="history-append")
        return await waiting.answer

    async def close(self) -> None:
        """Waits until nobody waits any more."""
        while self._task is not None:
            await asyncio.wait({self._task})

    async def _write_all(self) -> None:
        group: list[_Waiting] = []
        try:
            while group := await self._next_group():
                try:
                    async with self._connection() as conn:
                        while group:
                            await self._write(conn, group)
                            group = await self._next_group()
                except Exception as error:  # noqa: BLE001 -- the connection's, whatever it is: told to all who wait for it
                    for waiting in group:
                        _tell(waiting, Unavailable(str(error)) if isinstance(error, Unavailable) else error)
        finally:
            self._task = None
            # Only when this task is cancelled, as the loop ends, is anybody left.
            for waiting in (*group, *self._waiting):
                waiting.answer.cancel()

    async def _next_group(self) -> list[_Waiting]:
        """Those who wait, in their order, up to the first that has an id in common with one before it."""
        if not self._waiting:
            await asyncio.sleep(0)  # who has just been answered may have more: it goes over the same connection
        group: list[_Waiting] = []
        ids: set[object] = set()
        size = 0
        while self._waiting and len(ids) < _EVENTS_AT_MOST and size < _BYTES_AT_MOST:
            first = self._waiting[0]
            own = {new.event_id for new in first.batch.events}
            if not ids.isdisjoint(own):
                break
            self._waiting.popleft()
            if not first.answer.done():  # cancelled, before anything was sent
                group.append(first)
                ids |= own
                size += first.batch.size
        return group

    async def _write(self, conn: Connection, group: list[_Waiting]) -> None:
        batches = [waiting.batch for waiting in group]
        try:
            # A transaction of its own: a key that seals nothing harms nobody.
            keys = await self._keys.for_writing(conn, {subject for each in batches for subject in each.subjects})
            self._keys.remember(keys)
            answers = await write(conn, batches, keys)
        except (Unavailable, *AWAY):
            raise  # the connection's: nobody is to be tried over it again
        except Exception as error:  # noqa: BLE001 -- told to the writer whose it is
            if len(group) == 1:
                _tell(group[0], error)
                return
            # Nothing was written, for the sake of one of them: each by itself shows whose it is.
            for waiting in group:
                await self._write(conn, [waiting])
        else:
            for waiting, answer in zip(group, answers, strict=True):
                _tell(waiting, answer)


def _tell(waiting: _Waiting, answer: Appended | Exception) -> None:
    if waiting.answer.done():  # cancelled meanwhile
        return
    if isinstance(answer, (HistoryError, Exception)):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)
