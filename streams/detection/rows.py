"""What a partition is given to judge, and what comes of it."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from rules.alert import Mode
from rules.ruleset import LIVE, RuleSet
from rules.verdict import Finding
from streams.detection.recall import Block


class Rows(NamedTuple):
    """Consecutive records of one partition; a tombstone's value is empty. `blocks` hold the first of them, packed."""

    offsets: Sequence[int]
    stamps_ms: Sequence[int]
    values: Sequence[bytes]
    blocks: Sequence[Block] = ()

    def parts(self, said: int) -> list[tuple["Rows", bool]]:
        """Those before this offset, of which everything has been said already, and the others."""
        at = bisect_left(self.offsets, said)
        return [(part, at > 0 and part.offsets[0] < said) for part in self.parted(at)]

    def parted(self, at: int) -> list["Rows"]:
        """The first so many, and the others; without empty parts."""
        if at <= 0 or at >= len(self.offsets):
            return [self]
        return [
            Rows(self.offsets[:at], self.stamps_ms[:at], self.values[:at]),
            Rows(self.offsets[at:], self.stamps_ms[at:], self.values[at:]),
        ]

    def set_aside(self, offset: int, reason: str, field: str = "") -> "SetAside":
        """What there is to say of a record that could not be judged."""
        return SetAside(reason, field, offset, self.values[bisect_left(self.offsets, offset)])


class Found(NamedTuple):
    """A finding, with what only its arrival knows.

    `stamp_ms` is the broker's time stamp of the payment, or of the word on payments, that made it known; None where it
    is said again without either.
    """

    finding: Finding
    card_id: str
    stamp_ms: int | None
    ruleset: RuleSet = LIVE
    mode: Mode = "live"


class SetAside(NamedTuple):
    """A record that could not be judged, and why."""

    reason: str
    field: str
    offset: int
    value: bytes


Outcome: TypeAlias = Found | SetAside
