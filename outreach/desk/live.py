"""What the desk's open pages are told of: positions, counts and the ids of cases that moved; never a name, never words.

One task a process looks at the history, woken by its hints, and every page that listens is served from what it found.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence

import msgspec
import structlog
from psycopg.errors import UndefinedTable

from infra.history.errors import Unavailable
from infra.history.projection import applied
from infra.history.store import Connection, History
from outreach.cases.queue import Queue, QueueRow, summary, waiting

HEARTBEAT_S = 15.0
"""A comment goes out after this long without news, so that a connection that died is noticed."""

MOST_CASES = 200
"""A page that has missed more than these is told to look at everything: the list is empty, ``all`` is true."""

ANSWER_WITHIN_S = 5.0
"""A history that has not answered for so long is told as away: a database that hangs says nothing at all."""

CASE_STREAM = "case-"

log = structlog.get_logger(__name__)


class News(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the desk at a position.

    Attributes:
        queue_position: how far the queue's read model has come.
        queue: what the queue shows, as a digest: a page that shows the same need not be fetched again.
        away: the history cannot be reached; all the rest is as it was before.
    """

    position: int
    queue_position: int
    queue: str = ""
    waiting: int = 0
    taken: int = 0
    front: int = 0
    away: bool = False


def queue_digest(rows: Sequence[QueueRow]) -> str:
    """The same for the same tasks in the same order, with the same words on each row."""
    return hashlib.sha256(msgspec.msgpack.encode(rows)).hexdigest()[:16]


class Live:
    """Follows the history for as long as somebody listens."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._news = News(position=0, queue_position=0)
        self._changed = asyncio.Condition()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Ends every event stream at once; to be called when the process is told to stop."""
        self._closing.set()
        if self._task is not None:
            self._task.cancel()

    async def events(self, after: int | None) -> AsyncIterator[bytes]:
        """Server-sent events, the first at once; ``after`` is the last position that the listener knows."""
        if self._task is None or self._task.done():
            await self._look()
            self._task = asyncio.create_task(self._follow(), name="desk-live")
        known: News | None = None
        since = after
        yield b"retry: 2000\n\n"
        while not self._closing.is_set():
            news = self._news
            if news != known:
                yield await self._event(news, since)
                known, since = news, news.position
            elif not await self._wait(news):
                yield b": still here\n\n"

    async def _event(self, news: News, since: int | None) -> bytes:
        moved = {} if since is None or news.away else await self._moved(since, news.position)
        everything = len(moved) > MOST_CASES
        document = {**msgspec.to_builtins(news), "cases": {} if everything else moved, "all": everything}
        return f"id: {news.position}\nevent: desk\ndata: {json.dumps(document, separators=(',', ':'))}\n\n".encode()

    async def _wait(self, known: News) -> bool:
        """Whether there is news, or the end; false after a heartbeat's time."""

        async def news() -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: self._news != known)

        waiting = {asyncio.create_task(news()), asyncio.create_task(self._closing.wait())}
        done, pending = await asyncio.wait(waiting, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return bool(done)

    async def _moved(self, after: int, up_to: int) -> dict[str, int]:
        """Case ids with the position of their newest event."""
        moved = await self._history.moved(CASE_STREAM, after=after, up_to=up_to, limit=MOST_CASES + 1)
        return {stream.removeprefix(CASE_STREAM): position for stream, position in moved.items()}

    async def _follow(self) -> None:
        while not self._closing.is_set():
            heard = self._history.wake.heard()
            try:
                await self._look_or_say()
            except (Unavailable, UndefinedTable):
                await self._away()
            behind = self._news.queue_position < self._news.position
            await self._history.wake.wait(heard, 0.2 if behind else 1.0)

    async def _look_or_say(self) -> None:
        """Looks at the history; where it takes long to answer, says that it is away, and waits on."""
        look = asyncio.create_task(self._look(), name="desk-look")
        try:
            done, _ = await asyncio.wait({look}, timeout=ANSWER_WITHIN_S)
            if not done:
                await self._away()
            await look
        finally:
            look.cancel()

    async def _away(self) -> None:
        log.warning("desk.live.history_away")
        await self._tell(msgspec.structs.replace(self._news, away=True))

    async def _look(self) -> None:
        position = (await self._history.head()).position
        async with self._history.transaction() as conn:
            await self._tell(await _news(conn, self._news, position))

    async def _tell(self, news: News) -> None:
        if news != self._news:
            async with self._changed:
                self._news = news
                self._changed.notify_all()


async def _news(conn: Connection, known: News, position: int) -> News:
    queue_position = await applied(conn, Queue.name)
    if (position, queue_position, False) == (known.position, known.queue_position, known.away):
        return known
    rows = await waiting(conn)
    counts = await summary(conn)
    return News(
        position=position,
        queue_position=queue_position,
        queue=queue_digest(rows),
        waiting=counts.waiting,
        taken=counts.taken,
        front=counts.front,
    )
