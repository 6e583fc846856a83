"""Walks the whole chain and says what is wrong, where, and how that shows.

Finds an altered byte, a row that is missing, inserted, replaced or moved, versions that do not follow, and heads that
disagree with the events. It cannot find that the whole end of the history was rewritten with new hashes: compare the
head's hash with one that was noted elsewhere for that.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec

from infra.history.canonical import COLUMNS, FIRST_PREVIOUS_HASH, StoredEvent, event_hash
from infra.history.store import Connection, Head, History

_BATCH = 2_000
_PROGRESS_EVERY = 10_000
_PROBLEMS_AT_MOST = 1_000


class Kind(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    ALTERED = "altered"
    UNCHAINED = "unchained"
    MISPLACED = "misplaced"
    BACKWARDS = "backwards"
    HEAD = "head"
    IDS = "ids"


class Problem(msgspec.Struct, frozen=True):
    """One finding: the position that it concerns, and how it shows."""

    position: int
    kind: Kind
    why: str


class Verification(msgspec.Struct, frozen=True):
    """What a walk along the chain came to.

    Attributes:
        events: how many were looked at.
        head: the last position and hash that the store claims.
        problems: in order of position; at most a thousand are told.
    """

    events: int
    head: Head
    problems: tuple[Problem, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


class ChainWalk:
    """Looks at one event after another; each fault is told once, where it lies."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.events = 0
        self.versions: dict[str, int] = {}
        self.last: StoredEvent | None = None

    def look(self, event: StoredEvent) -> None:
        """Compares one event with its hash and with the one before it; give them in order of position."""
        self.events += 1
        expected = self.last.position + 1 if self.last else 1
        gap = event.position > expected
        if gap:
            here = f"position {expected}" if event.position == expected + 1 else f"{expected} to {event.position - 1}"
            self._found(expected, Kind.MISSING, f"{here} is not there: removed, or never copied")
        if event_hash(event) != event.hash:
            self._found(
                event.position,
                Kind.ALTERED,
                "the row does not match its hash: it was altered, or put in from elsewhere",
            )
        previous = self.last.hash if self.last else FIRST_PREVIOUS_HASH
        if not gap and event.previous_hash != previous:
            self._found(
                event.position,
                Kind.UNCHAINED,
                f"it was written after another event than the one that now stands before it"
                f" ({event.previous_hash.hex()[:12]}, not {previous.hex()[:12]})",
            )
        version = self.versions.get(event.stream, 0) + 1
        if event.version != version:
            self._found(
                event.position, Kind.MISPLACED, f"{event.stream} continues with version {event.version}, not {version}"
            )
        if self.last is not None and event.recorded_at < self.last.recorded_at:
            self._found(event.position, Kind.BACKWARDS, "it is recorded before the event before it")
        self.versions[event.stream] = event.version
        self.last = event

    def close(self, head: Head) -> None:
        """Compares the end with what the head row claims."""
        position, last_hash = (self.last.position, self.last.hash) if self.last else (0, FIRST_PREVIOUS_HASH)
        if position < head.position:
            self._found(
                position + 1,
                Kind.MISSING,
                f"the history ends at {position}; its head says that it goes to {head.position}",
            )
        elif position > head.position:
            self._found(head.position + 1, Kind.HEAD, f"events stand behind the head, which is at {head.position}")
        elif last_hash != head.hash:
            self._found(position, Kind.HEAD, "the head has another hash than the last event")

    def _found(self, position: int, kind: Kind, why: str) -> None:
        if len(self.problems) < _PROBLEMS_AT_MOST:
            self.problems.append(Problem(position, kind, why))


async def verify(history: History, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Looks at every event, in one snapshot: appends go on meanwhile.

    Args:
        history: what is looked at; no key is needed.
        progress: told how many events are done, and how many there are.

    Raises:
        Unavailable: PostgreSQL is away, or went away meanwhile.
    """
    walk = ChainWalk()
    async with history.transaction() as conn:
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        head = await _head(conn)
        async with conn.cursor("verify") as rows:
            rows.itersize = _BATCH
            query = f"SELECT {COLUMNS} FROM history.events ORDER BY position"  # noqa: S608 -- a constant
            await rows.execute(query.encode(), binary=True)
            async for row in rows:
                walk.look(StoredEvent(*row))
                if progress is not None and walk.events % _PROGRESS_EVERY == 0:
                    progress(walk.events, head.position)
        walk.close(head)
        problems = walk.problems + await _indexes(conn)
    if progress is not None:
        progress(walk.events, head.position)
    return Verification(walk.events, head, tuple(sorted(problems, key=lambda problem: problem.position)))


async def _head(conn: Connection) -> Head:
    cursor = await conn.execute("SELECT position, hash FROM history.head")
    row = await cursor.fetchone()
    return Head(*row) if row else Head(0, FIRST_PREVIOUS_HASH)


async def _indexes(conn: Connection) -> list[Problem]:
    """The tables that the writers decide by, against the events: event ids and the streams' heads."""
    cursor = await conn.execute(
        "SELECT coalesce(e.position, i.position), e.position IS NULL FROM history.events e"
        " FULL JOIN history.event_ids i ON i.event_id = e.event_id AND i.position = e.position"
        " WHERE e.position IS NULL OR i.position IS NULL ORDER BY 1 LIMIT %s",
        (_PROBLEMS_AT_MOST,),
    )
    problems = [
        Problem(
            position,
            Kind.IDS,
            "an event id is listed for it, and no such event is there" if gone else "its event id is not listed",
        )
        for position, gone in await cursor.fetchall()
    ]
    cursor = await conn.execute(
        "SELECT coalesce(e.position, v.position), coalesce(e.stream, v.stream), coalesce(e.version, v.version),"
        " e.position IS NULL FROM history.events e FULL JOIN history.stream_versions v"
        " ON v.stream = e.stream AND v.version = e.version AND v.position = e.position"
        " WHERE e.position IS NULL OR v.position IS NULL ORDER BY 1 LIMIT %s",
        (_PROBLEMS_AT_MOST,),
    )
    return problems + [
        Problem(
            position,
            Kind.HEAD,
            f"{stream} claims its version {version} there, and no such event is there"
            if gone
            else f"version {version} of {stream} is not listed",
        )
        for position, stream, version, gone in await cursor.fetchall()
    ]
