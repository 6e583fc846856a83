"""Walks along the history and says what is wrong, where, and how that shows.

Finds an altered byte, a row that is missing, put in, replaced or moved, versions that do not follow, heads and indexes
that disagree with the events; and, by seals that were signed before (seals.py), that somebody rewrote the past and
computed the whole chain again, or cut its end off. Every hash is computed here, outside the database.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import psycopg

from infra.history.cancellation import end
from infra.history.chain import Chain, Kind, Problem, Segment
from infra.history.errors import Unavailable
from infra.history.indexes import index_problems
from infra.history.seals import Seals
from infra.history.store import Connection, Head, History
from infra.history.walking import connected, ranges, rows, segments

__all__ = ["Kind", "Problem", "Verification", "verify", "verify_stream"]

Progress = Callable[[int, int], None]
"""Told how many events are done, and how many there are."""

_NO_SEALS: Final = Seals()


class Verification(msgspec.Struct, frozen=True):
    """What a walk along the chain came to.

    Attributes:
        events: how many were looked at.
        head: the last position and hash that the store claims.
        problems: in order of position; at most a thousand are told.
        seals: how many seals were compared.
        sealed_up_to: the last position under a seal that holds; 0: none.
    """

    events: int
    head: Head
    problems: tuple[Problem, ...]
    seals: int = 0
    sealed_up_to: int = 0

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


async def verify(
    history: History,
    progress: Progress | None = None,
    *,
    first: int = 1,
    last: int | None = None,
    seals: Seals = _NO_SEALS,
    processes: int | None = None,
) -> Verification:
    """Looks at every event of a range, in one snapshot: appends go on meanwhile.

    Args:
        history: what is looked at; no key is needed.
        progress: told as it goes.
        first: position of the first event; what stands before it is believed.
        last: position of the last one; None: to the end, which is then compared with the head.
        seals: what was signed before; those in the range are compared.
        processes: as many walk beside each other; None: as many as there are processors and work for.

    Raises:
        Unavailable: PostgreSQL is away, or went away meanwhile.
    """
    try:
        async with await psycopg.AsyncConnection.connect(
            history.postgres_url, application_name="ringback verify", options="-c timezone=UTC"
        ) as conn:
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            head, newest = await _ends(conn)
            upto = newest if last is None else min(last, newest)
            chain = Chain(await _before(conn, first))
            ((snapshot,),) = await (await conn.execute("SELECT pg_export_snapshot()")).fetchall()
            # The server has a processor to spare while the hashes are computed here.
            beside = asyncio.create_task(index_problems(conn)) if first == 1 and last is None else None
            try:
                pieces, sealed = ranges(first, upto), frozenset(seals.positions)
                async for segment in segments(history.postgres_url, snapshot, pieces, sealed, processes):
                    chain.join(segment)
                    if progress is not None:
                        progress(chain.events, upto - first + 1)
                if last is None:
                    chain.close(head.position, head.hash)
                elif chain.end[0] < upto:
                    chain.found(chain.end[0] + 1, Kind.MISSING, f"nothing stands from there up to {upto}")
                found = chain.problems + (await beside if beside is not None else [])
            finally:
                if beside is not None:
                    await end(beside)
    except psycopg.Error as error:
        raise Unavailable(f"PostgreSQL is away: {error}") from error
    compared = seals.compare(chain.sealed, first, upto if last is None else last, whole=last is None)
    found += compared.problems
    return Verification(
        chain.events,
        head,
        tuple(sorted(found, key=lambda problem: problem.position)),
        seals=compared.compared,
        sealed_up_to=compared.up_to,
    )


async def verify_stream(history: History, stream: str, seals: Seals = _NO_SEALS) -> Verification:
    """Looks at the events of one stream, each with its neighbours in the chain.

    With seals, everything from the stream's first event to the first seal behind its last one (or to the newest, where
    that is not made yet) is walked as well: that is what puts the stream's events under a signature.

    Raises:
        Unavailable: PostgreSQL is away, or went away meanwhile.
    """
    try:
        async with await psycopg.AsyncConnection.connect(history.postgres_url, options="-c timezone=UTC") as conn:
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            head, _ = await _ends(conn)
            cursor = await conn.execute(
                "SELECT version, position FROM history.stream_versions WHERE stream = %s ORDER BY version", (stream,)
            )
            listed = await cursor.fetchall()
            ((snapshot,),) = await (await conn.execute("SELECT pg_export_snapshot()")).fetchall()
            chain = await asyncio.to_thread(_walk_stream, history.postgres_url, snapshot, stream, listed)
    except psycopg.Error as error:
        raise Unavailable(f"PostgreSQL is away: {error}") from error
    found, compared, up_to = chain.problems, 0, 0
    seal = seals.covering(listed[0][1], listed[-1][1]) if listed else None
    if seal is not None:
        walked = await verify(history, first=listed[0][1], last=seal.position, seals=seals)
        known = set(found)
        found = found + [problem for problem in walked.problems if problem not in known]
        compared, up_to = walked.seals, walked.sealed_up_to
    ordered = tuple(sorted(found, key=lambda problem: problem.position))
    return Verification(len(listed), head, ordered, seals=compared, sealed_up_to=up_to)


def _walk_stream(url: str, snapshot: str, stream: str, listed: list[tuple[int, int]]) -> Chain:
    """The stream's events, each between its neighbours; ``listed``: its versions, and where they are."""
    chain = Chain(before=(0, b"", -(2**63)))
    wanted = sorted({near for _, at in listed for near in (at - 1, at, at + 1) if near > 0})
    expected = 1
    with connected(url, snapshot) as conn:
        for run in _runs(wanted):
            segment = Segment()
            segment.walk(rows(conn, f"position BETWEEN {run[0]} AND {run[-1]}"))
            for problem in segment.problems:
                chain.found(problem.position, problem.kind, problem.why)
            first, last = segment.firsts.get(stream.encode()), segment.lasts.get(stream.encode())
            if first is None or last is None:
                chain.found(run[0], Kind.MISSING, f"no event of {stream} is there, though one is listed")
            else:
                if first[0] != expected:
                    chain.misplaced(first[1], stream.encode(), first[0], expected)
                expected = last + 1
            if run[0] == 1 and segment.first is not None:
                chain.follows(None, segment.first)
    if listed and listed[-1][0] != expected - 1:
        chain.found(listed[-1][1], Kind.HEAD, f"{stream} has {expected - 1} events; {listed[-1][0]} are listed")
    return chain


def _runs(positions: list[int]) -> list[list[int]]:
    """Cut where one does not follow the other."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and runs[-1][-1] == position - 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    return runs


async def _ends(conn: Connection) -> tuple[Head, int]:
    """The head as it is claimed, and the last position that there is."""
    row = await (await conn.execute("SELECT position, hash FROM history.head")).fetchone()
    ((newest,),) = await (await conn.execute("SELECT max(position) FROM history.events")).fetchall()
    return Head(*row) if row else Head(0, bytes(32)), newest or 0


async def _before(conn: Connection, first: int) -> tuple[int, bytes, int] | None:
    """Position and hash of the event before a range; where it is missing, of whatever the range's first one cites."""
    if first == 1:
        return None
    cursor = await conn.execute("SELECT hash FROM history.events WHERE position = %s", (first - 1,))
    row = await cursor.fetchone()
    if row is None:
        cursor = await conn.execute("SELECT previous_hash FROM history.events WHERE position = %s", (first,))
        row = await cursor.fetchone()
    return first - 1, bytes(row[0]) if row else bytes(32), -(2**63)
