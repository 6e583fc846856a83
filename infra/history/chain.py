"""The chain without a server: a walk along events in the order of their positions, and what is found wrong.

A row is an event as PostgreSQL's binary COPY hands it out: the count of its fields (two bytes), the hashed fields
(canonical.py), then the stored hash, each behind its length. So what is hashed is what came over the wire, or what a
file says, and nothing is decoded on the way.
"""

import hashlib
import struct
from collections.abc import Container, Iterable
from enum import StrEnum
from typing import Final

import msgspec

from infra.history.canonical import FIRST_PREVIOUS_HASH, TAG, StoredEvent, encoding

Row = bytes | memoryview
PROBLEMS_AT_MOST: Final = 1_000
_PLACE: Final = struct.Struct(">2xiqi32siqiqi")
"""Position, previous hash, recorded at, version, each behind its length; then the length of the stream's name."""
_STREAM_AT: Final = _PLACE.size
_HASHED: Final = slice(2, -36)
_STORED: Final = slice(-32, None)
_FIELDS: Final = (len(StoredEvent.__struct_fields__)).to_bytes(2, "big")


class Kind(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    ALTERED = "altered"
    UNCHAINED = "unchained"
    MISPLACED = "misplaced"
    BACKWARDS = "backwards"
    HEAD = "head"
    IDS = "ids"
    REWRITTEN = "rewritten"
    CUT = "cut off"
    SEAL = "seal"


class Problem(msgspec.Struct, frozen=True):
    """One finding: the position that it concerns, and how it shows."""

    position: int
    kind: Kind
    why: str


class Segment:
    """A walk along consecutive positions that knows nothing of what comes before: :class:`Chain` joins them.

    Attributes:
        events: how many were looked at.
        firsts: of each stream (its name in UTF-8): the first version here, and its position.
        lasts: of each stream: the last version here.
        sealed: the stored hash at each position that was asked for.
        problems: at most a thousand.
    """

    def __init__(self, sealed: Container[int] = ()) -> None:
        self.events = 0
        self.first: tuple[int, bytes, int] | None = None
        self.last: tuple[int, bytes, int] | None = None
        self.firsts: dict[bytes, tuple[int, int]] = {}
        self.lasts: dict[bytes, int] = {}
        self.sealed: dict[int, bytes] = {}
        self.problems: list[Problem] = []
        self._asked = sealed

    def walk(self, rows: Iterable[Row]) -> None:
        """Looks at one row after another; may be called again with the ones that follow.

        The loop decides only whether all is well; what is not is looked at again, slowly.
        """
        unpack, begun = _PLACE.unpack_from, hashlib.sha256(TAG).copy  # a copy costs half of a beginning
        lasts, version_of, asked = self.lasts, self.lasts.get, self._asked
        position, last_hash, moment = self.last or (None, b"", 0)
        events = 0
        for given in rows:
            events += 1
            row = bytes(given)  # copied once: its slices are then cheaper than those of a view
            try:
                a, at, b, previous, c, recorded, d, version, length = unpack(row)
            except struct.error:
                a = b = c = d = 0
            if not (a == c == d == 8 and b == 32):  # noqa: PLR2004 -- the lengths of a number and of a hash
                self._malformed((position or 0) + 1)
                position, last_hash = position and position + 1, row[_STORED]
                continue
            stream = row[_STREAM_AT : _STREAM_AT + length]
            known = version_of(stream)
            hashing = begun()
            hashing.update(row[_HASHED])
            digest = hashing.digest()
            if (
                digest == row[_STORED]
                and previous == last_hash
                and at - 1 == position
                and recorded >= moment
                and (known is None or version - 1 == known)
            ):
                last_hash = digest
            else:
                self.last = None if position is None else (position, last_hash, moment)
                self._look((at, previous, recorded), stream, version, sound=digest == row[_STORED])
                last_hash = row[_STORED]
            if known is None:
                self.firsts[stream] = (version, at)
            lasts[stream] = version
            if at in asked:
                self.sealed[at] = last_hash
            position, moment = at, recorded
        self.events += events
        if position is not None:
            self.last = (position, last_hash, moment)

    def found(self, position: int, kind: Kind, why: str) -> None:
        """Notes a problem, up to a thousand."""
        if len(self.problems) < PROBLEMS_AT_MOST:
            self.problems.append(Problem(position, kind, why))

    def follows(self, before: tuple[int, bytes, int] | None, place: tuple[int, bytes, int]) -> None:
        """Compares an event's (position, previous hash, recorded at) with the event before it: (…, hash, …)."""
        at, previous, recorded = place
        position, last_hash, moment = before or (0, FIRST_PREVIOUS_HASH, recorded)
        if at > position + 1:
            here = f"position {position + 1}" if at == position + 2 else f"{position + 1} to {at - 1}"
            self.found(position + 1, Kind.MISSING, f"{here} is not there: removed, or never copied")
        elif at <= position:
            self.found(at, Kind.MISPLACED, f"it comes behind position {position}")
        elif previous != last_hash:
            self.found(
                at,
                Kind.UNCHAINED,
                "it was written after another event than the one that now stands before it"
                f" ({previous.hex()[:12]}, not {last_hash.hex()[:12]})",
            )
        if recorded < moment:
            self.found(at, Kind.BACKWARDS, "it is recorded before the event before it")

    def _look(self, place: tuple[int, bytes, int], stream: bytes, version: int, *, sound: bool) -> None:
        at = place[0]
        if not sound:
            self.found(at, Kind.ALTERED, "the row does not match its hash: it was altered, or put in from elsewhere")
        if self.last is None:
            self.first = place
        else:
            self.follows(self.last, place)
        known = self.lasts.get(stream)
        if known is not None and version != known + 1:
            self.misplaced(at, stream, version, known + 1)

    def misplaced(self, position: int, stream: bytes, version: int, expected: int) -> None:
        """Notes that a stream does not go on with the version that follows."""
        name = stream.decode(errors="replace")
        self.found(position, Kind.MISPLACED, f"{name} continues with version {version}, not {expected}")

    def _malformed(self, position: int) -> None:
        self.found(position, Kind.ALTERED, "the row has not the form of an event")


class Chain(Segment):
    """The whole walk: segments joined in the order of their positions.

    Args:
        before: position, hash and moment (0: any) of the event before the first one; None: the walk begins at
            position 1, and so does every stream.
    """

    def __init__(self, before: tuple[int, bytes, int] | None = None) -> None:
        super().__init__()
        self._partial = before is not None
        self.last = before

    @property
    def end(self) -> tuple[int, bytes]:
        """Position and hash of the last event; 0 and zeros where there is none."""
        return (self.last[0], self.last[1]) if self.last else (0, FIRST_PREVIOUS_HASH)

    def join(self, segment: Segment) -> None:
        """Takes the next segment in."""
        for problem in segment.problems:
            self.found(problem.position, problem.kind, problem.why)
        self.events += segment.events
        self.sealed |= segment.sealed
        if segment.first is None or segment.last is None:
            return
        self.follows(self.last, segment.first)
        for stream, (version, position) in segment.firsts.items():
            known = self.lasts.get(stream, None if self._partial else 0)
            if known is not None and version != known + 1:
                self.misplaced(position, stream, version, known + 1)
        self.lasts |= segment.lasts
        self.last = segment.last

    def close(self, position: int, last_hash: bytes) -> None:
        """Compares the end with what is claimed to be the head."""
        at, stored = self.end
        if at < position:
            self.found(at + 1, Kind.MISSING, f"the history ends at {at}; its head says that it goes to {position}")
        elif at > position:
            self.found(position + 1, Kind.HEAD, f"events stand behind the head, which is at {position}")
        elif stored != last_hash:
            self.found(at, Kind.HEAD, "the head has another hash than the last event")


def row_of(event: StoredEvent) -> bytes:
    """A stored event as a row of the walk."""
    return b"".join((_FIELDS, encoding(event)[len(TAG) :], len(event.hash).to_bytes(4, "big"), event.hash))
