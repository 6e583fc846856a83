"""One partition's judge: transactions in order of arrival, findings out.

Nearly every transaction takes the quick path of ``Watch.observe``: it is the newest of its card, its id is new,
nothing waits for it, and one comparison with the last believed sighting decides it; of a card that is used as plastic
and on phones, with one that stands for what was believed of them all. It costs the same however long the
card's history is: what it is compared with is read from the end of the packed memory, and its record is put there.
Everything else is reconsidered as a set.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from struct import error as StructError  # noqa: N812 - a class under a lower-case name
from typing import Final, TypeAlias

from mmh3 import hash64

from rules.context import merged
from rules.forgetting import Forgetting
from rules.gazetteer import Gazetteer, Place, world
from rules.in_transit import InTransit
from rules.itinerary import Reach, Walk, walk
from rules.layout import (
    BESIDES,
    END_SIZE,
    FIRST,
    GLANCE,
    LAST,
    MICROSECONDS_AT,
    MOST_ROOM,
    NOBODY,
    RECORD_SIZE,
    SEVERAL,
    SHORT,
    SHORT_REF,
    UnknownLayout,
    besides_of,
    entry_before,
    grade_of,
    kind_of,
    last_us_of,
    pack,
    trust_of,
    unpack,
)
from rules.memory import BLOCKED, DIGEST_BYTES, PLASTIC, UNNAMED, Context, Entry, Memory
from rules.ruleset import LIVE, RuleSet
from rules.sighting import NONE, WEAK, Box, believable_box, every_trust, place_of, radius_m
from rules.transaction import EPOCH, Refusal, Transaction
from rules.verdict import Finding, findings, standing_findings

NEVER: Final = -(2**62)
"""The watermark of a partition that has seen nothing."""

ROOM: Final = 32
"""So many payments are put behind each other before a new card's memory is trimmed."""
_LAST_ROOMS: Final = frozenset((1, SEVERAL + 1))
"""With so little room left, the memory is trimmed first."""

_SECOND_US: Final = 1_000_000
_DAY_S: Final = 86_400
_AHEAD_US: Final = _DAY_S * _SECOND_US
_NOTHING: Final[tuple[Finding, ...]] = ()
_MOST_BOXES: Final = 50_000
_TRUST: Final = {
    kind: (
        each.level,
        kind_of(each.level, each.grade),
        each.absence,
        each.level != WEAK,  # whether the quick path may do: weak ones wait for what follows
        kind[-1] == "wallet" and each.level != NONE,
    )
    for kind, each in every_trust().items()
}
_CARD_BLOCKED: Final = "card_blocked"
_glance, _last = GLANCE.unpack_from, LAST.pack
_END: Final = -GLANCE.size
_ENTRIES: Final = slice(-END_SIZE)

Judged: TypeAlias = tuple[bytes, Sequence[Finding]]
"""The card's memory with the transaction in it, and what changed by it: nearly always nothing."""


