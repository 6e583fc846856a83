"""What is remembered of one card, as the rules think about it; at rest it is bytes (``rules.layout``).

The memory holds whole transaction ids, not hashes of them: equal times are ordered by transaction id, and what stands
must still name its suspect when the topic that held the record is gone. Merchants and amounts are not here: they are
read back by ``ref``.
"""

from collections.abc import Iterable, Mapping
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

BLOCKED: Final = 0
"""The grade of a use of the card that the bank declined because the card is blocked."""

PLASTIC: Final = 0
UNNAMED: Final = 1
ALL_DEVICES: Final = 0
"""Of ``Memory.device_cuts``."""

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
        grade: the severity with which it would alarm: 1 low, 2 medium, 3 high; ``BLOCKED``: the card was blocked, and
            its use alarms by itself, as high.
        digest: orders versions of one transaction: the first ``DIGEST_BYTES`` of ``Transaction.digest``.
        ref: by which the caller finds the transaction again.
        repeat_of: the transaction that it repeats.
        device: the instrument of a sighting: ``PLASTIC``, ``UNNAMED`` for a phone or watch that is not named, or what
            stands for its name.
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
    device: int = 0

    @property
    def order(self) -> Order:
        """The place in the walk."""
        return self.at_us, self.transaction_id

    @property
    def severity(self) -> Severity:
        """The grade in words."""
        severities: tuple[Severity, ...] = ("high", "low", "medium", "high")
        return severities[self.grade]


class Standing(msgspec.Struct, array_like=True):
    """A suspect that stands, as it was last told.

    Attributes:
        against: the believed sighting that it contradicts; None: the use of a blocked card.
        late: it was first told long after its time: then it is a ``review`` whatever is told later.
    """

    suspect: Entry
    against: Entry | None
    verdict: Verdict
    late: bool = False


class QuietPair(msgspec.Struct, frozen=True, array_like=True):
    """Two places, degrees times ten million, and since when the way between them is quiet, microseconds."""

    lat_e7: int
    lon_e7: int
    other_lat_e7: int
    other_lon_e7: int
    since_us: int


class Context(msgspec.Struct, frozen=True, array_like=True):
    """What has been said of a card's payments, whole; of two the one with the higher version counts.

    Attributes:
        version: grows with every word.
        at_us: when the last word was said, microseconds since 1970 UTC: it is kept from then on.
        confirmed: ids of transactions that were hers.
        struck_out: ids of transactions that were believed, and were not hers.
        quiet: quiet pairs by the confirmed transaction, where they are known; others are found by the walk.
    """

    version: int = 0
    at_us: int = 0
    confirmed: tuple[str, ...] = ()
    struck_out: tuple[str, ...] = ()
    quiet: dict[str, QuietPair] = {}


class Memory(msgspec.Struct):
    """One card's recent transactions. Changed only by ``rules.watch`` and ``rules.forgetting``.

    Attributes:
        entries: ordered by (time, id). At or before the cut there are at most the last sighting that was believed
            there, and ids without a place.
        known: the entries by id; None: the id of a transaction that is forgotten, while another version of it may come
            again.
        believed: the last believed sighting of the plastic; or of several instruments that are together one that is so
            near to all that the next sighting can contradict that what is as near to it contradicts nothing.
        room: how many more may be put behind the others without a look at all of them; none, if something waits for
            what comes next (a weak sighting for the next believed one, a repeat for its original), and where several
            instruments are apart, a suspect of theirs stands, or something was said of their payments.
        several: there are sightings of a phone or watch.
        standing: the suspects that stand, by transaction id; replaced, never changed.
        cut: the order of the newest that was forgotten: what is at or before it is too late, for ever.
        others_cut: the same of transactions that are no sightings.
        past: the last payments that were forgotten, ten at most, oldest first, each as ``RECENT``.
        contested: transactions that came with several contents, each with the latest time that one of them gave.
        device_cuts: the cut of the sightings of each phone or watch; of all of them together as ``ALL_DEVICES``.
        context: what has been said of the card's payments.
        passed: quiet pairs that the walk found, by the confirmed transaction, of which that is forgotten.
    """

    entries: list[Entry] = msgspec.field(default_factory=list)
    known: dict[str, Entry | None] = msgspec.field(default_factory=dict)
    believed: Entry | None = None
    room: int = 0
    several: bool = False
    standing: dict[str, Standing] = msgspec.field(default_factory=dict)
    cut: Order = UNCUT
    others_cut: Order = UNCUT
    past: bytes = b""
    contested: dict[str, int] = msgspec.field(default_factory=dict)
    device_cuts: dict[int, Order] = msgspec.field(default_factory=dict)
    context: Context | None = None
    passed: dict[str, QuietPair] = msgspec.field(default_factory=dict)

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
        return max(newest, self.cut[0], *(at_us for at_us, _ in self.device_cuts.values()), *self.contested.values())

    def cut_of(self, device: int) -> Order:
        """What of this instrument is at or before it is forgotten."""
        if device == PLASTIC or not self.device_cuts:
            return self.cut if device == PLASTIC else UNCUT
        return max(self.device_cuts.get(device, UNCUT), self.device_cuts.get(ALL_DEVICES, UNCUT))

    def told_us(self) -> int:
        """When the last word was said that is still to be heeded, microseconds since 1970 UTC."""
        said = [self.context.at_us, *_since(self.context.quiet)] if self.context is not None else []
        return max([UNCUT[0], *said, *_since(self.passed)])

    def hold(self, entries: list[Entry]) -> None:
        """Holds these entries, ordered, and no others."""
        self.entries = entries
        self.known = {**dict.fromkeys(self.contested), **{entry.transaction_id: entry for entry in entries}}


def _since(pairs: Mapping[str, QuietPair]) -> Iterable[int]:
    return (pair.since_us for pair in pairs.values())


def as_recent(entry: Entry) -> bytes:
    """The entry as one of the last payments; such bytes sort by time."""
    return RECENT.pack(min(max(0, entry.at_us // _SECOND_US), _LATEST_S), entry.ref)
