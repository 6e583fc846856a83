"""Arrays in PostgreSQL's binary form, put together at once: psycopg's own way costs a third of an append's work here.

An array is its number of dimensions, whether it holds a NULL, its elements' type, its length and its first index, four
bytes each, and then each element as its length and its bytes, a NULL as the length -1
(PostgreSQL: src/backend/utils/adt/arrayfuncs.c, ``array_recv``).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import ClassVar, Final
from uuid import UUID

from psycopg import adapters
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_HEAD: Final = Struct(">5I").pack
_four: Final = Struct(">I").pack
_framed_four: Final = Struct(">II").pack
_framed_eight: Final = Struct(">Iq").pack
_SIXTEEN: Final = b"\0\0\0\x10"
_NULL: Final = b"\xff\xff\xff\xff"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class BinaryArray:
    """The bytes of an array; each subclass stands for one type of PostgreSQL."""

    __slots__ = ("data",)
    element: ClassVar[int]
    """The oid of the elements' type (src/include/catalog/pg_type.dat), as ``oid`` is the array's."""
    oid: ClassVar[int]

    def __init__(self, framed: list[bytes]) -> None:
        """Of elements that stand behind their length already."""
        if framed:
            framed.insert(0, _HEAD(1, _NULL in framed, self.element, len(framed), 1))
        else:
            framed.append(_HEAD(0, 0, self.element, 0, 0)[:12])
        self.data = b"".join(framed)


class Int4s(BinaryArray):
    """``integer[]``."""

    element, oid = 23, 1007

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Int4s":
        """From numbers."""
        return cls([_framed_four(4, number) for number in numbers])


class Int8s(BinaryArray):
    """``bigint[]``."""

    element, oid = 20, 1016

    @classmethod
    def of(cls, numbers: Iterable[int | None]) -> "Int8s":
        """From numbers that are not negative, or None."""
        return cls([_NULL if number is None else _framed_eight(8, number) for number in numbers])


class Texts(BinaryArray):
    """``text[]``."""

    element, oid = 25, 1009

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> "Texts":
        """From texts, or None."""
        return cls([_NULL if text is None else _framed(text.encode()) for text in texts])


class Uuids(BinaryArray):
    """``uuid[]``."""

    element, oid = 2950, 2951

    @classmethod
    def of(cls, ids: Iterable[UUID | None]) -> "Uuids":
        """From ids, or None."""
        return cls([_NULL if one is None else _SIXTEEN + one.bytes for one in ids])


class Moments(BinaryArray):
    """``timestamptz[]``."""

    element, oid = 1184, 1185

    @classmethod
    def of(cls, moments: Iterable[datetime]) -> "Moments":
        """From moments with an offset."""
        return cls([_framed_eight(8, (moment - _EPOCH) // _MICROSECOND) for moment in moments])


class Bytes(BinaryArray):
    """``bytea[]``."""

    element, oid = 17, 1001

    @classmethod
    def of(cls, values: Iterable[bytes | None]) -> "Bytes":
        """From bytes, or None."""
        return cls([_NULL if value is None else _framed(value) for value in values])


def _framed(element: bytes) -> bytes:
    return _four(len(element)) + element


class _AsItIs(Dumper):
    format = Format.BINARY

    def dump(self, obj: BinaryArray) -> Buffer:
        return obj.data


for _kind in (Int4s, Int8s, Texts, Uuids, Moments, Bytes):
    # Types of our own, known to every connection: no other parameter is dumped differently.
    adapters.register_dumper(_kind, type(f"_{_kind.__name__}", (_AsItIs,), {"oid": _kind.oid}))
