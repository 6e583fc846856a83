"""A card's memory at rest: one run of bytes, in the process as in Redis.

Nearly every payment is put behind the others without a look at them (``rules.watch``): what decides about the next one
stands at the end, at fixed places, and nothing before it moves. The rest is for ``unpack``.

Layout, version 6, big endian; a memory that holds nothing is no bytes at all:

- version (u8), 128 more if a head follows: its length (u32), and as MessagePack what most memories have nothing of,
  ``[cut, others_cut, past, {transaction id: [suspect entry, against entry or nil, verdict, late]}, contested, device
  cuts, context or nil, {transaction id: quiet pair}]``, each entry, context (``[version, at_us, confirmed, struck out,
  {transaction id: quiet pair}]``) and quiet pair as an array in the order of its fields;
- the entries, oldest first. Each is its transaction id in UTF-8; of what most entries have nothing of, what there is,
  in this order: the id of the transaction that it repeats and that id's length less 1 (u8), its radius in metres (u32),
  what is above the 40 bits of its ref (u32), its device (u64), its at_us (i64), and last which of these there are (u8:
  a bit each from the lowest on, and the highest is that of the id's length); and its record, always of the same size;
- how many bytes of entries come after the believed one that the next is held against (u32; all bits set: none is);
- room (u8), 128 more if there are sightings of several instruments.

Record: seconds since 1970 (u32; all bits set: the time does not fit, and stands before the record); one number (u32),
which is from the lowest bit on 7 bits of the transaction id's length less 1, trust, 2 bits, grade, 2 bits, whether
anything stands between id and record, 1 bit, and the second's microseconds; lat_e7 (i32), lon_e7 (i32), digest (4
bytes), ref (40 bits). So an entry takes 25 bytes and its id.
"""

from struct import Struct
from struct import error as StructError  # noqa: N812 - a class under a lower-case name
from typing import Final

import msgspec

from rules.memory import Context, Entry, Memory, Order, QuietPair, Standing

VERSION: Final = 6
NOTHING: Final = b""
"""The memory of a card that was never seen."""
FIRST: Final = bytes((VERSION,))
"""What a memory without a head begins with."""

_TWO_BITS: Final = 3
_TRUST_AT: Final = 7
_GRADE_AT: Final = 9
MICROSECONDS_AT: Final = 12
"""By so many bits the microseconds are shifted in a record's number."""
BESIDES: Final = 1 << 11
"""The kind's bit that says that something stands between id and record."""
SHORT: Final = 127
"""Most that the length of a transaction id less 1 may be in a record's number."""
_REF_BITS: Final = 40
SHORT_REF: Final = 2**_REF_BITS - 1
"""The greatest ref that a record holds whole."""
_SECOND_US: Final = 1_000_000
_FAR_S: Final = 2**32 - 1
"""The seconds in a record whose time they do not hold."""

_REPEAT: Final = 1
_RADIUS: Final = 2
_LONG_REF: Final = 4
_DEVICE: Final = 8
_FAR_TIME: Final = 16

_HEAD: Final = 128
_HEAD_LENGTH: Final = Struct(">BI")
_RECORD: Final = Struct(">IIii4sBI")
_END: Final = Struct(">IB")
_U32: Final = Struct(">I")
_TIME: Final = Struct(">II")
_U64: Final = Struct(">Q")
_I64: Final = Struct(">q")

LAST: Final = Struct(">IIii4sBIIB")
"""The last record, and what comes after it."""
GLANCE: Final = Struct(">I4xii9xIB")
"""The same, read for what decides about the next: seconds, latitude, longitude, how far back the believed one, room."""
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
_record, _record_at = _RECORD.pack, _RECORD.unpack_from
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_NO_HEAD: Final = _encode(_Head(Memory().cut, Memory().others_cut, b"", {}, {}))


def kind_of(trust: int, grade: int) -> int:
    """The kind of an entry that has nothing besides its id and its record: some bits of the record's number."""
    return trust << _TRUST_AT | grade << _GRADE_AT


def trust_of(kind: int) -> int:
    """The trust that a kind says."""
    return kind >> _TRUST_AT & _TWO_BITS


def grade_of(kind: int) -> int:
    """The grade that a kind says."""
    return kind >> _GRADE_AT & _TWO_BITS


