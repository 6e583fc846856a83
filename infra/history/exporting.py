"""The history into a file with its chain, and a file back into an empty history; and a file verified by itself.

Personal data leaves as it is stored, encrypted, and comes back so: without the customers' keys (another schema, or
another database) nobody reads it. Memory does not grow with the history.
"""

import asyncio
import errno
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Final, TypeVar

import msgspec
import psycopg

from infra.history.canonical import COLUMNS, FIRST_PREVIOUS_HASH, StoredEvent
from infra.history.chain import PROBLEMS_AT_MOST, Chain, Kind, Problem, Segment, row_of
from infra.history.errors import HistoryError, Unavailable
from infra.history.exported import BATCH, Heading, NdjsonWriter, UnreadableExport, read_ndjson
from infra.history.seals import Seals
from infra.history.store import Head, History
from infra.history.verify import Progress, Verification
from infra.history.walking import connected

PARQUET: Final = ".parquet"
SUFFIXES: Final = (".ndjson", ".jsonl", PARQUET)
_NO_SEALS: Final = Seals()
ResultT = TypeVar("ResultT")


class NotEmpty(HistoryError):
    """An import is into an empty history, and this one has events. Nothing was changed."""


class Refused(HistoryError):
    """What the file holds is no whole chain from position 1. Nothing was imported."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(f"nothing was imported: position {problems[0].position}: {problems[0].why}")


class WrongSuffix(HistoryError):
    """The file's name does not say which format it has."""


class _Stopped(Exception):
    """Whoever waited has gone."""


async def export_history(
    history: History, path: Path, progress: Progress | None = None, *, first: int = 1, last: int | None = None
) -> Verification:
    """Writes a range of the history, of one moment, and verifies it on the way.

    The file appears under its name when it is whole and on the disk. A chain that is broken is exported as it stands.

    Args:
        history: no key is needed.
        path: ``.ndjson``, ``.jsonl`` or ``.parquet``.
        progress: told as it goes.
        first: position of the first event.
        last: of the last one; None: to the end.

    Raises:
        WrongSuffix: the name says no format.
        ValueError: there are no such positions.
        Unavailable: PostgreSQL is away.
        OSError: the file cannot be written.
    """
    _check_suffix(path)
    return await in_thread(lambda gone: _export(history.postgres_url, path, Told(progress, gone), first, last))


async def import_history(history: History, path: Path, progress: Progress | None = None) -> Verification:
    """Fills an empty history from a file, all or nothing: same positions, moments and hashes, verified on the way.

    Raises:
        NotEmpty: the history has events.
        Refused: the file's chain is not whole, or does not begin at position 1.
        UnreadableExport, WrongSuffix: it is no export.
        Unavailable: PostgreSQL is away.
        OSError: the file cannot be read.
    """
    _check_suffix(path)
    result = await in_thread(lambda gone: _import(history.postgres_url, path, Told(progress, gone)))
    history.wake.publish(result.head.position)
    return result


async def verify_file(path: Path, progress: Progress | None = None, *, seals: Seals = _NO_SEALS) -> Verification:
    """Walks along an export; no server is needed.

    Seals of positions behind the export's end are left out: an export ends where it was made.

    Raises:
        UnreadableExport, WrongSuffix: it is no export.
        OSError: the file cannot be read.
    """
    _check_suffix(path)
    return await in_thread(lambda gone: _verify(path, Told(progress, gone), seals))


async def in_thread(work: Callable[[threading.Event], ResultT]) -> ResultT:
    """What the work gives, done in a thread; it is given what is set when nobody waits any more (:class:`Told`).

    Raises:
        Unavailable: PostgreSQL is away.
    """
    gone = threading.Event()
    try:
        return await asyncio.to_thread(work, gone)
    except psycopg.Error as error:
        raise Unavailable(f"PostgreSQL is away: {error}") from error
    finally:
        gone.set()


class Told:
    """Tells the progress; ends the thread when nobody waits for it any more."""

    def __init__(self, progress: Progress | None, gone: threading.Event) -> None:
        self._progress = progress
        self._gone = gone

    def __call__(self, done: int, of: int) -> None:
        """So many are done, of so many."""
        if self._gone.is_set():
            raise _Stopped
        if self._progress is not None:
            self._progress(done, of)


def _export(url: str, path: Path, told: Told, first: int, last: int | None) -> Verification:
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    part = path.with_name(f".{path.name}.part")
    try:
        with connected(url) as conn:
            heading = _heading(conn, first, last)
            chain = Chain(before(heading))
            events = _walked(_stored(conn, heading), chain, told, heading)
            if path.suffix == PARQUET:
                _parquet().write_parquet(part, heading, events)
            else:
                with part.open("wb") as file:
                    writer = NdjsonWriter(file, heading)
                    for batch in events:
                        writer.write(batch)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    chain.close(heading.last, bytes.fromhex(heading.hash))
    return _result(chain, heading)


def _heading(conn: psycopg.Connection, first: int, last: int | None) -> Heading:
    ((head,),) = conn.execute("SELECT position FROM history.head").fetchall()
    end = head if last is None else min(last, head)
    if first < 1 or (first > end and head):
        raise ValueError(f"nothing stands from position {first} to {end}: the history ends at {head}")
    hashes: dict[int, bytes] = dict(
        conn.execute(
            "SELECT position, hash FROM history.events WHERE position IN (%s, %s)", (first - 1, end)
        ).fetchall()
    )
    return Heading(
        first=first,
        last=end,
        previous_hash=hashes.get(first - 1, FIRST_PREVIOUS_HASH).hex(),
        hash=hashes.get(end, FIRST_PREVIOUS_HASH).hex(),
    )


