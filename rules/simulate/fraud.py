"""What thieves pay: copies of stripes, stolen cards, and numbers used without the card."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rules.simulate.assumptions import Assumptions
from rules.simulate.journeys import draw_legs
from rules.simulate.payments import (
    ABSENT,
    ATM,
    CHIP,
    CONTACTLESS,
    ECOMMERCE,
    FALLBACK,
    MAGSTRIPE,
    SUSPECTED,
    WITHDRAWAL,
    WRONG_PIN,
    Cards,
)
from rules.simulate.rows import TRUTH, Rows, empty
from rules.simulate.shops import NUMBER, amounts
from rules.simulate.whereabouts import DAY, People
from rules.simulate.world import NEIGHBOURS, World

COUNTERFEIT: Final = "counterfeit"
STOLEN: Final = "stolen"
CARD_ABSENT: Final = "card_absent"
_LIKED: Final = (
    "Grand Electronics",
    "Harbour Jewellers",
    "Thread & Needle Clothing",
    "Meridian Fuel",
    "Harvest Market",
)
_MOST_IN_A_BURST: Final = 9
_STRIPE_LANDS: Final = frozenset(("US", "MX", "BR", "CO", "ID", "TH", "IN", "PH", "VN", "ZA", "NG", "TR", "DO", "PE"))


@dataclass(frozen=True)
class Case:
    """One compromised card.

    Attributes:
        number: within the block, from 1.
        card: index within the block.
        kind: ``counterfeit``, ``stolen`` or ``card_absent``.
        reach: ``same_city``, ``near`` (40 to 200 km from home), ``middle`` (to 2,000 km), ``far``, or ``remote``.
        pattern: ``single`` or ``burst``.
    """

    number: int
    card: int
    kind: str
    reach: str
    pattern: str


def commit(
    rng: np.random.Generator,
    world: World,
    assumed: Assumptions,
    cards: Cards,
    people: People,
    genuine: Rows,
    card: Any,
    days: int,
) -> tuple[list[Case], Rows, Any, Any]:
    """The block's cases, their payments with the card of each, and which genuine payments still happen.

    The customer knows nothing of a copy and goes on paying. A stolen card is gone: what its owner would have paid
    with the plastic is not paid.
    """
    crime = assumed.crime
    happens = np.ones(len(genuine), dtype=bool)
    cases: list[Case] = []
    made: list[Rows] = []
    owners: list[int] = []
    by_card = np.lexsort((genuine["true_s"], card))
    first = np.searchsorted(card[by_card], np.arange(len(cards.slot) + 1))
    count = min(int(rng.poisson(len(genuine) * crime.cards_a_payment)), len(cards.slot) // 2)
    weights = cards.a_day / cards.a_day.sum()
    for victim in rng.choice(len(cards.slot), count, replace=False, p=weights):
        mine = by_card[first[victim] : first[victim + 1]]
        kind = rng.choice(
            (COUNTERFEIT, STOLEN, CARD_ABSENT),
            p=(crime.counterfeit, crime.stolen, 1 - crime.counterfeit - crime.stolen),
        )
        plastic = mine[(genuine["channel"][mine] != ABSENT) & ~genuine["wallet"][mine]]
        home = int(people.home[cards.person[victim]])
        begins = rng.uniform(0.02, 0.97) * days * DAY
        pattern = "single" if rng.random() < crime.single else "burst"
        many = 1 if pattern == "single" else int(rng.integers(2, _MOST_IN_A_BURST + 1))
        if kind == STOLEN and len(plastic):
            taken = int(rng.choice(plastic))
            place, reach = _near_theft(rng, world, int(genuine["city"][taken]))
            at = float(genuine["true_s"][taken]) + _carried(rng, world, int(genuine["city"][taken]), place)
            gone = plastic[genuine["true_s"][plastic] > genuine["true_s"][taken]]
            happens[gone] = False
        elif kind == CARD_ABSENT:
            place, reach, at = int(rng.choice(world.destinations)), "remote", begins
        else:
            kind = COUNTERFEIT
            place, reach = _copied_to(rng, world, assumed, home)
            local = rng.normal(16, 3.5) % 24
            at = np.floor(begins / DAY) * DAY + local * 3600 - float(world.offset_s[place])
        case = Case(len(cases) + 1, int(victim), str(kind), reach, pattern)
        paid = _payments(rng, world, case, place, float(at), many)
        paid = paid[(paid["true_s"] >= 0) & (paid["true_s"] < days * DAY)]
        if not len(paid):
            happens[mine] = True
            continue
        cases.append(case)
        made.append(paid)
        owners += [int(victim)] * len(paid)
    rows = np.concatenate(made) if made else empty(0)
    return cases, rows, np.array(owners, dtype=np.int64), happens


def _payments(rng: np.random.Generator, world: World, case: Case, place: int, at: float, many: int) -> Rows:
    rows = empty(many)
    slow = rng.random() < 0.15
    gaps = rng.exponential(9 * 3600 if slow else 14 * 60, many)
    rows["true_s"] = at + np.cumsum(gaps) - gaps[0]
    rows["city"] = rows["currency_of"] = place
    rows["shop"] = [NUMBER[rng.choice(_LIKED)] for _ in range(many)]
    rows["truth"] = TRUTH.code(f"fraud: {case.kind.replace('_', '-')}")
    rows["case"] = case.number
    if case.kind == CARD_ABSENT:
        rows["channel"], rows["entry"] = ABSENT, ECOMMERCE
        rows["shop"] = NUMBER["Parcel & Post Online"]
        rows["decline"] = np.where(rng.random(many) < 0.25, SUSPECTED, 0)
    elif case.kind == STOLEN:
        rows["entry"] = np.where(np.arange(many) < 4, CONTACTLESS, CHIP)
        rows["decline"] = np.where(rows["entry"] == CHIP, WRONG_PIN, 0)
    else:
        takes_stripes = world.countries[place] in _STRIPE_LANDS
        rows["entry"] = rng.choice((MAGSTRIPE, FALLBACK), many, p=(0.8, 0.2) if takes_stripes else (0.35, 0.65))
        rows["decline"] = np.where(rng.random(many) < 0.2, SUSPECTED, 0)
        cash = rng.random(many) < 0.2
        rows["channel"][cash], rows["type"][cash] = ATM, WITHDRAWAL
        rows["entry"][cash] = MAGSTRIPE
        rows["shop"][cash] = NUMBER["Union Cash Machine"]
    rows["cents"] = amounts(rng, rows["shop"])
    return rows


def _copied_to(rng: np.random.Generator, world: World, assumed: Assumptions, home: int) -> tuple[int, str]:
    """Where a copy is used, and how far from home that is."""
    crime, chance = assumed.crime, rng.random()
    if chance < crime.same_city:
        return home, "same_city"
    low, high, reach = 2_000, 20_100, "far"
    if chance < crime.same_city + crime.near:
        low, high, reach = 40, 200, "near"
    elif chance < crime.same_city + crime.near + crime.middle:
        low, high, reach = 200, 2_000, "middle"
    km = world.km(np.array([home]), world.destinations)
    fits = np.flatnonzero((km >= low) & (km <= high))
    if not len(fits):
        return home, "same_city"
    likes = world.people[world.destinations[fits]] ** 0.6
    if reach == "far":
        likes = likes * np.array(
            [3.0 if world.countries[n] in _STRIPE_LANDS else 1.0 for n in world.destinations[fits]]
        )
    return int(world.destinations[rng.choice(fits, p=likes / likes.sum())]), reach


def _carried(rng: np.random.Generator, world: World, here: int, there: int) -> float:
    """Seconds until a stolen card is used, which has to travel as its thief does."""
    waits = float(rng.lognormal(np.log(2.5 * 3600), 0.8))
    if here == there:
        return waits
    way = draw_legs(rng, world, np.array([here]), np.array([there]), ship=np.array([False]))
    return max(waits, float(way.door_s[0]) + float(rng.uniform(300, 3600)))


def _near_theft(rng: np.random.Generator, world: World, city: int) -> tuple[int, str]:
    """Where a stolen card is used: mostly in the same city."""
    around = world.near[world.home_row[city], :NEIGHBOURS] if world.home_row[city] >= 0 else np.empty(0, dtype=np.int64)
    around = around[around >= 0]
    chance = rng.random()
    if chance < 0.75 or not len(around):
        return city, "same_city"
    if chance < 0.95:
        return int(rng.choice(around)), "near"
    return int(rng.choice(world.destinations, p=world.destination_weights)), "far"