def besides_of(
    length: int, radius_m: int, ref: int, device: int, *, repeat_of: str | None = None, far_us: int | None = None
) -> bytes:
    """What stands between an entry's id, whose length less 1 is given, and its record where that says ``BESIDES``."""
    which, added = length & ~SHORT, b""
    if repeat_of is not None:
        repeated = repeat_of.encode()
        which, added = which | _REPEAT, repeated + bytes((len(repeated) - 1,))
    if radius_m:
        which, added = which | _RADIUS, added + _U32.pack(radius_m)
    if ref > SHORT_REF:
        which, added = which | _LONG_REF, added + _U32.pack(ref >> _REF_BITS)
    if device:
        which, added = which | _DEVICE, added + _U64.pack(device)
    if far_us is not None:
        which, added = which | _FAR_TIME, added + _I64.pack(far_us)
    return added + bytes((which,))


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
        raise UnknownLayout(f"a card's memory of version {value[0] & ~_HEAD}; this one reads {VERSION}")
    if 0 < len(value) < GLANCE.size:
        raise UnknownLayout("not a card's memory: it is too short")


def last_us_of(value: bytes) -> int | None:
    """When the last entry was, microseconds since 1970 UTC, if that is the latest time that a memory knows of.

    None where it is not seen at a glance: a head may name a later one, it stands elsewhere, or nothing is remembered.
    """
    if value[:1] != FIRST:
        return None
    seconds, number = _TIME.unpack_from(value, -GLANCE.size)
    last_us: int = seconds * _SECOND_US + (number >> MICROSECONDS_AT)
    return None if seconds == _FAR_S else last_us


def entry_before(value: bytes, end: int) -> tuple[Entry, int]:
    """The entry whose record ends there, and where the entry begins.

    Raises:
        struct.error, IndexError, UnicodeDecodeError: there is none.
    """
    at = end - RECORD_SIZE
    seconds, number, lat_e7, lon_e7, digest, high, low = _record_at(value, at)
    at_us = seconds * _SECOND_US + (number >> MICROSECONDS_AT)
    length, ref = number & SHORT, high << 32 | low
    radius_m = 0
    repeat_of = None
    device = 0
    if number & BESIDES:
        at -= 1
        which = value[at]
        length |= which & ~SHORT
        if which & _FAR_TIME:
            at -= _I64.size
            at_us = _I64.unpack_from(value, at)[0]
        if which & _DEVICE:
            at -= _U64.size
            device = _U64.unpack_from(value, at)[0]
        if which & _LONG_REF:
            at -= _U32.size
            ref |= _U32.unpack_from(value, at)[0] << _REF_BITS
        if which & _RADIUS:
            at -= _U32.size
            radius_m = _U32.unpack_from(value, at)[0]
        if which & _REPEAT:
            begin = at - 2 - value[at - 1]
            repeat_of = value[begin : at - 1].decode()
            at = begin
    begin = at - 1 - length
    name, trust, grade = value[begin:at].decode(), number >> _TRUST_AT & _TWO_BITS, number >> _GRADE_AT & _TWO_BITS
    return Entry(at_us, name, trust, lat_e7, lon_e7, radius_m, grade, digest, ref, repeat_of, device), begin


def _packed(entry: Entry) -> bytes:
    name, ref, at_us = entry.transaction_id.encode(), entry.ref, entry.at_us
    seconds, length = at_us // _SECOND_US, len(name) - 1
    number = at_us % _SECOND_US << MICROSECONDS_AT | entry.grade << _GRADE_AT | entry.trust << _TRUST_AT | length
    if ref > SHORT_REF or length > SHORT or entry.radius_m or entry.device or entry.repeat_of is not None:
        return _packed_besides(entry, name)
    try:
        return name + _record(seconds, number, entry.lat_e7, entry.lon_e7, entry.digest, ref >> 32, ref & 0xFFFFFFFF)
    except StructError:
        return _packed_besides(entry, name)


def _packed_besides(entry: Entry, name: bytes) -> bytes:
    """The same of one that has more than an id and a record, or a time that this does not hold."""
    seconds, microseconds = divmod(entry.at_us, _SECOND_US)
    far_us = None
    if not 0 <= seconds < _FAR_S:
        seconds, microseconds, far_us = _FAR_S, 0, entry.at_us
    length, ref = len(name) - 1, entry.ref
    number = microseconds << MICROSECONDS_AT | BESIDES | kind_of(entry.trust, entry.grade) | length & SHORT
    return (
        name
        + besides_of(length, entry.radius_m, ref, entry.device, repeat_of=entry.repeat_of, far_us=far_us)
        + _record(seconds, number, entry.lat_e7, entry.lon_e7, entry.digest, ref >> 32 & 0xFF, ref & 0xFFFFFFFF)
    )
