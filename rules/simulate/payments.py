"""What customers pay: everyday payments at home, at work and away, and those on the way."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rules.simulate.assumptions import Assumptions
from rules.simulate.journeys import FLIGHT, SHIP, TRAIN
from rules.simulate.rows import CHANNELS, DECLINES, ENTRIES, TRUTH, TYPES, Rows, empty
from rules.simulate.shops import HEAD_OFFICES, NUMBER, OFTEN, amounts
from rules.simulate.whereabouts import DAY, Journeys, People, Whereabouts
from rules.simulate.world import Bools, Floats, Ints, World

CHIP, CONTACTLESS, MAGSTRIPE, FALLBACK, MANUAL, ECOMMERCE, ON_FILE = range(len(ENTRIES))
PRESENT, ABSENT, ATM = range(len(CHANNELS))
PURCHASE, WITHDRAWAL, REFUND, REVERSAL, RECURRING, _ADVICE = range(len(TYPES))
WRONG_PIN, NO_FUNDS, SUSPECTED = range(1, len(DECLINES))

_HOURS: Final = np.array([2, 1, 1, 1, 1, 3, 10, 22, 34, 38, 42, 50, 64, 58, 46, 46, 52, 66, 74, 62, 44, 30, 18, 8])
_BY_HOUR: Final = _HOURS / _HOURS.sum()
"""Payments by hour of the day, local time: a noon and an evening."""

_AT_THE_GATE: Final = 0.35
_LANDED: Final = 0.3
_IN_FLIGHT: Final = 0.06
_ON_THE_TRAIN: Final = 0.08
_ABOARD: Final = 0.9


@dataclass(frozen=True)
class Cards:
    """The block's cards, one a row: whose, which of the customer's, and who carries it."""

    customer: Ints
    slot: Ints
    person: Ints
    wallet: Bools
    lent: Bools
    a_day: Floats


def draw_cards(rng: np.random.Generator, assumed: Assumptions, count: int) -> Cards:
    """Exactly so many cards; person 2 n is customer n, person 2 n + 1 an additional cardholder."""
    habits = assumed.habits
    second = rng.random(count) < habits.second_card
    additional = rng.random(count) < habits.additional_cardholder
    wallet = rng.random(count) < habits.wallet
    lent = rng.random(count) < habits.lent_plastic
    customer = np.repeat(np.arange(count), 1 + second + additional)[:count]
    first = np.r_[True, customer[1:] != customer[:-1]]
    slot = np.arange(count) - np.maximum.accumulate(np.where(first, np.arange(count), 0)) + 1
    slot[(slot == 2) & ~second[customer]] = 3
    spread = habits.spread
    return Cards(
        customer=customer,
        slot=slot,
        person=2 * customer + (slot == 3),
        wallet=first & wallet[customer],
        lent=first & wallet[customer] & lent[customer],
        a_day=habits.payments_a_day * rng.lognormal(-(spread**2) / 2, spread, count),
    )


def everyday(
    rng: np.random.Generator,
    world: World,
    assumed: Assumptions,
    cards: Cards,
    people: People,
    whereabouts: Whereabouts,
    days: int,
) -> tuple[Rows, Ints]:
    """Every payment but those on the way; and of each the card's number within the block.

    ``city`` is where it truly is, ``true_s`` when; merchants and what they say of themselves come later.
    """
    habits = assumed.habits
    card = np.repeat(np.arange(len(cards.slot)), rng.poisson(cards.a_day * days))
    person, count = cards.person[card], len(card)
    hour = rng.choice(24, count, p=_BY_HOUR) + rng.random(count)
    when = rng.integers(0, days, count) * DAY + hour * 3600 - world.offset_s[people.home[person]]
    soon = (rng.random(count) < habits.soon_after) & np.r_[False, card[1:] == card[:-1]]
    when[soon] = when[np.flatnonzero(soon) - 1] + rng.exponential(1500, int(soon.sum()))
    city, away, moving = whereabouts.at(person, when)
    rows = empty(count)
    kind = rng.random(count)
    limits = np.cumsum(
        (habits.online, habits.on_file, habits.recurring, habits.refunds, habits.reversals, habits.cash, habits.transit)
    )
    online, on_file, recurring, refund, reversal, cash, transit = (
        (kind >= low) & (kind < high) for low, high in zip(np.r_[0, limits[:-1]], limits, strict=True)
    )
    remote = kind < limits[4]
    city, when, commuting = _at_work(rng, world, people, person, when, city, away)
    rows["truth"] = np.where(commuting, TRUTH.code("commuting"), np.where(away, TRUTH.code("outing or journey"), 0))
    wallet = cards.wallet[card] & ~remote & ~cash & (rng.random(count) < 0.5)
    apart = cards.lent[card] & ~wallet & ~remote
    rows["truth"][apart & (city != people.home[person])] = TRUTH.code("phone and plastic apart")
    city = np.where(apart, people.home[person], city)
    rows["true_s"], rows["city"], rows["wallet"] = when, city, wallet
    rows["shop"] = rng.choice(len(OFTEN), count, p=OFTEN)
    _how(rng, world, assumed, rows, ~remote & ~cash)
    _put(rows, cash, shop=NUMBER["Union Cash Machine"], channel=ATM, entry=CHIP, type=WITHDRAWAL)
    _put(rows, transit, shop=NUMBER["City Transit"], entry=CONTACTLESS, deferred=True, truth=TRUTH.code("transit tap"))
    rows["truth"][remote] = 0
    _put(rows, online, shop=NUMBER["Parcel & Post Online"], channel=ABSENT, entry=ECOMMERCE)
    _put(rows, on_file, shop=NUMBER["Ride App"], channel=ABSENT, entry=ON_FILE)
    _put(rows, recurring, shop=NUMBER["Tune Stream Subscription"], channel=ABSENT, entry=ON_FILE, type=RECURRING)
    # refunds come from the shop, at the merchant's desk: some as a card-present message
    _put(rows, refund, type=REFUND, channel=np.where(kind[refund] * 1e6 % 2 < 1, PRESENT, ABSENT), entry=CHIP)
    _put(rows, reversal, type=REVERSAL, channel=PRESENT, entry=CONTACTLESS)
    offices = np.array([world.find(*office) for office in HEAD_OFFICES])
    elsewhere = offices[rng.integers(0, len(offices), count)]
    rows["city"] = np.where(remote, elsewhere, rows["city"])
    rows["currency_of"] = np.where(remote, people.home[person], rows["city"])
    rows["decline"] = np.where(rng.random(count) < habits.declined, rng.choice((WRONG_PIN, NO_FUNDS), count), 0)
    rows["cents"] = amounts(rng, rows["shop"])
    nowhere = moving & ~remote & ~apart  # who is on the way pays in no shop
    kept = ~nowhere & (when >= 0) & (when < days * DAY)
    return rows[kept], card[kept]


def _at_work(
    rng: np.random.Generator,
    world: World,
    people: People,
    person: Ints,
    when: Floats,
    city: Ints,
    away: Bools,
) -> tuple[Ints, Floats, Bools]:
    """Who works in another town is there on weekdays; a payment on the road is made on arrival."""
    local = when + world.offset_s[people.home[person]]
    day = np.floor(local / DAY)
    weekday = day % 7 < 5
    leaves = people.leaves_s[person] + rng.normal(0, 300, len(person))
    returns = people.returns_s[person] + rng.normal(0, 300, len(person))
    takes, clock = people.commute_s[person], local - day * DAY
    works = (people.work[person] >= 0) & weekday & ~away
    out, home = works & (clock > leaves) & (clock < returns), works & (clock >= returns)
    road_out, road_home = out & (clock < leaves + takes), home & (clock < returns + takes)
    arrived = np.where(road_out, leaves + takes, np.where(road_home, returns + takes, clock))
    # the commute of one day has one length; the payment comes some minutes after it
    late = np.where(road_out | road_home, 300 + rng.exponential(600, len(person)) + 600, 0)
    return np.where(out, people.work[person], city), when + arrived - clock + late, out


def _how(rng: np.random.Generator, world: World, assumed: Assumptions, rows: Rows, shops: Bools) -> None:
    """How the card is read in a shop; stripes are read more often in the United States."""
    habits, chance = assumed.habits, rng.random(len(rows))
    american = np.array([code == "US" for code in world.countries])[rows["city"]]
    stripe = habits.magstripe * np.where(american, 4, 1)
    entry = np.where(rng.random(len(rows)) < 0.58, CONTACTLESS, CHIP)
    entry = np.where(chance < stripe, MAGSTRIPE, entry)
    entry = np.where(chance > 1 - habits.fallback, FALLBACK, entry)
    entry = np.where((chance < 1 - habits.fallback) & (chance > 1 - habits.fallback - habits.manual), MANUAL, entry)
    rows["entry"] = np.where(shops, np.where(rows["wallet"], CONTACTLESS, entry), CHIP)


def _put(rows: Rows, where: Bools, **values: Any) -> None:
    for name, value in values.items():
        rows[name][where] = value


def on_the_way(
    rng: np.random.Generator, world: World, cards: Cards, journeys: Journeys, days: int
) -> tuple[Rows, Ints]:
    """Payments at the gate, in the air, after landing, on the train and aboard."""
    means, count = journeys.legs.means, len(journeys.person)
    chance = rng.random((5, count))
    off, on = journeys.at + journeys.legs.off_s, journeys.at + journeys.legs.on_s
    flights, ships = means == FLIGHT, means == SHIP
    parts = (
        (flights & (chance[0] < _AT_THE_GATE), off - rng.uniform(15, 80, count) * 60, "Gate Duty Free", "airport"),
        (flights & (chance[1] < _LANDED), on + rng.uniform(10, 50, count) * 60, "Gate Duty Free", "airport"),
        (flights & (chance[2] < _IN_FLIGHT), (off + on) / 2, "Blue Sky Airways In-Flight", "in flight"),
        ((means == TRAIN) & (chance[3] < _ON_THE_TRAIN), (off + on) / 2, "Rail Bar On Board", "on the train"),
        (ships & (chance[4] < _ABOARD), (off * 2 + on) / 3, "Ocean Line Cruises On Board", "aboard a ship"),
    )
    made = []
    miami, london = world.find("Miami", "US"), world.find("London", "GB")
    for number, (which, when, shop, truth) in enumerate(parts):
        rows = empty(int(which.sum()))
        gate, landed = number == 0, number == 1
        # what is sold on the way is booked where it began, where it ends, or at the head office
        place = np.where(rng.random(len(rows)) < 0.5, journeys.here[which], journeys.there[which])
        office = np.where(rng.random(len(rows)) < 0.4, miami if truth == "aboard a ship" else london, place)
        rows["city"] = journeys.here[which] if gate else journeys.there[which] if landed else office
        rows["true_s"], rows["shop"] = when[which], NUMBER[shop]
        rows["truth"] = TRUTH.code(truth)
        rows["entry"] = rng.choice((CHIP, CONTACTLESS), len(rows))
        # a handheld on board is connected after arrival
        rows["deferred"] = not (gate or landed)
        made.append((rows, journeys.person[which]))
    rows = np.concatenate([each for each, _ in made])
    person = np.concatenate([each for _, each in made])
    first_card = np.full(int(cards.person.max()) + 2, -1)
    first_card[cards.person[::-1]] = np.arange(len(cards.person))[::-1]
    card = np.where(person < len(first_card), first_card[np.minimum(person, len(first_card) - 1)], -1)
    rows["currency_of"], rows["cents"] = rows["city"], amounts(rng, rows["shop"])
    kept = (card >= 0) & (rows["true_s"] >= 0) & (rows["true_s"] < days * DAY)
    return rows[kept], card[kept]
