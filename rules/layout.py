"""A card's memory at rest: one run of bytes, in the process as in Redis.

Nearly every payment is put behind the others without a look at them (``rules.watch``): what decides about the next one
stands at the end, at fixed places, and nothing before it moves. The rest is for ``unpack``.

Layout, version 5, big endian; a memory that holds nothing is no bytes at all:

- version (u8), 128 more if a head follows: its length (u32), and as MessagePack what most memories have nothing of,
  ``[cut, others_cut, past, {transaction id: [suspect entry, against entry or nil, verdict, late]}, contested, device
  cuts, context or nil, {transaction id: quiet pair}]``, each entry, context (``[version, at_us, confirmed, struck out,
  {transaction id: quiet pair}]``) and quiet pair as an array in the order of its fields;
- the entries, oldest first. Each is its transaction id in UTF-8; what its kind says that there is besides: the id of
  the transaction that it repeats and that id's length less 1 (u8), its radius in metres (u32), what is above the 40
  bits of its ref (u32), its device (u64); and its record, which always has the same size;
- how many bytes of entries come after the believed one that the next is held against (u32; all bits set: none is);
- room (u8), 128 more if there are sightings of several instruments.

Record: at_us (i64), lat_e7 (i32), lon_e7 (i32), digest (4 bytes), ref (40 bits), kind (u8: from the lowest bit on
trust, 2 bits, grade, 2 bits, and what there is besides), length of the transaction id less 1 (u8). So an entry takes 27
bytes and its id.
"""

from struct import Struct
from struct import error as StructError  # noqa: N812 - a class under a lower-case name
from typing import Final

import msgspec

from rules.memory import Context, Entry, Memory, Order, QuietPair, Standing

VERSION: Final = 5
NOTHING: Final = b""
"""The memory of a card that was never seen."""
FIRST: Final = bytes((VERSION,))
"""What a memory without a head begins with."""

_TWO_BITS: Final = 3
_REPEAT: Final = 16
_RADIUS: Final = 32
_LONG_REF: Final = 64
_DEVICE: Final = 128

REF_BITS: Final = 40
_HEAD: Final = 128
_HEAD_LENGTH: Final = Struct(">BI")
_RECORD: Final = Struct(">qii4sBIBB")
_END: Final = Struct(">IB")
_U32: Final = Struct(">I")
_U64: Final = Struct(">Q")

LAST: Final = Struct(">qii4sBIBBIB")
"""The last record, and what comes after it."""
GLANCE: Final = Struct(">qii11xIB")
"""The same, read for what decides about the next: time, latitude and longitude, how far back the believed one, room."""
RECORD_SIZE: Final = _RECORD.size
END_SIZE: Final = _END.size
MOST_ROOM: Final = 127
SEVERAL: Final = 128
"""Is added to the room where there are sightings of several instruments."""
NOBODY: Final = 2**32 - 1
"""So far back is the believed one of a memory that believes none."""


class UnknownLayout(ValueError):
    """The packed memory is of another version, or damaged; the card's memory is to be rebuilt from the topic."""


class _Head(msgspec.Struct, array_like=True):
    cut: Order
    others_cut: Order
    past: bytes
    standing: dict[str, Standing]
    contested: dict[str, int]
    device_cuts: dict[int, Order] = {}
    context: Context | None = None
    passed: dict[str, QuietPair] = {}


_encode = msgspec.msgpack.Encoder().encode
_record = _RECORD.pack
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_NO_HEAD: Final = _encode(_Head(Memory().cut, Memory().others_cut, b"", {}, {}))


def kind_of(trust: int, grade: int) -> int:
    """The kind of an entry that has nothing besides its id and its record."""
    return trust | grade << 2


def trust_of(kind: int) -> int:
    """The trust that a kind says."""
    return kind & _TWO_BITS


def grade_of(kind: int) -> int:
    """The grade that a kind says."""
    return kind >> 2 & _TWO_BITS


def besides_of(radius_m: int, ref: int, repeat_of: str | None = None, device: int = 0) -> tuple[int, bytes]:
    """What an entry has besides its id and its record: the kind's bits that say so, and the bytes."""
    kind, added = 0, b""
    if repeat_of is not None:
        repeated = repeat_of.encode()
        kind, added = _REPEAT, repeated + bytes((len(repeated) - 1,))
    if radius_m:
        kind, added = kind | _RADIUS, added + _U32.pack(radius_m)
    if ref >> REF_BITS:
        kind, added = kind | _LONG_REF, added + _U32.pack(ref >> REF_BITS)
    if device:
        kind, added = kind | _DEVICE, added + _U64.pack(device)
    return kind, added


