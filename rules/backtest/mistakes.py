"""The worst mistakes: alarms at honest customers, and thieves who were not seen; each with its evidence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from rules.backtest.judging import Told
from rules.backtest.outcome import is_true
from rules.backtest.truth import Truth
from rules.evidence import gather
from rules.gazetteer import world
from rules.itinerary import Reach
from rules.journey import fastest_journey
from rules.layout import NOTHING, unpack
from rules.memory import Entry
from rules.ruleset import RuleSet
from rules.sighting import NONE, WEAK
from rules.transaction import Refusal, Transaction, decode
from rules.verdict import Finding
from rules.watch import Watch

MOST: Final = 20
_SECOND_US: Final = 1_000_000


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """One of them.

    Attributes:
        kind: ``false_alarm`` or ``missed``.
        truth: what it is in truth, as far as the labels say.
        why: in words, why it alarmed, or did not.
        evidence: the evidence card as plain data; of a miss, of the pair that came nearest to being impossible; null
            where no two sightings can be held against each other.
    """

    kind: str
    card_id: str
    case_id: str | None
    truth: str
    why: str
    cents: int
    evidence: dict[str, Any] | None


class Wanted(msgspec.Struct, frozen=True):
    """A mistake to be looked into: of the alert, or of the case."""

    kind: str
    card_id: str
    suspect: str
    against: str
    case_id: str | None


def worst(told: Iterable[Told], truth: Truth, most: int = MOST) -> list[Wanted]:
    """Half of them false alarms, of the least possible journeys; half of them misses, of the most money."""
    told = list(told)
    false = [each for each in told if not is_true(each, truth)]
    false.sort(key=lambda each: (each.elapsed_s / max(each.fastest_s, 1), each.card_id, each.suspect))
    alarms: dict[str, Wanted] = {}
    for each in false:
        alarms.setdefault(each.card_id, Wanted("false_alarm", each.card_id, each.suspect, each.against, None))
    found = {truth.case_of[name] for each in told for name in (each.suspect, each.against) if name in truth.case_of}
    missed = [case for case in truth.visible.values() if case.case_id not in found]
    missed.sort(key=lambda case: (-case.cents, case.case_id))
    misses = [Wanted("missed", case.card_id, "", "", case.case_id) for case in missed]
    half = max(most // 2, most - len(misses))
    chosen = list(alarms.values())[:half]
    return chosen + misses[: most - len(chosen)]


def explain(
    wanted: Sequence[Wanted],
    rows: Mapping[str, Sequence[bytes]],
    truth: Truth,
    circumstances: Mapping[str, str],
    ruleset: RuleSet,
    *,
    allow_card_numbers: bool = False,
) -> list[Mistake]:
    """Judges each card again, by itself, and gathers the evidence.

    Args:
        wanted: the mistakes.
        rows: of each card all its rows in order of arrival.
        truth: what was fraud.
        circumstances: what transactions are in truth, by id, where known.
        ruleset: the one that was judged by.
        allow_card_numbers: tokens may look like card numbers.
    """
    cards = {
        card: _Replay(lines, ruleset, allow_card_numbers=allow_card_numbers)
        for card, lines in rows.items()
        if any(each.card_id == card for each in wanted)
    }
    return [
        _false_alarm(each, cards[each.card_id], circumstances, ruleset)
        if each.kind == "false_alarm"
        else _missed(each, cards[each.card_id], truth, ruleset)
        for each in wanted
        if each.card_id in cards
    ]


class _Replay:
    """A card's history once more: every entry that the core made, every transaction, every finding."""

    def __init__(self, lines: Sequence[bytes], ruleset: RuleSet, *, allow_card_numbers: bool) -> None:
        watch, memory = Watch(ruleset), NOTHING
        self.entries: dict[str, Entry] = {}
        self.known: dict[int, Transaction] = {}
        self.raised: dict[str, Finding] = {}
        for ref, line in enumerate(lines):
            try:
                transaction = decode(line, allow_card_numbers=allow_card_numbers)
                memory, found = watch.observe(memory, transaction, ref, _FAR_AHEAD_MS)
            except Refusal:
                continue
            self.known[ref] = transaction
            entry = unpack(memory).known.get(transaction.transaction_id) if memory else None
            if entry is not None:
                self.entries.setdefault(transaction.transaction_id, entry)
            for finding in found:
                if finding.status != "withdrawn":
                    self.raised.setdefault(finding.suspect.transaction_id, finding)


_FAR_AHEAD_MS: Final = 2**52


