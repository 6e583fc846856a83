"""What is remembered of one card, and how it is packed.

The memory holds whole transaction ids, not hashes: equal times are ordered by transaction id, and a standing alert must
still name its suspect when the topic that held the record is gone.
"""

from typing import Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["alert", "review"]
Severity: TypeAlias = Literal["low", "medium", "high"]


class Entry(msgspec.Struct, gc=False):
    """One transaction as the walk sees it: a sighting, or one that is none (``trust`` 0) but whose id is known."""

    at_us: int
    transaction_id: str
    trust: int
    lat: float
    lon: float
    radius_km: float
    grade: int
    digest: int
    ref: int
    repeat_of: str | None = None


class Standing(msgspec.Struct):
    """A suspect that stands, as it was last said."""

    suspect: Entry
    against: Entry
    verdict: Verdict


class Memory(msgspec.Struct):
    """One card's recent transactions, ordered by (time, id), and the suspects that stand."""

    entries: list[Entry] = msgspec.field(default_factory=list)
    recent: list[tuple[int, int]] = msgspec.field(default_factory=list)
    standing: dict[str, Standing] = msgspec.field(default_factory=dict)


def pack(memory: Memory) -> bytes:
    """The memory as bytes."""
    raise NotImplementedError


def unpack(value: bytes) -> Memory:
    """The memory that ``pack`` packed.

    Raises:
        UnknownLayout: the bytes are of another version, or cut off: rebuild the card from the topic.
    """
    raise NotImplementedError


class UnknownLayout(ValueError):
    """The packed memory cannot be read by this version; the card's memory is to be rebuilt from the topic."""
