"""The rows of the history as they come over the wire, and a walk along ranges of them, in processes beside each other.

The connections share one snapshot, so that all see the history of one moment while appends go on.
"""

import asyncio
import multiprocessing
import os
import select
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

import psycopg
from psycopg.pq import ConnStatus, ExecStatus

from infra.history.canonical import ENCODED
from infra.history.chain import Row, Segment
from infra.history.errors import Unavailable

RANGE: Final = 50_000
"""As many positions are walked in one go."""

WORTH_A_PROCESS: Final = 250_000
"""Positions; a process is a second in starting."""

PROCESSES_AT_MOST: Final = 8
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
    try:
        if wanted < 2:  # noqa: PLR2004 -- a process of our own is there already
            conn = await asyncio.to_thread(connected, url, snapshot)
            try:
                for piece in pieces:
                    yield await asyncio.to_thread(_walk, conn, piece, sealed)
            finally:
                conn.close()
            return
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(wanted, mp_context=context, initializer=_begin, initargs=(url, snapshot, sealed))
        try:
            waiting = [asyncio.wrap_future(pool.submit(_walk_here, piece)) for piece in pieces]
            for one in waiting:
                yield await one
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
    except (psycopg.Error, BrokenProcessPool) as error:
        raise Unavailable(f"PostgreSQL is away: {error}") from error


class _Here:
    """What a process that walks has."""

    conn: psycopg.Connection
    sealed: frozenset[int]


def _begin(url: str, snapshot: str, sealed: frozenset[int]) -> None:
    _Here.conn = connected(url, snapshot)
    _Here.sealed = sealed


def _walk_here(piece: Range) -> Segment:
    return _walk(_Here.conn, piece, _Here.sealed)


def _walk(conn: psycopg.Connection, piece: Range, sealed: frozenset[int]) -> Segment:
    segment = Segment(frozenset(position for position in sealed if piece[0] <= position <= piece[1]))
    segment.walk(rows(conn, f"position BETWEEN {piece[0]} AND {piece[1]}"))
    return segment
