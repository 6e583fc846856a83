"""What is remembered of one card, and how it is packed.

The memory holds whole transaction ids, not hashes of them: equal times are ordered by transaction id, and what stands
must still name its suspect when the topic that held the record is gone. Merchants and amounts are not here: they are
read back by ``ref``.

Layout: one byte of version (1), then MessagePack, every struct as an array in the order of its fields::

    [ [entry, ...], recent, {transaction id: [suspect entry, against entry, verdict]}, believed, plain ]
    entry = [at_us, transaction_id, trust, lat_e7, lon_e7, radius_m, grade, digest, ref, repeat_of]

``recent`` is binary, twelve bytes a payment: seconds since 1970 (u32) and ref (u64), big endian, so that bytes sort by
time. ``believed`` is an index into the entries, -1 for none. An entry takes some 45 bytes and its id.
"""

from struct import Struct
from typing import Final, Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["alert", "review"]
Severity: TypeAlias = Literal["low", "medium", "high"]

VERSION: Final = b"\x01"
FIRST_TRIM: Final = 32
"""A memory with fewer entries than this is not trimmed on the quick path."""

RECENT: Final = Struct(">IQ")
"""One of the last payments: seconds and ref."""

_ARRAY_OF_FIVE: Final = b"\x95"
_LONG_ARRAY: Final = Struct(">BH")
_LONG_ARRAY_MARK: Final = 0xDC


class Entry(msgspec.Struct, gc=False, array_like=True):
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
    digest: bytes
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


class Standing(msgspec.Struct, array_like=True):
    """A suspect that stands, as it was last told; ``verdict`` is that of its first telling."""

    suspect: Entry
    against: Entry
    verdict: Verdict


class Memory(msgspec.Struct):
    """One card's recent transactions. Changed only by ``rules.watch``.

    Attributes:
        entries: ordered by (time, id).
        recent: the last ten payments of any kind, oldest first, each as ``RECENT``.
        standing: the suspects that stand, by transaction id.
        believed: the last believed sighting.
        plain: nothing waits for what comes next (a weak sighting for the next believed one, a repeat for its original).
        trim_at: with so many entries the quick path trims; not packed.
        known: every entry's id, with its packed form once it has one: a card is packed far more often than an entry
            changes.
    """

    entries: list[Entry] = msgspec.field(default_factory=list)
    recent: list[bytes] = msgspec.field(default_factory=list)
    standing: dict[str, Standing] = msgspec.field(default_factory=dict)
    believed: Entry | None = None
    plain: bool = True
    trim_at: int = FIRST_TRIM
    known: dict[str, bytes] = msgspec.field(default_factory=dict)

    def refs(self) -> set[int]:
        """Every ref by which the memory may ask for a transaction again."""
        return {entry.ref for entry in self.entries} | {RECENT.unpack(each)[1] for each in self.recent}

    def replace_entries(self, entries: list[Entry]) -> None:
        """Holds these entries and no others; the believed one and what stands go with the entries that they are."""
        self.entries = entries
        self.known = dict.fromkeys([entry.transaction_id for entry in entries], b"")
        self.trim_at = max(FIRST_TRIM, len(entries) + FIRST_TRIM // 2)
        self.standing = {name: each for name, each in self.standing.items() if name in self.known}
        if self.believed is not None and self.believed.transaction_id not in self.known:
            self.believed = None


class UnknownLayout(ValueError):
    """The packed memory is of another version, or damaged; the card's memory is to be rebuilt from the topic."""


class _Packed(msgspec.Struct, array_like=True):
    entries: list[Entry]
    recent: bytes
    standing: dict[str, Standing]
    believed: int
    plain: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def pack(memory: Memory) -> bytes:
    """The memory as bytes; ``unpack`` gives back one that decides alike."""
    known = memory.known
    parts = [VERSION, _ARRAY_OF_FIVE, _LONG_ARRAY.pack(_LONG_ARRAY_MARK, len(memory.entries))]
    for entry in memory.entries:
        packed = known[entry.transaction_id]
        if not packed:
            packed = known[entry.transaction_id] = _encode(entry)
        parts.append(packed)
    believed = -1
    if memory.believed is not None:
        believed = len(memory.entries) - 1
        while memory.entries[believed] is not memory.believed:
            believed -= 1
    parts += (_encode(b"".join(memory.recent)), _encode(memory.standing), _encode(believed), _encode(memory.plain))
    return b"".join(parts)


def unpack(value: bytes) -> Memory:
    """The memory that ``pack`` packed.

    Raises:
        UnknownLayout: the bytes are of another version, or damaged.
    """
    if value[:1] != VERSION:
        raise UnknownLayout(f"a card's memory of version {value[:1].hex() or 'none'}; this one reads {VERSION.hex()}")
    try:
        packed = _decode(memoryview(value)[1:])
        believed = None if packed.believed < 0 else packed.entries[packed.believed]
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError) as error:
        raise UnknownLayout(f"not a card's memory: {error}") from error
    recent = [packed.recent[at : at + RECENT.size] for at in range(0, len(packed.recent), RECENT.size)]
    memory = Memory(recent=recent, standing=packed.standing, believed=believed, plain=packed.plain)
    memory.replace_entries(packed.entries)
    return memory
