"""One partition's history through the production core, under several rule sets, and through others' rules beside it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from rules.backtest.score import Raised, Tally, tally
from rules.backtest.sightings import Sightings
from rules.backtest.strategies import STRATEGIES, Seen, Strategy
from rules.backtest.truth import Truth
from rules.gazetteer import world
from rules.itinerary import Reach
from rules.journey import fastest_journey
from rules.layout import NOTHING
from rules.ruleset import Means, RuleSet
from rules.transaction import EPOCH, MICROSECOND, Refusal, Transaction, decode
from rules.verdict import Finding
from rules.watch import Watch

FACTORS: Final = (0.25, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0)
"""The journeys' lower bound times this: below 1 only what is clearly impossible alarms."""

AS_PUBLISHED: Final = "as published"
OUR_SIGHTINGS: Final = "on our sightings"
"""What others' rules are fed with: every transaction with coordinates; or what Ringback takes for a sighting, and where
it takes it to be."""

LIVE: Final = "live"
AGAINST: Final = "against"
_LOOSEST: Final = "loosest"
_SCALE: Final = 1e7


class Told(msgspec.Struct, gc=False):
    """One alert under a rule set: as it was first raised, and whether it was withdrawn later."""

    card_id: str
    suspect: str
    against: str
    at_us: int
    against_at_us: int
    raised_us: int
    lat: float
    lon: float
    against_lat: float
    against_lon: float
    country: str
    against_country: str
    km: float
    fastest_s: float
    verdict: str
    severity: str
    withdrawn: bool = False

    @property
    def elapsed_s(self) -> float:
        """Between the two, never negative."""
        return abs(self.at_us - self.against_at_us) / 1e6


class Part(msgspec.Struct):
    """What one partition gave.

    Attributes:
        told: the alerts, by rule set (``live``, ``against``).
        others: tallies by feed and rule.
        flagged: cards that alarm under the loosest thresholds; only these can alarm under stricter ones.
        counts: what the core only counted, under the live rule set.
    """

    rows: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    cards: int = 0
    first_us: int = 2**62
    last_us: int = -(2**62)
    told: dict[str, list[Told]] = msgspec.field(default_factory=dict)
    others: dict[str, dict[str, Tally]] = msgspec.field(default_factory=dict)
    flagged: set[str] = msgspec.field(default_factory=set)
    counts: Counter[str] = msgspec.field(default_factory=Counter)


class _Arrival(msgspec.Struct):
    arrived_at: datetime | None = None


_arrival = msgspec.json.Decoder(_Arrival).decode


def scaled(ruleset: RuleSet, factor: float) -> RuleSet:
    """The rule set with each journey's lower bound times a factor."""
    means = tuple(
        Means(name=each.name, overhead_s=round(each.overhead_s * factor), speed_kmh=each.speed_kmh / factor)
        for each in ruleset.means
    )
    return msgspec.structs.replace(ruleset, version=f"{ruleset.version} x {factor:g}", means=means)


def judge_partition(
    lines: Iterable[tuple[int, bytes]],
    rulesets: Mapping[str, RuleSet],
    truth: Truth,
    *,
    stamp_ms: int,
    compare: bool = True,
    allow_card_numbers: bool = False,
) -> Part:
    """Every transaction of a partition in order of arrival.

    Args:
        lines: rows of the contract as JSON, each with a ref that is its own.
        rulesets: ``live``, and ``against`` if there is one.
        truth: for the tallies.
        stamp_ms: what is more than a day ahead of it is refused.
        compare: others' rules and the loosest thresholds too.
        allow_card_numbers: tokens may look like card numbers.
    """
    part = Part()
    asked = dict(rulesets) | ({_LOOSEST: scaled(rulesets[LIVE], FACTORS[-1])} if compare else {})
    benches = {name: _Bench(ruleset) for name, ruleset in asked.items()}
    others = {
        feed: {name: _Others(make) for name, make in STRATEGIES.items()} for feed in (AS_PUBLISHED, OUR_SIGHTINGS)
    }
    ours, published = others[OUR_SIGHTINGS].values(), others[AS_PUBLISHED].values()
    sighting = Sightings(rulesets[LIVE])
    seen_cards: set[str] = set()
    for ref, raw in lines:
        part.rows += 1
        try:
            transaction = decode(raw, allow_card_numbers=allow_card_numbers)
            for bench in benches.values():
                bench.observe(transaction, ref, stamp_ms, raw)
        except Refusal as refusal:
            part.refused[str(refusal)] += 1
            continue
        seen_cards.add(transaction.card_id)
        at_us = (transaction.occurred_at - EPOCH) // MICROSECOND
        part.first_us, part.last_us = min(part.first_us, at_us), max(part.last_us, at_us)
        if not compare:
            continue
        seen = sighting(transaction)
        if seen is not None:
            for each in ours:
                each.observe(transaction.card_id, seen)
        point = transaction.location
        if point is not None:
            seen = Seen(at_us, transaction.transaction_id, point.lat, point.lon, point.radius_km or 0.0)
            for each in published:
                each.observe(transaction.card_id, seen)
    part.cards = len(seen_cards)
    part.counts = benches[LIVE].watch.counts
    part.told = {name: list(benches[name].told.values()) for name in rulesets}
    if compare:
        part.others = {
            feed: {name: tally(each.raised, truth) for name, each in group.items()} for feed, group in others.items()
        }
        part.flagged = {card for card, _ in benches[_LOOSEST].told}
    return part