def pack(memory: Memory) -> bytes:
    """The memory as bytes; ``unpack`` gives back one that decides alike."""
    rare = memory.device_cuts, memory.context, memory.passed
    head = _encode(_Head(memory.cut, memory.others_cut, memory.past, memory.standing, memory.contested, *rare))
    if head != _NO_HEAD:
        parts = [_HEAD_LENGTH.pack(_HEAD | VERSION, len(head)), head]
    elif memory.entries:
        parts = [FIRST]
    else:
        return NOTHING
    since = NOBODY
    for entry in memory.entries:
        packed = _packed(entry)
        parts.append(packed)
        if entry is memory.believed:
            since = 0
        elif since != NOBODY:
            since += len(packed)
    room = memory.room | (SEVERAL if memory.several else 0)
    parts.append(_END.pack(since, room if memory.entries else 0))
    return b"".join(parts)


def unpack(value: bytes) -> Memory:
    """The memory that ``pack`` packed.

    Raises:
        UnknownLayout: the bytes are of another version, or damaged.
    """
    memory = Memory()
    if not value:
        return memory
    check_version(value)
    try:
        first = 1
        if value[0] & _HEAD:
            first = _HEAD_LENGTH.size + _HEAD_LENGTH.unpack_from(value)[1]
            head = _decode_head(value[_HEAD_LENGTH.size : first])
            memory.cut, memory.others_cut, memory.past = head.cut, head.others_cut, head.past
            memory.standing, memory.contested = head.standing, head.contested
            memory.device_cuts, memory.context, memory.passed = head.device_cuts, head.context, head.passed
        end = len(value) - _END.size
        since, room = _END.unpack_from(value, end)
        memory.room, memory.several = room & MOST_ROOM, room > MOST_ROOM
        believed = end - since
        entries = []
        while end > first:
            entry, begin = entry_before(value, end)
            if end == believed:
                memory.believed = entry
            entries.append(entry)
            end = begin
    except (StructError, msgspec.DecodeError, UnicodeDecodeError, IndexError) as error:
        raise UnknownLayout(f"not a card's memory: {error}") from error
    if end != first or (memory.believed is None) != (since == NOBODY):
        raise UnknownLayout("not a card's memory: its parts do not fit together")
    memory.hold(entries[::-1])
    return memory


def entry_of(value: bytes, transaction_id: str) -> Entry | None:
    """What a memory of this version holds of a transaction; found at once if that is its last.

    Raises:
        UnknownLayout: the bytes are damaged.
    """
    if transaction_id.encode() not in value:
        return None
    if value[0] == VERSION:
        last, _ = entry_before(value, len(value) - END_SIZE)
        if last.transaction_id == transaction_id:
            return last
    return unpack(value).known.get(transaction_id)


def check_version(value: bytes) -> None:
    """Looks no further than at the version, and whether there is an end to read; before a memory is judged against.

    Raises:
        UnknownLayout: the bytes are of another version, or cut off.
    """
    if value and value[0] & ~_HEAD != VERSION:
        raise UnknownLayout(f"a card's memory of version {value[0]}; this one reads {VERSION}")
    if 0 < len(value) < GLANCE.size:
        raise UnknownLayout("not a card's memory: it is too short")


def last_us_of(value: bytes) -> int | None:
    """When the last entry was, microseconds since 1970 UTC, if that is the latest time that a memory knows of.

    None where it is not seen at a glance: a head may name a later one, or nothing is remembered.
    """
    if value[:1] != FIRST:
        return None
    last_us: int = GLANCE.unpack_from(value, -GLANCE.size)[0]
    return last_us


def entry_before(value: bytes, end: int) -> tuple[Entry, int]:
    """The entry whose record ends there, and where the entry begins.

    Raises:
        struct.error, IndexError, UnicodeDecodeError: there is none.
    """
    at = end - _RECORD.size
    at_us, lat_e7, lon_e7, digest, high, low, kind, length = _RECORD.unpack_from(value, at)
    ref = high << 32 | low
    radius_m = 0
    repeat_of = None
    device = 0
    if kind & _DEVICE:
        at -= _U64.size
        device = _U64.unpack_from(value, at)[0]
    if kind & _LONG_REF:
        at -= _U32.size
        ref |= _U32.unpack_from(value, at)[0] << REF_BITS
    if kind & _RADIUS:
        at -= _U32.size
        radius_m = _U32.unpack_from(value, at)[0]
    if kind & _REPEAT:
        begin = at - 2 - value[at - 1]
        repeat_of = value[begin : at - 1].decode()
        at = begin
    begin = at - 1 - length
    name = value[begin:at].decode()
    return (
        Entry(at_us, name, trust_of(kind), lat_e7, lon_e7, radius_m, grade_of(kind), digest, ref, repeat_of, device),
        begin,
    )


def _packed(entry: Entry) -> bytes:
    name, ref, kind = entry.transaction_id.encode(), entry.ref, kind_of(entry.trust, entry.grade)
    length = len(name)
    if entry.radius_m or ref >> REF_BITS or entry.repeat_of is not None or entry.device:
        besides, added = besides_of(entry.radius_m, ref, entry.repeat_of, entry.device)
        kind, name = kind | besides, name + added
    at_us, lat_e7, lon_e7, digest = entry.at_us, entry.lat_e7, entry.lon_e7, entry.digest
    return name + _record(at_us, lat_e7, lon_e7, digest, ref >> 32 & 0xFF, ref & 0xFFFFFFFF, kind, length - 1)