def _false_alarm(wanted: Wanted, replay: _Replay, circumstances: Mapping[str, str], ruleset: RuleSet) -> Mistake:
    finding = replay.raised.get(wanted.suspect)
    evidence = None if finding is None else _evidence(finding, replay, ruleset)
    told = [circumstances.get(name, "ordinary") for name in (wanted.against, wanted.suspect)]
    odd = [each for each in told if each != "ordinary"]
    return Mistake(
        kind="false_alarm",
        card_id=wanted.card_id,
        case_id=None,
        truth=" and ".join(dict.fromkeys(odd)) or "both sides ordinary payments",
        why=_why_alarmed(evidence),
        cents=0,
        evidence=evidence,
    )


def _why_alarmed(evidence: Mapping[str, Any] | None) -> str:
    if evidence is not None:
        suspect, against = evidence["suspect"], evidence["against"]
        if (suspect["place"], suspect["country"]) == (against["place"], against["country"]):
            return "Both messages state the same city; one of the points lies far from it."
    return "It alarmed because no journey is that fast. Neither message says that its place is wrong."


def _missed(wanted: Wanted, replay: _Replay, truth: Truth, ruleset: RuleSet) -> Mistake:
    case = truth.cases[wanted.case_id or ""]
    theirs = [name for name, case_id in truth.case_of.items() if case_id == case.case_id]
    frauds = [replay.entries[name] for name in theirs if name in replay.entries]
    seen = [each for each in frauds if each.trust != NONE]
    own = [each for name, each in replay.entries.items() if name not in truth.case_of and each.trust != NONE]
    nearest = _nearest_call(seen, own, ruleset)
    evidence = None
    if nearest is not None:
        evidence = _evidence(_finding(*nearest), replay, ruleset)
    return Mistake(
        kind="missed",
        card_id=case.card_id,
        case_id=case.case_id,
        truth=f"{case.kind}, {case.reach.replace('_', ' ')}, {case.pattern}",
        why=_why_missed(frauds, seen, nearest, ruleset),
        cents=case.cents,
        evidence=evidence,
    )


def _nearest_call(seen: Sequence[Entry], own: Sequence[Entry], ruleset: RuleSet) -> tuple[Entry, Entry] | None:
    """The pair of thief and customer that came nearest to being impossible."""

    def possible(pair: tuple[Entry, Entry]) -> float:
        km = Reach.distance_km(*pair)
        elapsed_s = abs(pair[0].at_us - pair[1].at_us) / _SECOND_US + ruleset.clock_allowance_s
        needed_s = max(1.0, fastest_journey(km, ruleset.means).fastest_s)
        return elapsed_s / needed_s + (km < ruleset.floor_km) * 1e6

    pairs = [(thief, customer) for thief in seen for customer in own]
    return min(pairs, key=possible, default=None)


def _why_missed(
    frauds: Sequence[Entry], seen: Sequence[Entry], nearest: tuple[Entry, Entry] | None, ruleset: RuleSet
) -> str:
    if not frauds:
        return "None of the thief's payments was judged: they were refused, or came too late."
    if not seen:
        return "None of the thief's payments says where the card was."
    if nearest is None:
        return "The customer's own card was nowhere else: there is nothing to hold against the thief."
    return _why_possible(*nearest, ruleset)


def _why_possible(thief: Entry, customer: Entry, ruleset: RuleSet) -> str:
    km = Reach.distance_km(thief, customer)
    apart_s = abs(thief.at_us - customer.at_us) / _SECOND_US
    fastest = fastest_journey(km, ruleset.means)
    if km < ruleset.floor_km:
        return f"All of it lies within {ruleset.floor_km:g} km of the customer: where a card is says nothing here."
    if apart_s > ruleset.memory_s:
        return "The customer's own card was not seen within the memory: there is nothing to hold against the thief."
    if apart_s + ruleset.clock_allowance_s >= fastest.fastest_s:
        journey = f"a {fastest.means} may take {_hours(fastest.fastest_s)}"
        return f"There was time enough: {km:,.0f} km in {_hours(apart_s)}, and {journey}."
    if thief.trust == WEAK and customer.trust == WEAK:
        return "Both sides are weak sightings: they decide nothing between them."
    return "The journey was impossible, but another sighting in between made each half of it possible."


def _hours(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _finding(thief: Entry, customer: Entry) -> Finding:
    return Finding(
        status="raised",
        suspect=thief,
        against=customer,
        verdict="review",
        severity=thief.severity,
        raised_by=thief.transaction_id,
        recent=(),
    )


def _evidence(finding: Finding, replay: _Replay, ruleset: RuleSet) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(gather(finding, replay.known, world(), ruleset))
    return found