class Watch:
    """Judges the transactions of one partition (``judge``: of one file) against their cards' memories.

    The same transactions in the same order with the same time stamps give the same findings; no clock is read.

    Args:
        ruleset: the thresholds in force.
        watermark_us: as stored with the partition's state.
        gazetteer: none: the world's, read when first needed.

    Attributes:
        watermark_us: the greatest ``occurred_at`` seen, microseconds since 1970 UTC; to be stored with the state.
        counts: what was only counted, by name, since this object was made: ``without_customer``,
            ``card_absent``, ``in_transit``, ``no_place``, ``too_late``, ``repeated``, ``conflicting``; of sightings
            ``by_city``, ``by_airport``, ``by_country`` (placed by what is stated), ``point_gave_way`` (to it) and
            ``point_in_doubt`` (as far from it as it is uncertain); and
            ``memory_unreadable``, where a damaged memory was begun anew.
    """

    def __init__(
        self, ruleset: RuleSet = LIVE, *, watermark_us: int = NEVER, gazetteer: Gazetteer | None = None
    ) -> None:
        self.watermark_us = watermark_us
        self.counts: Counter[str] = Counter()
        self._ruleset = ruleset
        self._gazetteer = gazetteer
        self._reach = Reach(ruleset)
        self._near_e7 = self._reach.near_e7
        self._forgetting = Forgetting(ruleset, self._reach)
        self._memory_us = ruleset.memory_s * _SECOND_US
        self._in_transit = InTransit(ruleset.in_transit)
        self._carriers = self._in_transit.categories
        self._boxes: dict[tuple[str | None, str | None], Box | None] = {}
        self._weak_radius_m = int(ruleset.weak_radius_km * 1000)

    def observe(  # noqa: C901, PLR0912 - the hot path: each question is asked where it is, a call costs as much as an answer
        self, memory: bytes, transaction: Transaction, ref: int, stamp_ms: int
    ) -> Judged:
        """Takes one transaction into its card's memory and says what changed.

        Args:
            memory: of the transaction's card, packed (``rules.layout``), of this version; ``NOTHING`` for a new card.
            transaction: as decoded.
            ref: finds the transaction again; opaque, 0 <= ref < 2**63.
            stamp_ms: the broker's time stamp of the record (``judge``: the time at its start), milliseconds since
                1970 UTC.

        Raises:
            Refusal: more than a day ahead of the stamp; the watermark has not changed.
        """
        at = transaction.occurred_at - EPOCH
        at_s, microseconds = at.days * _DAY_S + at.seconds, at.microseconds
        at_us = at_s * _SECOND_US + microseconds  # as Transaction.at_us, in half the time
        if at_us > stamp_ms * 1000 + _AHEAD_US:
            raise Refusal("ahead_of_its_time", "occurred_at")
        if at_us > self.watermark_us:
            self.watermark_us = at_us
        elif at_us < self.watermark_us - self._memory_us:
            self.counts["too_late"] += 1
            return memory, _NOTHING

        level, kind, absence, quick, wallet = _TRUST[
            transaction.entry_mode, transaction.channel, transaction.type, transaction.instrument
        ]
        lat_e7 = lon_e7 = radius = 0
        if absence is not None:
            self.counts[absence] += 1
        else:
            point, merchant = transaction.location, transaction.merchant
            box = None
            if merchant is not None and merchant.mcc not in self._carriers:
                box = self._boxes.get((merchant.city, merchant.country))
            if (
                # as nearly always: an exact point near the place that is stated
                box is not None
                and point is not None
                and box[0] < (lat := point.lat) < box[1]
                and box[2] < (lon := point.lon) < box[3]
                and point.radius_km is None
            ):
                lat_e7, lon_e7 = int(lat * 1e7), int(lon * 1e7)
            else:
                level, kind, lat_e7, lon_e7, radius = self._placed(transaction, level, kind)
                quick, wallet = quick and level != WEAK, wallet and level != NONE

        name = transaction.transaction_id.encode()
        quick = quick and transaction.repeat_of is None and transaction.decline_reason != _CARD_BLOCKED
        since, room, several = NOBODY, ROOM, False
        if memory:
            last_s, believed_lat_e7, believed_lon_e7, since, room = _glance(memory, _END)
            if room in _LAST_ROOMS:
                memory = self._trimmed(memory)
                last_s, believed_lat_e7, believed_lon_e7, since, room = _glance(memory, _END)
            several = room > SEVERAL
            # `find` is twice as fast as `in`
            quick = (
                quick
                and (room & MOST_ROOM) > 0
                and (
                    at_s > last_s or (at_s == last_s and at_us > entry_before(memory, len(memory) - END_SIZE)[0].at_us)
                )
                and memory.find(name) < 0
            )
            if quick and level != NONE and since != NOBODY:
                if since:
                    _, believed_lat_e7, believed_lon_e7, _, _ = _glance(memory, _END - since)
                # what is so near to that one is near everything else that it might contradict
                near = self._near_e7 // 2 if several else self._near_e7
                quick = (
                    # the first question of the reach, asked without the call
                    -near < believed_lat_e7 - lat_e7 < near and -near < believed_lon_e7 - lon_e7 < near
                ) or (
                    not several
                    and self._reach(
                        entry_before(memory, len(memory) - END_SIZE - since)[0],
                        _entry(transaction, at_us, ref, (kind, lat_e7, lon_e7, radius)),
                    )
                )
        if not quick or (wallet and not several):  # the first of a phone or watch begins an itinerary of its own
            return self._reconsider(memory, _entry(transaction, at_us, ref, (kind, lat_e7, lon_e7, radius)))

        length, rest = len(name) - 1, ref
        if radius or wallet or length > SHORT or ref > SHORT_REF:
            name += besides_of(length, radius, ref, _device(transaction.device_id) if wallet else PLASTIC)
            kind, length, rest = kind | BESIDES, length & SHORT, ref & SHORT_REF
        if level != NONE and not several:
            since = 0
        elif since != NOBODY:
            since += len(name) + RECORD_SIZE
        try:  # in this order the long one is copied once less
            return (memory[_ENTRIES] or FIRST) + (
                name
                + _last(
                    at_s,
                    microseconds << MICROSECONDS_AT | kind | length,
                    lat_e7,
                    lon_e7,
                    transaction.digest,
                    rest >> 32,
                    rest & 0xFFFFFFFF,
                    since,
                    room - 1,
                )
            ), _NOTHING
        except StructError:  # a time that a record does not hold
            return self._reconsider(memory, _entry(transaction, at_us, ref, (kind, lat_e7, lon_e7, radius)))

    def apply(self, memory: bytes, context: Context) -> Judged:
        """Takes in what has been said of a card's payments, and says what changed; an older word changes nothing.

        Args:
            memory: of the card, packed; ``NOTHING`` for a new one.
            context: whole, under a version that grows.
        """
        card = self._unpacked(memory)
        before = card.context
        if before is not None and before.version >= context.version:
            return memory, _NOTHING
        self._forgetting.forget(card, self.watermark_us - self._memory_us)
        card.context = context
        words = (context.confirmed, context.struck_out)
        known = () if before is None else (before.confirmed, before.struck_out)
        new = [name for word, old in zip_longest(words, known, fillvalue=()) for name in word if name not in old]
        return self._walked(card, None, max(new, default=""))

    def say(self, memory: bytes, confirmed: Sequence[str], struck_out: Sequence[str]) -> Judged:
        """One more word on some of a card's payments; of one payment the last word counts."""
        before = self._unpacked(memory).context
        return self.apply(memory, merged(before, confirmed, struck_out, self.watermark_us))

    def standing(self, memory: bytes) -> list[Finding]:
        """What stands for a card, told again as ``raised``, each by its own suspect: the same alerts, the same ids."""
        return standing_findings(self._unpacked(memory))

    def newest_us(self, memory: bytes) -> int:
        """The latest time that a card's memory knows of, microseconds since 1970 UTC; ``NEVER`` if of none.

        What was said of its payments keeps a memory for as long as a way is quiet.
        """
        if (last_us := last_us_of(memory)) is not None:
            return last_us
        card = self._unpacked(memory)
        told_us = card.told_us()
        if told_us == NEVER:
            return card.newest_us()
        return max(card.newest_us(), told_us + self._ruleset.quiet_s * _SECOND_US)

    def _placed(self, transaction: Transaction, level: int, kind: int) -> tuple[int, int, int, int, int]:
        """Of what has to be looked at more closely: level, kind, place (degrees times ten million) and radius."""
        merchant, grade = transaction.merchant, grade_of(kind)
        if (
            merchant is not None
            and merchant.mcc in self._carriers
            and self._in_transit.find(merchant.mcc, merchant.name) is not None
        ):
            self.counts["in_transit"] += 1
            return NONE, kind_of(NONE, grade), 0, 0, 0
        if self._gazetteer is None:
            self._gazetteer = world()
        place = place_of(transaction, self._gazetteer, self._ruleset)
        if place is None:
            self.counts["no_place"] += 1
            return NONE, kind_of(NONE, grade), 0, 0, 0
        if isinstance(place, Place):
            self.counts[f"by_{place.kind}"] += 1
            if transaction.location is not None:
                self.counts["point_gave_way"] += 1
        elif place is not transaction.location:
            self.counts["point_in_doubt"] += 1
        if merchant is not None and merchant.country is not None:
            self._remember(merchant.city, merchant.country, self._gazetteer)
        radius = radius_m(place)
        if radius > self._weak_radius_m:
            level, kind = WEAK, kind_of(WEAK, max(1, grade - 1))
        return level, kind, int(place.lat * 1e7), int(place.lon * 1e7), radius

    def _remember(self, city: str | None, country: str, gazetteer: Gazetteer) -> None:
        """The box round a stated place within which a point is not looked at more closely."""
        if len(self._boxes) >= _MOST_BOXES:
            self._boxes.clear()
        stated = gazetteer.stated(city, country)
        self._boxes[city, country] = None if stated is None else believable_box(stated, self._ruleset)

    def _reconsider(self, packed: bytes, entry: Entry) -> Judged:
        """Takes a transaction in that the quick path cannot: the walk is done again over the whole memory."""
        memory = self._unpacked(packed)
        name = entry.transaction_id
        older = memory.known.get(name)
        if older is not None and (older.at_us, older.digest) == (entry.at_us, entry.digest):
            self.counts["repeated"] += 1
            return packed, _NOTHING
        horizon_us = self.watermark_us - self._memory_us
        self._forgetting.forget(memory, horizon_us)  # now, so that it does not matter when it was done last
        older = memory.known.get(name)
        if older is not None:
            self.counts["conflicting"] += 1
            memory.contested[name] = max(memory.contested.get(name, entry.at_us), older.at_us, entry.at_us)
            if (older.at_us, older.digest) <= (entry.at_us, entry.digest):
                return pack(memory), _NOTHING
        entries = [each for each in memory.entries if each is not older]
        forgotten = older is None and name in memory.known
        if forgotten:  # and stays so for as long as any content that came might come again
            memory.contested[name] = max(memory.contested[name], entry.at_us)
        if forgotten or not self._forgetting.finds_room(memory, entries, entry, horizon_us):
            self.counts["too_late"] += 1
            return pack(memory), _NOTHING
        memory.hold(entries)
        return self._walked(memory, entry, name)

    def _walked(self, memory: Memory, arrived: Entry | None, cause: str) -> Judged:
        """Walks the memory again, and says what changed."""
        walked = walk(memory, self._reach)
        memory.believed = walked.believed
        found = findings(memory, walked.suspects, self.watermark_us, self._ruleset, arrived=arrived, cause=cause)
        # Only now: what the newcomer contradicts may be the very one that it pushes out.
        self._forgetting.forget(memory, self.watermark_us - self._memory_us)
        self._make_room(memory, walked)
        return pack(memory), found

    def _make_room(self, memory: Memory, walked: Walk) -> None:
        """Has the next ones take the quick path, if they may.

        Of several instruments only while nothing stands and nothing was said: what one contradicts of another may be
        forgotten before it, and it stands no longer then, which only a walk finds out.
        """
        memory.several = walked.several
        told = memory.standing or walked.suspects or memory.passed or memory.context is not None
        closed = walked.several and (memory.believed is None or bool(told))
        memory.room = _room(memory) if walked.plain and not closed else 0

    def _unpacked(self, packed: bytes) -> Memory:
        try:
            return unpack(packed)
        except UnknownLayout:
            self.counts["memory_unreadable"] += 1
            return Memory()

    def _trimmed(self, packed: bytes) -> bytes:
        """The memory without what falls out of it."""
        memory = self._unpacked(packed)
        self._forgetting.forget(memory, self.watermark_us - self._memory_us)
        if memory.several:
            walked = walk(memory, self._reach)
            memory.believed = walked.believed
            self._make_room(memory, walked)
        else:
            memory.room = _room(memory)
        return pack(memory)


def _room(memory: Memory) -> int:
    """For how many more there is room: as many as it holds, so that trimming costs each of them the same, or some."""
    held = len(memory.entries)
    return min(max(ROOM - held, held), MOST_ROOM)


def _entry(transaction: Transaction, at_us: int, ref: int, seen: tuple[int, int, int, int]) -> Entry:
    """The transaction as the walk sees it, of its kind, place and radius."""
    kind, lat_e7, lon_e7, radius = seen
    digest = transaction.digest[:DIGEST_BYTES]
    trust, grade = trust_of(kind), grade_of(kind)
    if transaction.decline_reason == _CARD_BLOCKED and transaction.outcome == "declined":
        grade = BLOCKED
    device = PLASTIC if trust == NONE or transaction.instrument != "wallet" else _device(transaction.device_id)
    return Entry(
        *(at_us, transaction.transaction_id, trust, lat_e7, lon_e7, radius, grade, digest, ref),
        transaction.repeat_of,
        device,
    )


def _device(device_id: str | None) -> int:
    """What stands for a phone or watch in a memory: 64 bits of the MurmurHash3 of its name."""
    return max(hash64(device_id.encode(), signed=False)[0], UNNAMED + 1) if device_id else UNNAMED
