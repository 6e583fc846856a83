"""What is remembered of one card, and how it is packed.

The memory holds whole transaction ids, not hashes of them: equal times are ordered by transaction id, and what stands
must still name its suspect when the topic that held the record is gone. Merchants and amounts are not here: they are
read back by ``ref``.

Layout, version 2, big endian: version (u8), length of the head (u16), 1 + the index of the last believed entry (u16, 0
for none), number of entries (u16), the head, the entries. Head and entries are MessagePack, every struct as an array in
the order of its fields; a head in which everything is as in a new memory is left out::

    head  = [cut, others_cut, past, {transaction id: [suspect entry, against entry, verdict]}, contested, plain]
    entry = [at_us, transaction_id, trust, lat_e7, lon_e7, radius_m, grade, digest, ref, repeat_of]

An entry takes some 50 bytes and its id.
"""

from struct import Struct
from struct import error as StructError  # noqa: N812 - a class under a lower-case name
from typing import Final, Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["alert", "review"]
Severity: TypeAlias = Literal["low", "medium", "high"]

VERSION: Final = 2
FIRST_TRIM: Final = 32
"""A memory with fewer entries than this is not trimmed on the quick path."""

RECENT: Final = Struct(">IQ")
"""One of the last payments, big endian: seconds since 1970 (u32) and ref (u64)."""

MOST_RECENT: Final = 10
_SECOND_US: Final = 1_000_000
_LATEST_S: Final = 2**32 - 1

Order: TypeAlias = tuple[int, str]
"""A place in the walk: by time, microseconds since 1970 UTC, equal times by transaction id."""

UNCUT: Final[Order] = (-(2**62), "")
"""The cut of a memory that has forgotten nothing."""

_FRAME: Final = Struct(">BHHH")
_frame = _FRAME.pack
_FEW: Final = 64
_PLAIN: Final = [_frame(VERSION, 0, count, count) for count in range(_FEW)]
"""The frames of plain memories whose last entry is believed, as nearly always, by the number of entries."""
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
    def order(self) -> Order:
        """The place in the walk."""
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
    """One card's recent transactions. Changed only by ``rules.watch`` and ``rules.forgetting``.

    Attributes:
        entries: ordered by (time, id). At or before the cut there are at most the last sighting that was believed
            there, and ids without a place.
        known: the entries by id; None: the id of a transaction that is forgotten, while another version of it may come
            again.
        believed: the last believed sighting.
        plain: nothing waits for what comes next (a weak sighting for the next believed one, a repeat for its original).
        trim_at: with so many entries the quick path trims; not packed.
        standing: the suspects that stand, by transaction id; replaced, never changed.
        cut: the order of the newest that was forgotten: what is at or before it is too late, for ever.
        others_cut: the same of transactions that are no sightings.
        past: the last payments that were forgotten, ten at most, oldest first, each as ``RECENT``.
        contested: transactions that came with several contents, each with the latest time that one of them gave.
    """

    entries: list[Entry] = msgspec.field(default_factory=list)
    known: dict[str, Entry | None] = msgspec.field(default_factory=dict)
    believed: Entry | None = None
    plain: bool = True
    trim_at: int = FIRST_TRIM
    standing: dict[str, Standing] = msgspec.field(default_factory=dict)
    cut: Order = UNCUT
    others_cut: Order = UNCUT
    past: bytes = b""
    contested: dict[str, int] = msgspec.field(default_factory=dict)
    # The entries as they are packed, as far as they have been: a card is packed far more often than an entry changes.
    packed: bytes = b""
    packed_count: int = 0

    def recent(self) -> list[bytes]:
        """The last ten payments of any kind, oldest first, each as ``RECENT``."""
        of_entries = [as_recent(entry) for entry in self.entries[-MOST_RECENT:]]
        if len(of_entries) < MOST_RECENT and self.past:
            past = [self.past[at : at + RECENT.size] for at in range(0, len(self.past), RECENT.size)]
            of_entries = sorted(past + of_entries)[-MOST_RECENT:]
        return of_entries

    def refs(self) -> set[int]:
        """Every ref by which the memory may ask for a transaction again."""
        return {entry.ref for entry in self.entries} | {RECENT.unpack(each)[1] for each in self.recent()}

    def hold(self, entries: list[Entry]) -> None:
        """Holds these entries, ordered, and no others."""
        self.entries = entries
        self.known = {**dict.fromkeys(self.contested), **{entry.transaction_id: entry for entry in entries}}
        self.trim_at = trim_at(len(entries))
        self.packed, self.packed_count = b"", 0


def trim_at(count: int) -> int:
    """With how many entries a memory that holds so many now is to be trimmed on the quick path."""
    return max(FIRST_TRIM, count + FIRST_TRIM // 2)


def as_recent(entry: Entry) -> bytes:
    """The entry as one of the last payments; such bytes sort by time."""
    return RECENT.pack(min(max(0, entry.at_us // _SECOND_US), _LATEST_S), entry.ref)


class UnknownLayout(ValueError):
    """The packed memory is of another version, or damaged; the card's memory is to be rebuilt from the topic."""


class _Head(msgspec.Struct, array_like=True):
    cut: Order
    others_cut: Order
    past: bytes
    standing: dict[str, Standing]
    contested: dict[str, int]
    plain: bool


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_entries = msgspec.msgpack.Decoder(list[Entry]).decode


def pack(memory: Memory) -> bytes:
    """The memory as bytes; ``unpack`` gives back one that decides alike."""
    entries = memory.entries
    count = len(entries)
    packed = memory.packed
    if memory.packed_count != count:
        if memory.packed_count + 1 == count:  # as nearly always
            packed += _encode(entries[-1])
        else:
            packed += b"".join(map(_encode, entries[memory.packed_count :]))
        memory.packed, memory.packed_count = packed, count
    believed = 0
    if memory.believed is not None:
        believed = count
        while entries[believed - 1] is not memory.believed:
            believed -= 1
    if memory.plain and memory.cut == memory.others_cut == UNCUT and not (memory.standing or memory.contested):
        return (_PLAIN[count] if believed == count < _FEW else _frame(VERSION, 0, believed, count)) + packed
    head = _encode(_Head(memory.cut, memory.others_cut, memory.past, memory.standing, memory.contested, memory.plain))
    return _frame(VERSION, len(head), believed, count) + head + packed


def unpack(value: bytes) -> Memory:
    """The memory that ``pack`` packed.

    Raises:
        UnknownLayout: the bytes are of another version, or damaged.
    """
    if value[:1] != bytes((VERSION,)):
        raise UnknownLayout(f"a card's memory of version {value[:1].hex() or 'none'}; this one reads {VERSION:02x}")
    try:
        _, head_size, believed, count = _FRAME.unpack_from(value)
        body = value[_FRAME.size + head_size :]
        entries = _decode_entries(_LONG_ARRAY.pack(_LONG_ARRAY_MARK, count) + body)
        memory = Memory(believed=entries[believed - 1] if believed else None)
        if head_size:
            head = _decode_head(value[_FRAME.size : _FRAME.size + head_size])
            memory.cut, memory.others_cut, memory.past = head.cut, head.others_cut, head.past
            memory.standing, memory.contested, memory.plain = head.standing, head.contested, head.plain
    except (StructError, msgspec.DecodeError, UnicodeDecodeError, IndexError) as error:
        raise UnknownLayout(f"not a card's memory: {error}") from error
    memory.hold(entries)
    memory.packed, memory.packed_count = body, count
    return memory
