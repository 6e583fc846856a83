"""The rows of the history as they come over the wire, and a walk along ranges of them, in processes beside each other.

The connections share one snapshot, so that all see the history of one moment while appends go on.
"""

import asyncio
import contextlib
import os
import select
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import BinaryIO, Final

import msgspec
import psycopg
from psycopg.pq import ConnStatus, ExecStatus

from infra.history.canonical import ENCODED
from infra.history.chain import Problem, Row, Segment
from infra.history.errors import Unavailable

RANGE: Final = 50_000
"""As many positions are walked in one go."""

WORTH_A_PROCESS: Final = 250_000
"""Positions; a process is a second in starting."""

PROCESSES_AT_MOST: Final = 8
_SIZE_BYTES: Final = 4
_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"

Range = tuple[int, int]
"""First and last position."""


def rows(conn: psycopg.Connection, where: str) -> Iterator[Row]:
    """The rows of ``history.events``, as :mod:`infra.history.chain` has them, in the order of their positions.

    Args:
        conn: in a transaction of its own.
        where: a condition that holds nothing from outside but numbers.

    Raises:
        psycopg.Error: PostgreSQL did not answer.
    """
    pg = conn.pgconn
    query = (
        f"COPY (SELECT {ENCODED}, hash FROM history.events WHERE {where} ORDER BY position) TO STDOUT (FORMAT binary)"  # noqa: S608 -- numbers
    )
    begun = pg.exec_(query.encode())
    if begun.status != ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(begun)
    # A row a message; the first also carries the format's 19 bytes of heading, and the last is -1 instead of a count.
    heading = 19
    get = pg.get_copy_data
    while True:
        size, data = get(1)
        if size > 2 + heading:
            yield data[heading:] if heading else data
            heading = 0
        elif size == 0:  # whoever waits inside the library holds up every other thread
            select.select([pg.socket], [], [])
            pg.consume_input()
        elif size < 0:
            break
    while (ended := pg.get_result()) is not None:
        if ended.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(ended)
    if pg.status != ConnStatus.OK:
        raise psycopg.OperationalError("the connection ended in the middle of the rows")


def connected(url: str, snapshot: str | None = None) -> psycopg.Connection:
    """A connection in a read-only transaction: of that snapshot, else of a new one.

    Raises:
        psycopg.Error: PostgreSQL cannot be reached.
    """
    conn = psycopg.connect(url, application_name="ringback verify", options="-c timezone=UTC")
    conn.execute(_SNAPSHOT)
    if snapshot is not None:
        conn.execute(psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
    return conn


def ranges(first: int, last: int) -> list[Range]:
    """The positions between the two, both included, cut into pieces."""
    return [(begin, min(begin + RANGE - 1, last)) for begin in range(first, last + 1, RANGE)]


async def segments(
    url: str, snapshot: str, pieces: Sequence[Range], sealed: frozenset[int], processes: int | None = None
) -> AsyncIterator[Segment]:
    """Walks the pieces; answers for each, in their order.

    Raises:
        Unavailable: PostgreSQL is away, or went away meanwhile.
    """
    positions = sum(last - first + 1 for first, last in pieces)
    wanted = processes or min(os.cpu_count() or 1, PROCESSES_AT_MOST, positions // WORTH_A_PROCESS)
    if wanted < 2:  # noqa: PLR2004 -- a process of our own is there already
        try:
            conn = await asyncio.to_thread(connected, url, snapshot)
            try:
                for piece in pieces:
                    yield await asyncio.to_thread(_walk, conn, piece, sealed)
            finally:
                conn.close()
        except psycopg.Error as error:
            raise Unavailable(f"PostgreSQL is away: {error}") from error
        return
    order = _ENCODE((url, snapshot, sorted(sealed)))
    walkers = [await _Walker.start(order) for _ in range(min(wanted, len(pieces)))]
    free: asyncio.Queue[_Walker] = asyncio.Queue()
    for walker in walkers:
        free.put_nowait(walker)
    waiting = [asyncio.create_task(_by_one_of(free, piece), name="verify") for piece in pieces]
    try:
        for one in waiting:
            yield await one
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for walker in walkers:
            await walker.end()


async def _by_one_of(free: "asyncio.Queue[_Walker]", piece: Range) -> Segment:
    walker = await free.get()
    try:
        return await walker.walk(piece)
    finally:
        free.put_nowait(walker)


class _Walker:
    """A process that walks; not one of multiprocessing, which would load the caller's main module first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, order: bytes) -> "_Walker":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        walker = cls(process)
        await walker._send(order)
        return walker

    async def walk(self, piece: Range) -> Segment:
        """The range, walked over there.

        Raises:
            Unavailable: PostgreSQL went away, or somebody killed the process; the message says which.
        """
        await self._send(_ENCODE(piece))
        answers = self._process.stdout or asyncio.StreamReader()
        try:
            size = int.from_bytes(await answers.readexactly(_SIZE_BYTES), "big")
            return _DECODE(await answers.readexactly(size)).segment()
        except (EOFError, ConnectionError) as error:
            raise Unavailable(await self._why(piece)) from error

    async def _why(self, piece: Range) -> str:
        """What became of a process that answers no more."""
        status = await self._process.wait()
        if status < 0:
            return (
                f"a process that verified positions {piece[0]} to {piece[1]} was killed (signal {-status}): nothing is"
                " known of the rest. Verify again; where it was killed for want of memory, by ranges (--from, --to)"
            )
        return f"PostgreSQL went away while positions {piece[0]} to {piece[1]} were verified"

    async def end(self) -> None:
        """Ends it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _send(self, message: bytes) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(ConnectionError):  # its answer will be missed
                self._process.stdin.write(len(message).to_bytes(_SIZE_BYTES, "big") + message)
                await self._process.stdin.drain()


class _Walked(msgspec.Struct, array_like=True):
    """A segment on its way between processes."""

    events: int
    first: tuple[int, bytes, int] | None
    last: tuple[int, bytes, int] | None
    firsts: dict[bytes, tuple[int, int]]
    lasts: dict[bytes, int]
    sealed: dict[int, bytes]
    problems: list[Problem]

    def segment(self) -> Segment:
        """As it was."""
        made = Segment()
        for name in self.__struct_fields__:
            setattr(made, name, getattr(self, name))
        return made


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(_Walked).decode


def _walk(conn: psycopg.Connection, piece: Range, sealed: Iterable[int]) -> Segment:
    segment = Segment(frozenset(position for position in sealed if piece[0] <= position <= piece[1]))
    segment.walk(rows(conn, f"position BETWEEN {piece[0]} AND {piece[1]}"))
    return segment


def _serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Walks what it is asked for, until there is nobody any more who asks."""

    def heard() -> bytes:
        return asked.read(int.from_bytes(asked.read(_SIZE_BYTES), "big"))

    url, snapshot, sealed = msgspec.msgpack.decode(heard(), type=tuple[str, str, list[int]])
    with connected(url, snapshot) as conn:
        while message := heard():
            walked = _walk(conn, msgspec.msgpack.decode(message, type=Range), sealed)
            answer = _ENCODE(_Walked(*(getattr(walked, name) for name in _Walked.__struct_fields__)))
            answers.write(len(answer).to_bytes(_SIZE_BYTES, "big") + answer)
            answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
