"""What is remembered of one card, as the rules think about it; at rest it is bytes (``rules.layout``).

The memory holds whole transaction ids, not hashes of them: equal times are ordered by transaction id, and what stands
must still name its suspect when the topic that held the record is gone. Merchants and amounts are not here: they are
read back by ``ref``.
"""

from struct import Struct
from typing import Final, Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["alert", "review"]
Severity: TypeAlias = Literal["low", "medium", "high"]

DIGEST_BYTES: Final = 4
"""So much is kept of a transaction's digest. Of two contents of one id and time, one pair in four thousand million
shares it; then the one that came first counts."""

RECENT: Final = Struct(">IQ")
"""One of the last payments, big endian: seconds since 1970 (u32) and ref (u64)."""

MOST_RECENT: Final = 10
_SECOND_US: Final = 1_000_000
_LATEST_S: Final = 2**32 - 1

Order: TypeAlias = tuple[int, str]
"""A place in the walk: by time, microseconds since 1970 UTC, equal times by transaction id."""

UNCUT: Final[Order] = (-(2**62), "")
"""The cut of a memory that has forgotten nothing."""


class Entry(msgspec.Struct, gc=False, array_like=True):
    """One transaction as the walk sees it: a sighting, or one that is none but whose id is known.

    Attributes:
        at_us: its own time, microseconds since 1970 UTC.
        trust: ``rules.sighting``: 0 is no sighting, 1 weak, 2 trusted.
        lat_e7: degrees times ten million; so ``lon_e7``. Nought where it is no sighting.
        grade: the severity with which it would alarm: 1 low, 2 medium, 3 high.
        digest: orders versions of one transaction: the first ``DIGEST_BYTES`` of ``Transaction.digest``.
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
        room: how many more may be put behind the others without a look at all of them; none, if something waits for
            what comes next (a weak sighting for the next believed one, a repeat for its original).
        standing: the suspects that stand, by transaction id; replaced, never changed.
        cut: the order of the newest that was forgotten: what is at or before it is too late, for ever.
        others_cut: the same of transactions that are no sightings.
        past: the last payments that were forgotten, ten at most, oldest first, each as ``RECENT``.
        contested: transactions that came with several contents, each with the latest time that one of them gave.
    """

    entries: list[Entry] = msgspec.field(default_factory=list)
    known: dict[str, Entry | None] = msgspec.field(default_factory=dict)
    believed: Entry | None = None
    room: int = 0
    standing: dict[str, Standing] = msgspec.field(default_factory=dict)
    cut: Order = UNCUT
    others_cut: Order = UNCUT
    past: bytes = b""
    contested: dict[str, int] = msgspec.field(default_factory=dict)

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

    def newest_us(self) -> int:
        """The latest time that it knows of, microseconds since 1970 UTC."""
        newest = self.entries[-1].at_us if self.entries else UNCUT[0]
        return max(newest, self.cut[0], *self.contested.values())

    def hold(self, entries: list[Entry]) -> None:
        """Holds these entries, ordered, and no others."""
        self.entries = entries
        self.known = {**dict.fromkeys(self.contested), **{entry.transaction_id: entry for entry in entries}}


def as_recent(entry: Entry) -> bytes:
    """The entry as one of the last payments; such bytes sort by time."""
    return RECENT.pack(min(max(0, entry.at_us // _SECOND_US), _LATEST_S), entry.ref)