def judge_factors(
    lines: Iterable[tuple[int, bytes]],
    ruleset: RuleSet,
    truth: Truth,
    *,
    stamp_ms: int,
    allow_card_numbers: bool = False,
) -> dict[float, Tally]:
    """The tallies under each factor of the thresholds, of the transactions of flagged cards.

    A card without a suspect under the loosest thresholds has none under stricter ones: each of its sightings could be
    reached from the one before.
    """
    benches = {factor: _Bench(scaled(ruleset, factor)) for factor in FACTORS}
    for ref, raw in lines:
        try:
            transaction = decode(raw, allow_card_numbers=allow_card_numbers)
            for bench in benches.values():
                bench.observe(transaction, ref, stamp_ms, raw)
        except Refusal:
            continue
    return {
        factor: tally([as_raised(each) for each in bench.told.values()], truth) for factor, bench in benches.items()
    }


def as_raised(told: Told) -> Raised:
    """What scoring needs of it."""
    return Raised(told.card_id, told.suspect, told.against, told.at_us)


class _Bench:
    """One rule set at work on one partition."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.watch = Watch(ruleset)
        self.told: dict[tuple[str, str], Told] = {}
        self._means = ruleset.means
        self._memories: dict[str, bytes] = {}

    def observe(self, transaction: Transaction, ref: int, stamp_ms: int, raw: bytes) -> None:
        card_id = transaction.card_id
        memory, found = self.watch.observe(self._memories.get(card_id, NOTHING), transaction, ref, stamp_ms)
        self._memories[card_id] = memory
        for finding in found:
            self._tell(finding, card_id, raw)

    def _tell(self, finding: Finding, card_id: str, raw: bytes) -> None:
        key = card_id, finding.suspect.transaction_id
        before = self.told.get(key)
        if before is None:
            self.told[key] = self._as_told(finding, card_id, raw)
        else:
            before.withdrawn = finding.status == "withdrawn"

    def _as_told(self, finding: Finding, card_id: str, raw: bytes) -> Told:
        suspect = finding.suspect
        against = finding.against or suspect  # the use of a blocked card contradicts nothing
        arrived = _arrival(raw).arrived_at
        lat, lon = suspect.lat_e7 / _SCALE, suspect.lon_e7 / _SCALE
        other_lat, other_lon = against.lat_e7 / _SCALE, against.lon_e7 / _SCALE
        km = Reach.distance_km(suspect, against)
        return Told(
            card_id=card_id,
            suspect=suspect.transaction_id,
            against=against.transaction_id,
            at_us=suspect.at_us,
            against_at_us=against.at_us,
            raised_us=self.watch.watermark_us if arrived is None else (arrived - EPOCH) // MICROSECOND,
            lat=lat,
            lon=lon,
            against_lat=other_lat,
            against_lon=other_lon,
            country=world().nearest(lat, lon).countrycode,
            against_country=world().nearest(other_lat, other_lon).countrycode,
            km=km,
            fastest_s=fastest_journey(km, self._means).fastest_s,
            verdict=finding.verdict,
            severity=finding.severity,
        )


class _Others:
    """One of the others' rules at work: a state a card, and what it raised."""

    def __init__(self, make: Any) -> None:
        self._make = make
        self._cards: dict[str, Strategy] = {}
        self.raised: list[Raised] = []

    def observe(self, card_id: str, seen: Seen) -> None:
        strategy = self._cards.get(card_id)
        if strategy is None:
            strategy = self._cards[card_id] = self._make()
        against = strategy.observe(seen)
        if against is not None:
            self.raised.append(Raised(card_id, seen.name, against.name, seen.at_us))
