"""What falls out of a card's memory, and why it can never come back as something else.

Sightings are counted from the newest back. Those of one cell of a fixed grid within one hour of the clock share a slot;
the first that finds all slots taken, and everything before it, falls out. Slots are fixed, so another sighting can only
move that line forward: what was forgotten once is forgotten whenever it is counted again, in whatever order things
came. The line is the memory's *cut*, and is remembered: what is at or before it is too late for ever.

The walk goes on from the cut as if nothing were forgotten, because the sighting that was believed last at or before it
stays (every suspect contradicts the sighting believed last before it, so what a standing suspect contradicts stays with
it), until no journey from it could be impossible any more.

Each phone or watch has a cut of its own, and all of them together one more: so many sightings of them as of the plastic
are remembered, however many devices there are. A quiet pair that the walk found outlives the confirmed payment.

Known limits: a weak sighting that falls out is not judged against what comes after it. A repeat whose original came and
was forgotten before the repeat first came is a sighting of its own. A transaction that comes with a later time than
it had when it was forgotten is a new one, unless both contents had come by then. Of these reserves there are
``most_sightings`` each. What stays of a phone or watch behind its cut is held against its own itinerary alone.
"""

from bisect import insort
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from rules.context import Said
from rules.itinerary import Reach, repeats, walk
from rules.memory import (
    ALL_DEVICES,
    BLOCKED,
    MOST_RECENT,
    PLASTIC,
    RECENT,
    UNCUT,
    Entry,
    Memory,
    Order,
    Standing,
    as_recent,
)
from rules.ruleset import RuleSet
from rules.sighting import LOW, NONE, WEAK

_SECOND_US: Final = 1_000_000


class _Cuts(NamedTuple):
    """The orders of the newest that fall out: of the plastic's, of what is no sighting, of each device's."""

    cut: Order
    others: Order
    devices: dict[int, Order]

    def hold_out(self, entry: Entry) -> bool:
        """Whether the entry is at or before its cut."""
        order, device = entry.order, entry.device
        if device != PLASTIC:
            return order <= max(self.devices.get(device, UNCUT), self.devices.get(ALL_DEVICES, UNCUT))
        return order <= self.cut or (entry.trust == NONE and order <= self.others)