def _stored(conn: psycopg.Connection, heading: Heading) -> Iterator[list[StoredEvent]]:
    query = f"SELECT {COLUMNS} FROM history.events WHERE position BETWEEN %s AND %s ORDER BY position"  # noqa: S608 -- a constant
    with psycopg.ServerCursor(conn, "export") as cursor:
        cursor.execute(query.encode(), (heading.first, heading.last), binary=True)
        while rows := cursor.fetchmany(BATCH):
            yield [StoredEvent(*row) for row in rows]


def _walked(
    batches: Iterator[list[StoredEvent]], chain: Chain, told: Told, heading: Heading
) -> Iterator[list[StoredEvent]]:
    """The same batches, looked at as they pass."""
    for batch in batches:
        look(chain, batch)
        yield batch
        told(chain.events, heading.last - heading.first + 1)


def look(
    chain: Chain, batch: list[StoredEvent] | list[StoredEvent | str], sealed: frozenset[int] = frozenset()
) -> None:
    """Takes a batch of an export into the chain; a sentence among the events is a finding where it stands."""
    segment = Segment(sealed)
    good = [each for each in batch if isinstance(each, StoredEvent)]
    segment.walk(row_of(event) for event in good)
    at = good[0].position if good else chain.end[0] + 1
    for each in batch:
        if isinstance(each, str):
            segment.found(at, Kind.ALTERED, each)
        else:
            at = each.position + 1
    chain.join(segment)


def _import(url: str, path: Path, told: Told) -> Verification:
    heading, batches = read(path)
    if heading.first != 1:
        raise Refused((Problem(1, Kind.MISSING, f"the file begins at position {heading.first}"),))
    chain = Chain()
    with psycopg.connect(url, application_name="ringback import", options="-c timezone=UTC") as conn:
        row = conn.execute("SELECT position, ranges_end, range_size FROM history.head FOR UPDATE").fetchone()
        if row is None or row[0] > 0:
            raise NotEmpty(f"the history has {row[0] if row else 'no'} events; an import is into an empty one")
        ranges_end, size = row[1], row[2]
        while ranges_end < heading.last + size // 10:
            ((ranges_end,),) = conn.execute("SELECT history.make_range(%s, %s)", (ranges_end + 1, size)).fetchall()
        for batch in batches:
            look(chain, batch)
            if chain.problems:
                raise Refused(tuple(chain.problems))
            _copy(conn, [each for each in batch if isinstance(each, StoredEvent)])
            told(chain.events, heading.last)
        chain.close(heading.last, bytes.fromhex(heading.hash))
        if chain.problems:
            raise Refused(tuple(chain.problems))
        conn.execute(
            "UPDATE history.head SET position = %s, hash = %s, ranges_end = %s, recorded_at = coalesce("
            "(SELECT recorded_at FROM history.events WHERE position = %s), recorded_at)",
            (heading.last, bytes.fromhex(heading.hash), ranges_end, heading.last),
        )
    return _result(chain, heading)


def _copy(conn: psycopg.Connection, events: list[StoredEvent]) -> None:
    """Into the three tables that an append writes to."""
    with conn.cursor() as cursor:
        with cursor.copy(f"COPY history.events ({COLUMNS}) FROM STDIN".encode()) as rows:
            for event in events:
                rows.write_row(msgspec.structs.astuple(event))
        with cursor.copy(b"COPY history.event_ids (event_id, position) FROM STDIN") as rows:
            for event in events:
                rows.write_row((event.event_id, event.position))
        with cursor.copy(b"COPY history.stream_versions (stream, version, position) FROM STDIN") as rows:
            for event in events:
                rows.write_row((event.stream, event.version, event.position))


def _verify(path: Path, told: Told, seals: Seals) -> Verification:
    heading, batches = read(path)
    chain = Chain(before(heading))
    sealed = frozenset(seals.positions)
    for batch in batches:
        look(chain, batch, sealed)
        told(chain.events, heading.last - heading.first + 1)
    chain.close(heading.last, bytes.fromhex(heading.hash))
    compared = seals.compare(chain.sealed, heading.first, heading.last, whole=False)
    result = _result(chain, heading, compared.problems)
    return msgspec.structs.replace(result, seals=compared.compared, sealed_up_to=compared.up_to)


def read(path: Path) -> tuple[Heading, Iterator[list[StoredEvent | str]]]:
    """An export's heading and its events in batches, by the file's suffix.

    Raises:
        UnreadableExport, WrongSuffix: it is no export.
        OSError: the file cannot be read.
    """
    _check_suffix(path)
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))
    heading, batches = _parquet().read_parquet(path) if path.suffix == PARQUET else read_ndjson(path)
    try:
        if len(bytes.fromhex(heading.hash)) == len(bytes.fromhex(heading.previous_hash)) == len(FIRST_PREVIOUS_HASH):
            return heading, batches
    except ValueError:
        pass
    raise UnreadableExport(f"the heading of {path} holds something else than hashes")


def before(heading: Heading) -> tuple[int, bytes, int] | None:
    """What a :class:`Chain` along the export begins behind."""
    return None if heading.first == 1 else (heading.first - 1, bytes.fromhex(heading.previous_hash), -(2**63))


def _result(chain: Chain, heading: Heading, more: list[Problem] | None = None) -> Verification:
    found = sorted([*chain.problems, *(more or [])], key=lambda problem: problem.position)[:PROBLEMS_AT_MOST]
    return Verification(chain.events, Head(heading.last, bytes.fromhex(heading.hash)), tuple(found))


def _parquet() -> ModuleType:
    """Polars takes long to load, and whoever verifies a database needs none of it."""
    return importlib.import_module("infra.history.parquet")


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise WrongSuffix(f"{path.name}: an export is called {', '.join(f'NAME{suffix}' for suffix in SUFFIXES)}")
