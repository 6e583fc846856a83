"""One block of cards, from nothing but the plan and its number."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from rules.simulate.assumptions import CARDS_A_BLOCK, Assumptions
from rules.simulate.fraud import Case, commit
from rules.simulate.payments import draw_cards, everyday, on_the_way
from rules.simulate.reports import repeat, report
from rules.simulate.rows import Rows
from rules.simulate.whereabouts import Whereabouts, draw_journeys, draw_people
from rules.simulate.world import World, world_at

START: Final = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""


@dataclass(frozen=True)
class Plan:
    """What is to be simulated. The same plan gives the same bytes, with the same versions of numpy and polars.

    Attributes:
        cards: how many.
        days: how long.
        seed: of all that is random.
        start: the first moment, UTC; a Monday, or taken for one.
        assumed: the assumptions.
    """

    cards: int
    days: int
    seed: int
    start: datetime = START
    assumed: Assumptions = field(default_factory=Assumptions)

    @property
    def blocks(self) -> int:
        """How many blocks the cards make."""
        return -(-self.cards // CARDS_A_BLOCK)

    @property
    def world(self) -> World:
        """The world as it is at the start."""
        return world_at(self.start)


@dataclass(frozen=True)
class CaseTruth:
    """A case as it is told: ids as in the transactions, moments in milliseconds since 1970 UTC."""

    case_id: str
    card_id: str
    customer: str
    kind: str
    reach: str
    pattern: str
    payments: int
    first_ms: int
    last_ms: int
    cents: int


def simulate_block(plan: Plan, number: int) -> tuple[Rows, list[CaseTruth]]:
    """The payments of one block in the order in which the bank hears of them, and the truth about its cases.

    Raises:
        ValueError: there is no such block.
    """
    if not 0 <= number < plan.blocks:
        raise ValueError(f"block {number} of {plan.blocks}")
    count = min(CARDS_A_BLOCK, plan.cards - number * CARDS_A_BLOCK)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([plan.seed, number])))
    world, assumed = plan.world, plan.assumed
    cards = draw_cards(rng, assumed, count)
    people = draw_people(rng, world, assumed.travel, int(cards.customer.max() + 1) * 2)
    journeys = draw_journeys(rng, world, assumed.travel, people, plan.days)
    whereabouts = Whereabouts(people, journeys)
    shops, shop_cards = everyday(rng, world, assumed, cards, people, whereabouts, plan.days)
    ways, way_cards = on_the_way(rng, world, cards, journeys, plan.days)
    genuine, card = np.concatenate((shops, ways)), np.concatenate((shop_cards, way_cards))
    cases, stolen, stolen_cards, happens = commit(rng, world, assumed, cards, people, genuine, card, plan.days)
    rows = np.concatenate((genuine[happens], stolen))
    card = np.concatenate((card[happens], stolen_cards))
    rows["customer"], rows["card"] = cards.customer[card], cards.slot[card]
    order = np.lexsort((rows["true_s"], rows["customer"]))
    rows = rows[order]
    first = np.r_[True, rows["customer"][1:] != rows["customer"][:-1]]
    places = np.arange(len(rows))
    rows["number"] = places - np.maximum.accumulate(np.where(first, places, 0))
    told = report(rng, world, assumed.noise, rows, int(plan.start.timestamp() * 1000))
    told = repeat(rng, assumed.noise, told, int(told["number"].max(initial=0)) + 1)
    told = told[np.lexsort((told["number"], told["customer"], told["arrived_ms"]))]
    return told, [_truth(number, case, told, cards.customer[case.card], cards.slot[case.card]) for case in cases]


def _truth(block: int, case: Case, rows: Rows, customer: Any, slot: Any) -> CaseTruth:
    mine = rows[rows["case"] == case.number]
    name = f"{block * 100_000 + int(customer):09d}"
    return CaseTruth(
        case_id=f"case{block}-{case.number}",
        card_id=f"c{name}-{int(slot)}",
        customer=name,
        kind=case.kind,
        reach=case.reach,
        pattern=case.pattern,
        payments=len(mine),
        first_ms=int(mine["at_ms"].min()),
        last_ms=int(mine["at_ms"].max()),
        cents=int(mine["cents"].sum()),
    )
