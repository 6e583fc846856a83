"""What is remembered of one card, and how it is packed.

The memory holds whole transaction ids, not hashes of them: equal times are ordered by transaction id, and what stands must still
name its suspect when the topic that held the record is gone. Merchants and amounts are not here: they are read back by ``ref``.

Layout of a packed memory, version 1 (little endian)::

    version u8 = 1 | entries u8 | recent u8 | standing u8 | believed u8 (index, 255: none) | plain u8
    entries:  at_us i64 | lat_e7 i32 | lon_e7 i32 | radius_m u32 | digest u64 | ref u64 | flags u8 | id length - 1 u8 | id
              flags: bits 0-1 trust, bits 2-3 grade, bit 4: (length - 1 u8 | id) of the repeated transaction follows
    recent:   at_s i64 | ref u64
    standing: suspect u8 (index) | against u8 (index) | verdict u8 (0 alert, 1 review)

That is 38 bytes and the id for each transaction that is remembered.
"""

from struct import Struct
from struct import error as StructError  # noqa: N812 - the class has no other name
from typing import Final, Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["alert", "review"]
Severity: TypeAlias = Literal["low", "medium", "high"]

VERSION: Final = 1
FIRST_TRIM: Final = 32
"""A memory with fewer entries than this is not trimmed on the quick path."""

_HEAD: Final = Struct("<6B")
_ENTRY: Final = Struct("<qiiIQQBB")
_RECENT: Final = Struct("<qQ")
_STANDING: Final = Struct("<3B")
_NOBODY: Final = 255
_REPEATS: Final = 16
_VERDICTS: Final[tuple[Verdict, Verdict]] = ("alert", "review")


class Entry(msgspec.Struct, gc=False):
    """One transaction as the walk sees it: a sighting, or one that is none but whose id is known.

    Attributes:
        at_us: its own time, microseconds since 1970 UTC.
        trust: ``rules.sighting``: 0 is no sighting, 1 weak, 2 trusted.
        lat_e7: degrees times ten million; so ``lon_e7``. Nought where it is no sighting.
        grade: the severity with which it would alarm: 1 low, 2 medium, 3 high.
        digest: orders versions of one transaction (``Transaction.digest``).
        ref: by which the caller finds the transaction again.
        repeat_of: the transaction that it repeats.
    """

    at_us: int
    transaction_id: str
    trust: int
    lat_e7: int
    lon_e7: int
    radius_m: int
    grade: int
    digest: int
    ref: int
    repeat_of: str | None = None

    @property
    def order(self) -> tuple[int, str]:
        """The place in the walk: by time, equal times by transaction id."""
        return self.at_us, self.transaction_id

    @property
    def severity(self) -> Severity:
        """The grade in words."""
        severities: tuple[Severity, ...] = ("low", "low", "medium", "high")
        return severities[self.grade]


class Standing(msgspec.Struct):
    """A suspect that stands, as it was last told; ``verdict`` is that of its first telling."""

    suspect: Entry
    against: Entry
    verdict: Verdict


class Memory(msgspec.Struct):
    """One card's recent transactions. Changed only by ``rules.watch``.

    Attributes:
        entries: ordered by (time, id).
        recent: (seconds, ref) of the last ten payments of any kind, oldest first.
        standing: the suspects that stand, by transaction id.
        believed: the last believed sighting.
        plain: nothing waits for what comes next (a weak sighting for the next believed one, a repeat for its original).
        trim_at: with so many entries the quick path trims; not packed.
    """

    entries: list[Entry] = msgspec.field(default_factory=list)
    recent: list[tuple[int, int]] = msgspec.field(default_factory=list)
    standing: dict[str, Standing] = msgspec.field(default_factory=dict)
    believed: Entry | None = None
    plain: bool = True
    trim_at: int = FIRST_TRIM


class UnknownLayout(ValueError):  # noqa: N818 - says what is the matter; whoever meets it rebuilds the card
    """The packed memory is of another version, or damaged; the card's memory is to be rebuilt from the topic."""


def pack(memory: Memory) -> bytes:
    """The memory as bytes; ``unpack`` gives back one that decides alike."""
    entries = memory.entries
    index = {entry.transaction_id: number for number, entry in enumerate(entries)}
    believed = _NOBODY if memory.believed is None else index[memory.believed.transaction_id]
    parts = [
        _HEAD.pack(VERSION, len(entries), len(memory.recent), len(memory.standing), believed, memory.plain),
    ]
    for entry in entries:
        name = entry.transaction_id.encode()
        flags = entry.trust | entry.grade << 2 | (_REPEATS if entry.repeat_of is not None else 0)
        parts.append(
            _ENTRY.pack(
                entry.at_us,
                entry.lat_e7,
                entry.lon_e7,
                entry.radius_m,
                entry.digest,
                entry.ref,
                flags,
                len(name) - 1,
            )
        )
        parts.append(name)
        if entry.repeat_of is not None:
            repeated = entry.repeat_of.encode()
            parts += (bytes((len(repeated) - 1,)), repeated)
    parts += [_RECENT.pack(*each) for each in memory.recent]
    parts += [
        _STANDING.pack(index[name], index[each.against.transaction_id], _VERDICTS.index(each.verdict))
        for name, each in memory.standing.items()
    ]
    return b"".join(parts)


def unpack(value: bytes) -> Memory:
    """The memory that ``pack`` packed.

    Raises:
        UnknownLayout: the bytes are of another version, or damaged.
    """
    try:
        memory, end = _unpack(value)
    except (StructError, IndexError, UnicodeDecodeError) as error:
        raise UnknownLayout(f"not a card's memory: {error}") from error
    if end != len(value):
        raise UnknownLayout(f"not a card's memory: {len(value) - end} bytes too many")
    return memory


def _unpack(value: bytes) -> tuple[Memory, int]:
    version, entry_count, recent_count, standing_count, believed, plain = _HEAD.unpack_from(value)
    if version != VERSION:
        raise UnknownLayout(f"a card's memory of version {version}; this one reads {VERSION}")
    at = _HEAD.size
    entries: list[Entry] = []
    for _ in range(entry_count):
        at_us, lat_e7, lon_e7, radius_m, digest, ref, flags, length = _ENTRY.unpack_from(value, at)
        at += _ENTRY.size
        name = value[at : at + length + 1].decode()
        at += length + 1
        repeated = None
        if flags & _REPEATS:
            length = value[at]
            repeated = value[at + 1 : at + length + 2].decode()
            at += length + 2
        entries.append(Entry(at_us, name, flags & 3, lat_e7, lon_e7, radius_m, flags >> 2 & 3, digest, ref, repeated))
    memory = Memory(entries, plain=bool(plain), believed=None if believed == _NOBODY else entries[believed])
    for _ in range(recent_count):
        memory.recent.append(_RECENT.unpack_from(value, at))
        at += _RECENT.size
    for _ in range(standing_count):
        suspect, against, verdict = _STANDING.unpack_from(value, at)
        at += _STANDING.size
        memory.standing[entries[suspect].transaction_id] = Standing(
            entries[suspect], entries[against], _VERDICTS[verdict]
        )
    memory.trim_at = max(FIRST_TRIM, entry_count + FIRST_TRIM // 2)
    return memory, at
