"""What falls out of a card's memory, and why it can never come back as something else.

Sightings are counted from the newest back. Those of one cell of a fixed grid within one hour of the clock share a slot;
the first that finds all slots taken, and everything before it, falls out. Slots are fixed, so another sighting can only
move that line forward: what was forgotten once is forgotten whenever it is counted again, in whatever order things
came. The line is the memory's *cut*, and is remembered: what is at or before it is too late for ever.

The walk goes on from the cut as if nothing were forgotten, because the sighting that was believed last at or before it
stays (every suspect contradicts the sighting believed last before it, so what a standing suspect contradicts stays with
it), until no journey from it could be impossible any more.

Known limits: a weak sighting that falls out is not judged against what comes after it. A repeat whose original came and
was forgotten before the repeat first came is a sighting of its own. A transaction that comes with a later time than
it had when it was forgotten is a new one, unless both contents had come by then. Of these reserves there are
``most_sightings`` each.
"""

from bisect import insort
from collections.abc import Sequence

import msgspec

from rules.itinerary import Reach, repeats
from rules.memory import MOST_RECENT, RECENT, Entry, Memory, Order, as_recent
from rules.ruleset import RuleSet
from rules.sighting import NONE, TRUSTED

_SECOND_US = 1_000_000


class Forgetting:
    """Decides what a card's memory lets go of, under a rule set."""

    def __init__(self, ruleset: RuleSet, reach: Reach) -> None:
        self._slots = ruleset.slots
        self._most_sightings = ruleset.most_sightings
        self._others = ruleset.others
        self._few = min(self._slots, self._most_sightings, self._others)
        self._cell_e7 = int(ruleset.slot_degrees * 1e7)
        self._slot_us = ruleset.slot_s * _SECOND_US
        self._anywhere_us = reach.anywhere_us

    def forget(self, memory: Memory, horizon_us: int) -> None:
        """Forgets what falls out, and that it stood: ageing out withdraws nothing.

        Args:
            memory: changed in place.
            horizon_us: what is before this time falls out, whatever there is room for.
        """
        entries = memory.entries
        if len(entries) > self._few or (entries and entries[0].at_us < horizon_us):
            cuts = self._cuts(memory, entries, horizon_us)
            if cuts != (memory.cut, memory.others_cut):
                self._forget(memory, horizon_us, *cuts)

    def finds_room(self, memory: Memory, entries: list[Entry], entry: Entry, horizon_us: int) -> bool:
        """Whether a newcomer stays, if the memory is to hold these entries with it; False: it is too late for ever.

        Args:
            memory: nothing falls out of it as it is; where the newcomer finds no room, what is before it has none
                either, and is forgotten.
            entries: what the memory is to hold, ordered, the newcomer not yet among them; it is put there.
            entry: the newcomer, not before the horizon.
            horizon_us: as of ``forget``.
        """
        if _is_cut(entry, memory.cut, memory.others_cut):
            return False
        insort(entries, entry, key=lambda each: each.order)
        if len(entries) > self._few:
            cut, others_cut = self._cuts(memory, entries, horizon_us)
            if _is_cut(entry, cut, others_cut):
                self._forget(memory, horizon_us, cut, others_cut)
                return False
        return True

    def _cuts(self, memory: Memory, entries: Sequence[Entry], horizon_us: int) -> tuple[Order, Order]:
        """The orders of the newest that fall out: of all, and of what is no sighting; never before the memory's."""
        cut, others_cut = memory.cut, memory.others_cut
        slots: set[tuple[int, int, int]] = set()
        sightings = others = 0
        for entry in reversed(entries):
            order = entry.order
            if order <= cut:
                break
            if entry.at_us < horizon_us:
                return order, others_cut
            if entry.trust != NONE:
                sightings += 1
                slots.add((entry.lat_e7 // self._cell_e7, entry.lon_e7 // self._cell_e7, entry.at_us // self._slot_us))
                if len(slots) > self._slots or sightings > self._most_sightings:
                    return order, others_cut
            elif order > others_cut:
                others += 1
                if others > self._others:
                    others_cut = order
        return cut, others_cut

    def _forget(self, memory: Memory, horizon_us: int, cut: Order, others_cut: Order) -> None:
        kept: list[Entry] = []
        gone: list[Entry] = []
        for entry in memory.entries:
            (gone if _is_cut(entry, cut, others_cut) else kept).append(entry)
        if gone:
            family = repeats(memory.entries)
            last = self._last_believed(memory, gone, family, horizon_us)
            needed = _needed(kept, gone, family)
            held = [_without_place(entry) for entry in needed if entry is not last][-self._most_sightings :]
            stays = {entry.transaction_id for entry in held} | ({last.transaction_id} if last is not None else set())
            _add_to_past(memory, [entry for entry in gone if entry.transaction_id not in stays])
            kept = sorted([*held, *([last] if last is not None else []), *kept], key=lambda each: each.order)
        memory.cut, memory.others_cut = cut, others_cut
        names = {entry.transaction_id for entry in gone}
        memory.standing = {name: each for name, each in memory.standing.items() if name not in names}
        self._forget_contested(memory, horizon_us)
        memory.hold(kept)
        if memory.believed is not None and memory.known.get(memory.believed.transaction_id) is not memory.believed:
            memory.believed = None

    def _last_believed(
        self, memory: Memory, gone: Sequence[Entry], family: dict[str, str], horizon_us: int
    ) -> Entry | None:
        """The sighting believed last among those that fall out, while anything that may come can contradict it."""
        for entry in reversed(gone):
            believed = entry.trust == TRUSTED and entry.transaction_id not in memory.standing
            if believed and (entry.order <= memory.cut or entry.transaction_id not in family):
                return entry if entry.at_us + self._anywhere_us > horizon_us else None
        return None

    def _forget_contested(self, memory: Memory, horizon_us: int) -> None:
        """Keeps the ids of which a version may come again that is not too late by itself."""
        if memory.contested:
            waiting = [
                (name, at_us)
                for name, at_us in memory.contested.items()
                if at_us >= horizon_us and (at_us, name) > memory.cut
            ]
            memory.contested = dict(waiting[-self._most_sightings :])


def _is_cut(entry: Entry, cut: Order, others_cut: Order) -> bool:
    order = entry.order
    return order <= cut or (entry.trust == NONE and order <= others_cut)


def _needed(kept: Sequence[Entry], gone: Sequence[Entry], family: dict[str, str]) -> list[Entry]:
    """Of those that fall out, the ones by which a repeat that stays is known to be one."""
    leaving = {entry.transaction_id: entry for entry in gone}
    found: dict[str, Entry] = {}
    asking = [entry for entry in kept if entry.repeat_of is not None]
    while asking:
        entry = asking.pop()
        for name in (entry.repeat_of, family.get(entry.transaction_id)):
            if name in leaving and name not in found:
                found[name] = leaving[name]
                asking.append(leaving[name])
    return sorted(found.values(), key=lambda each: each.order)


def _without_place(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, trust=NONE, lat_e7=0, lon_e7=0, radius_m=0)


def _add_to_past(memory: Memory, forgotten: Sequence[Entry]) -> None:
    past = [memory.past[at : at + RECENT.size] for at in range(0, len(memory.past), RECENT.size)]
    memory.past = b"".join(sorted(past + [as_recent(entry) for entry in forgotten])[-MOST_RECENT:])
