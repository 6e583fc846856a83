"""Today's history against an earlier export of it: every event of the file stands where it stood, byte for byte.

The chain of a history that somebody rewrote and computed again is whole. What was exported before, and kept where they
could not reach it, tells: without any key, and without having trusted anybody then.
"""

import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg

from infra.history.canonical import ENCODED, StoredEvent
from infra.history.chain import Chain, Kind, Problem, Row, row_of
from infra.history.errors import HistoryError
from infra.history.exporting import Told, before, in_thread, look, read
from infra.history.store import History
from infra.history.verify import Progress
from infra.history.walking import connected, rows

_FIELDS = (*ENCODED.split(", "), "hash")
_POSITION = struct.Struct(">2x4xq")
_LENGTH = struct.Struct(">i")


class NotWhole(HistoryError):
    """The export's own chain is broken: nothing can be told from it."""


class Against(msgspec.Struct, frozen=True):
    """What a comparison came to.

    Attributes:
        first: position of the export's first event.
        last: of its last one; less than ``first`` where it holds none.
        same: how many of its events stand in the history as they were exported.
        problem: the first difference; None: there is none.
    """

    first: int
    last: int
    same: int
    problem: Problem | None


async def verify_against(history: History, path: Path, progress: Progress | None = None) -> Against:
    """Compares the history with an export that was made of it before, in one snapshot.

    What the history has beyond the export is not looked at: :func:`infra.history.verify.verify` does.

    Args:
        history: no key is needed.
        path: ``.ndjson``, ``.jsonl`` or ``.parquet``.
        progress: told as it goes.

    Raises:
        NotWhole: the export was damaged or altered itself.
        UnreadableExport, WrongSuffix: it is no export.
        Unavailable: PostgreSQL is away.
        OSError: the file cannot be read.
    """

    def work(gone: threading.Event) -> Against:
        with connected(history.postgres_url) as conn:
            return _compare(conn, path, Told(progress, gone))

    return await in_thread(work)


def _compare(conn: psycopg.Connection, path: Path, told: Told) -> Against:
    heading, batches = read(path)
    chain = Chain(before(heading))
    same = differing = 0
    problem: Problem | None = None
    for batch in batches:
        look(chain, batch)
        _refuse_broken(chain, path)
        for event, row in _beside(conn, [event for event in batch if isinstance(event, StoredEvent)]):
            if row == row_of(event):
                same += 1
                continue
            differing += 1
            problem = problem or _difference(conn, event, row)
        told(chain.events, heading.last - heading.first + 1)
    chain.close(heading.last, bytes.fromhex(heading.hash))
    _refuse_broken(chain, path)
    if problem is not None and differing > 1:
        more = f"{problem.why}; {differing} events of the export differ in all"
        problem = msgspec.structs.replace(problem, why=more)
    return Against(heading.first, heading.last, same, problem)


def _refuse_broken(chain: Chain, path: Path) -> None:
    if chain.problems:
        broken = chain.problems[0]
        raise NotWhole(
            f"{path} is not whole itself, and tells nothing of the history: position {broken.position}: {broken.why}."
            " Take another copy of it"
        )


def _beside(conn: psycopg.Connection, events: list[StoredEvent]) -> Iterator[tuple[StoredEvent, bytes | None]]:
    """Each exported event with what stands at its position today."""
    if not events:
        return
    found = rows(conn, f"position BETWEEN {events[0].position} AND {events[-1].position}")
    stands = {_position(row): bytes(row) for row in found}
    for event in events:
        yield event, stands.get(event.position)


def _position(row: Row) -> int:
    (position,) = _POSITION.unpack_from(row)
    return int(position)


def _difference(conn: psycopg.Connection, event: StoredEvent, row: bytes | None) -> Problem:
    if row is not None:
        fields = zip(_FIELDS, _fields(row_of(event)), _fields(row), strict=True)
        changed = [name for name, was, stands in fields if was != stands]
        why = f"it is not what was exported: {', '.join(changed)}"
        if "event_id" in changed:
            why = f"{event.type} {event.event_id} was exported, and another event stands there: is it another history?"
        return Problem(event.position, Kind.REWRITTEN, why)
    ((newest,),) = conn.execute("SELECT coalesce(max(position), 0) FROM history.events").fetchall()
    if event.position > newest:
        why = f"the history ends at {newest}, and the export goes on: the end was cut off, or it is another history"
        return Problem(event.position, Kind.CUT, why)
    return Problem(event.position, Kind.MISSING, "it was exported, and is not there any more")


def _fields(row: bytes) -> Iterator[bytes | None]:
    """The fields of a row as it comes over the wire, without their lengths."""
    at = 2
    for _ in _FIELDS:
        (length,) = _LENGTH.unpack_from(row, at)
        at += _LENGTH.size
        yield None if length < 0 else row[at : at + length]
        at += max(length, 0)