class Forgetting:
    """Decides what a card's memory lets go of, under a rule set."""

    def __init__(self, ruleset: RuleSet, reach: Reach) -> None:
        self._slots = ruleset.slots
        self._most_sightings = ruleset.most_sightings
        self._others = ruleset.others
        self._few = min(self._slots, self._most_sightings, self._others)
        self._cell_e7 = int(ruleset.slot_degrees * 1e7)
        self._slot_us = ruleset.slot_s * _SECOND_US
        self._reach = reach
        self._quiet_us = ruleset.quiet_s * _SECOND_US

    def forget(self, memory: Memory, horizon_us: int) -> None:
        """Forgets what falls out, and that it stood: ageing out withdraws nothing.

        Args:
            memory: changed in place.
            horizon_us: what is before this time falls out, whatever there is room for.
        """
        entries = memory.entries
        if len(entries) > self._few or (entries and entries[0].at_us < horizon_us):
            cuts = self._cuts(memory, entries, horizon_us)
            if cuts != (memory.cut, memory.others_cut, memory.device_cuts):
                self._forget(memory, horizon_us, cuts)

    def finds_room(self, memory: Memory, entries: list[Entry], entry: Entry, horizon_us: int) -> bool:
        """Whether a newcomer stays, if the memory is to hold these entries with it; False: it is too late for ever.

        Args:
            memory: nothing falls out of it as it is; where the newcomer finds no room, what is before it has none
                either, and is forgotten.
            entries: what the memory is to hold, ordered, the newcomer not yet among them; it is put there.
            entry: the newcomer, not before the horizon.
            horizon_us: as of ``forget``.
        """
        if _Cuts(memory.cut, memory.others_cut, memory.device_cuts).hold_out(entry):
            return False
        insort(entries, entry, key=lambda each: each.order)
        if len(entries) > self._few:
            cuts = self._cuts(memory, entries, horizon_us)
            if cuts.hold_out(entry):
                self._forget(memory, horizon_us, cuts)
                return False
        return True

    def _cuts(self, memory: Memory, entries: Sequence[Entry], horizon_us: int) -> _Cuts:
        """The orders of the newest that fall out; never before the memory's."""
        cut, others_cut = memory.cut, memory.others_cut
        slots: set[tuple[int, int, int]] = set()
        sightings = others = 0
        for entry in reversed(entries):
            if entry.device != PLASTIC:
                continue
            order = entry.order
            if order <= cut:
                break
            if entry.at_us < horizon_us:
                cut = order
                break
            if entry.trust != NONE:
                sightings += 1
                slots.add(self._slot(entry))
                if len(slots) > self._slots or sightings > self._most_sightings:
                    cut = order
                    break
            elif order > others_cut:
                others += 1
                if others > self._others:
                    others_cut = order
        if memory.device_cuts or any(entry.device for entry in entries):
            return _Cuts(cut, others_cut, self._device_cuts(memory, entries, horizon_us))
        return _Cuts(cut, others_cut, memory.device_cuts)

    def _device_cuts(self, memory: Memory, entries: Sequence[Entry], horizon_us: int) -> dict[int, Order]:
        cuts = dict(memory.device_cuts)
        slots: dict[int, set[tuple[int, int, int]]] = {}
        sightings = 0
        for entry in reversed(entries):
            device, order = entry.device, entry.order
            forgotten = max(cuts.get(device, UNCUT), cuts.get(ALL_DEVICES, UNCUT))
            if device == PLASTIC or entry.trust == NONE or order <= forgotten:
                continue
            sightings += 1
            if entry.at_us < horizon_us or sightings > self._most_sightings:
                cuts[ALL_DEVICES] = order
                break
            own = slots.setdefault(device, set())
            own.add(self._slot(entry))
            if len(own) > self._slots:
                cuts[device] = order
        old = [cut for device, cut in cuts.items() if device == ALL_DEVICES or cut < (horizon_us, "")]
        common = max(old, default=UNCUT)
        return {ALL_DEVICES: common, **{device: cut for device, cut in cuts.items() if cut > common}}

    def _slot(self, entry: Entry) -> tuple[int, int, int]:
        return entry.lat_e7 // self._cell_e7, entry.lon_e7 // self._cell_e7, entry.at_us // self._slot_us

    def _forget(self, memory: Memory, horizon_us: int, cuts: _Cuts) -> None:
        kept: list[Entry] = []
        gone: list[Entry] = []
        for entry in memory.entries:
            (gone if cuts.hold_out(entry) else kept).append(entry)
        if gone:
            family = repeats(memory.entries)
            self._keep_jumps(memory, gone, horizon_us)
            lasts = self._last_believed(memory, gone, family, horizon_us)
            last_names = {entry.transaction_id for entry in lasts}
            needed = [entry for entry in _needed(kept, gone, family) if entry.transaction_id not in last_names]
            held = [_without_place(entry) for entry in needed][-self._most_sightings :]
            stays = {entry.transaction_id for entry in held} | last_names
            _add_to_past(memory, [entry for entry in gone if entry.transaction_id not in stays])
            kept = sorted([*held, *lasts, *kept], key=lambda each: each.order)
        memory.cut, memory.others_cut, memory.device_cuts = cuts
        names = {entry.transaction_id for entry in gone}
        memory.standing = {name: each for name, each in memory.standing.items() if name not in names}
        self._forget_contested(memory, horizon_us)
        memory.hold(kept)
        if memory.believed is not None and memory.known.get(memory.believed.transaction_id) is not memory.believed:
            memory.believed = None

    def _keep_jumps(self, memory: Memory, gone: Sequence[Entry], horizon_us: int) -> None:
        """What follows from a confirmed payment is kept when the payment is forgotten, for as long as it is heeded."""
        if memory.context is not None and any(entry.transaction_id in memory.context.confirmed for entry in gone):
            names = {entry.transaction_id for entry in gone}
            jumps = walk(memory, self._reach).jumps
            memory.passed = memory.passed | {name: pair for name, pair in jumps.items() if name in names}
        if memory.passed:
            over_us = horizon_us - self._quiet_us
            memory.passed = {name: pair for name, pair in memory.passed.items() if pair.since_us >= over_us}

    def _last_believed(
        self, memory: Memory, gone: Sequence[Entry], family: dict[str, str], horizon_us: int
    ) -> list[Entry]:
        """The sighting of each instrument believed last among those that fall out, while anything can contradict it."""
        said = Said(memory, family, self._reach.ruleset) if memory.context is not None else None
        found: dict[int, Entry] = {}
        for entry in reversed(gone):
            if entry.device in found or entry.trust == NONE:
                continue
            if entry.transaction_id in family and entry.order > memory.cut_of(entry.device):
                continue
            if _is_believed(entry, memory.standing.get(entry.transaction_id), said):
                found[entry.device] = entry
        return [entry for entry in found.values() if entry.at_us + self._reach.anywhere_us > horizon_us]

    def _forget_contested(self, memory: Memory, horizon_us: int) -> None:
        """Keeps the ids of which a version may come again that is not too late by itself."""
        if memory.contested:
            waiting = [
                (name, at_us)
                for name, at_us in memory.contested.items()
                if at_us >= horizon_us and (at_us, name) > memory.cut
            ]
            memory.contested = dict(waiting[-self._most_sightings :])


def _is_believed(entry: Entry, standing: Standing | None, said: Said | None) -> bool:
    """Whether a sighting is believed by its own instrument."""
    if said is not None and said.confirmed(entry):
        return True
    if entry.trust == WEAK or entry.grade == BLOCKED or (said is not None and said.struck_out(entry)):
        return False
    return standing is None or (standing.against is not None and standing.against.device != entry.device)


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
    return msgspec.structs.replace(entry, trust=NONE, grade=LOW, lat_e7=0, lon_e7=0, radius_m=0)


def _add_to_past(memory: Memory, forgotten: Sequence[Entry]) -> None:
    past = [memory.past[at : at + RECENT.size] for at in range(0, len(memory.past), RECENT.size)]
    memory.past = b"".join(sorted(past + [as_recent(entry) for entry in forgotten])[-MOST_RECENT:])
