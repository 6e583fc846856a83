"""Where everybody is: stays in cities, one after the other, and the legs between them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rules.simulate.assumptions import CRUISES, Travel
from rules.simulate.journeys import Legs, draw_legs
from rules.simulate.world import NEIGHBOURS, Bools, Floats, Ints, World

DAY: Final = 86_400.0
EVER: Final = 1e10
_MOST_STOPS: Final = 5
_CANDIDATES: Final = 24
_YEAR: Final = 365.0

OUTING, WEEKEND, HOLIDAY, BUSINESS, CRUISE, MOVE = range(6)


@dataclass(frozen=True)
class People:
    """One row a person of the block: home, the town of work (-1: none) and its hours, local seconds of the day."""

    home: Ints
    work: Ints
    leaves_s: Floats
    returns_s: Floats
    commute_s: Floats


@dataclass(frozen=True)
class Journeys:
    """Legs that are taken, one a row, ordered by person and time; ``at`` is when the door closes, seconds."""

    person: Ints
    here: Ints
    there: Ints
    at: Floats
    legs: Legs

    @property
    def arrived(self) -> Floats:
        """When they are there."""
        return self.at + self.legs.door_s


class Whereabouts:
    """Answers where a person is, from the journeys taken."""

    def __init__(self, people: People, journeys: Journeys) -> None:
        count = len(people.home)
        order = np.lexsort((np.r_[np.full(count, -EVER), journeys.arrived], np.r_[np.arange(count), journeys.person]))
        self._person = np.r_[np.arange(count), journeys.person][order]
        self._since = np.r_[np.full(count, -EVER), journeys.arrived][order]
        self._city = np.r_[people.home, journeys.there][order]
        self._foreign = np.r_[np.zeros(count, dtype=bool), journeys.there != people.home[journeys.person]][order]
        until = np.full(len(order), EVER)
        # the stay before a leg ends with it; legs and stays come in the same order
        until[:-1][self._person[1:] == self._person[:-1]] = journeys.at
        self._until = until
        self._key = self._person * (4 * EVER) + self._since

    def at(self, person: Ints, when: Floats) -> tuple[Ints, Bools, Bools]:
        """The city of the person's present or last stay; whether it is away from home; whether they are on the way."""
        index = np.searchsorted(self._key, person * (4 * EVER) + when, side="right") - 1
        return self._city[index], self._foreign[index], when > self._until[index]


def draw_people(rng: np.random.Generator, world: World, travel: Travel, count: int) -> People:
    """Who lives where and works where."""
    home = rng.choice(world.homes, count, p=world.home_weights)
    row = world.home_row[home]
    near, across = _one_of(rng, world.near[row]), _one_of(rng, world.across[row])
    commutes = rng.random(count) < travel.commutes
    behind = (across >= 0) & (rng.random(count) < travel.across)
    work = np.where(behind, across, np.where(commutes, near, -1))
    work[(work >= 0) & (world.km(home, np.maximum(work, 0)) > 60)] = -1
    km = world.km(home, np.maximum(work, 0))
    return People(
        home=home,
        work=work,
        leaves_s=rng.normal(7.6, 0.8, count) * 3600,
        returns_s=rng.normal(17.6, 1.0, count) * 3600,
        commute_s=(km * 1.3 / rng.uniform(35, 75, count) + 0.2) * 3600,
    )


def draw_journeys(rng: np.random.Generator, world: World, travel: Travel, people: People, days: int) -> Journeys:
    """Every leg of the block's people; who is away does not set out again from home."""
    rates = np.array([travel.outings, travel.weekends, travel.holidays, travel.business, travel.cruises, travel.moves])
    counts = rng.poisson(rates[:, None] * days / _YEAR, (len(rates), len(people.home)))
    kind = np.repeat(np.arange(len(rates)), counts.sum(axis=1))
    person = np.concatenate([np.repeat(np.arange(len(people.home)), each) for each in counts])
    start = rng.integers(0, days, len(kind)) * DAY + _leaving(rng, kind) - world.offset_s[people.home[person]]
    stops, stays = _plans(rng, world, people.home[person], kind)
    at, here, there, legs = _legs(rng, world, people.home[person], start, stops, stays, kind)
    back = np.where(kind == MOVE, EVER, at[-1] + legs[-1].door_s)
    taken = _not_while_away(person, start, back)
    which = [(going >= 0) & taken for going in there]
    joined = [
        np.concatenate([part[mask] for part, mask in zip(parts, which, strict=True)])
        for parts in (
            [person] * len(at),
            here,
            there,
            at,
            [leg.means for leg in legs],
            [leg.door_s for leg in legs],
            [leg.off_s for leg in legs],
            [leg.on_s for leg in legs],
        )
    ]
    order = np.lexsort((joined[3], joined[0]))
    who, came, went, when, means, door, off, on = (part[order] for part in joined)
    return Journeys(who, came, went, when, Legs(means, door, off, on))


def _leaving(rng: np.random.Generator, kind: Ints) -> Floats:
    """Local seconds of the day."""
    hour = np.select([kind == OUTING, kind == BUSINESS], [rng.normal(11, 2, len(kind)), rng.normal(6, 1, len(kind))])
    hour = np.where(hour == 0, rng.uniform(5, 19, len(kind)), hour)
    return np.clip(hour, 3, 21) * 3600


def _plans(rng: np.random.Generator, world: World, home: Ints, kind: Ints) -> tuple[Ints, Floats]:
    """By trip the cities in their order, -1 after the last, and how long each stay is, seconds."""
    count = len(kind)
    stops = np.full((count, _MOST_STOPS), -1)
    stays = rng.uniform(2, 6, (count, _MOST_STOPS)) * DAY
    low = np.select([kind == WEEKEND, kind == BUSINESS, kind == MOVE], [100, 200, 20], 300)
    high = np.select([kind == WEEKEND, kind == BUSINESS, kind == MOVE], [900, 2500, 600], 20_000)
    # half of the holidays stay on the continent
    high = np.where((kind == HOLIDAY) & (rng.random(count) < 0.55), 2_500, high)
    stops[:, 0] = _within(rng, world, home, low, high)
    outing = kind == OUTING
    stops[outing, 0] = _one_of(rng, world.near[world.home_row[home]])[outing]
    further = (kind == HOLIDAY) & (stops[:, 0] >= 0)
    for stop in (1, 2):
        further = further & (rng.random(count) < 0.4)
        base = np.maximum(stops[:, stop - 1], 0)
        stops[:, stop] = np.where(further, _within(rng, world, base, 60, 1_500), -1)
        further = stops[:, stop] >= 0
    ports = np.array([[world.find(*port) for port in cruise] for cruise in CRUISES])
    cruises = kind == CRUISE
    stops[cruises] = ports[rng.integers(0, len(ports), int(cruises.sum()))]
    stays[outing] = rng.uniform(1, 7, (int(outing.sum()), _MOST_STOPS)) * 3600
    stays[kind == WEEKEND] = rng.uniform(0.8, 2.2, (int((kind == WEEKEND).sum()), _MOST_STOPS)) * DAY
    stays[kind == BUSINESS] = rng.choice((0.25, 0.33, 1.2), (int((kind == BUSINESS).sum()), _MOST_STOPS)) * DAY
    stays[cruises] = rng.uniform(0.3, 0.45, (int(cruises.sum()), _MOST_STOPS)) * DAY
    return stops, stays


def _legs(
    rng: np.random.Generator, world: World, home: Ints, start: Floats, stops: Ints, stays: Floats, kind: Ints
) -> tuple[list[Floats], list[Ints], list[Ints], list[Legs]]:
    """Leg by leg: when it begins, from where, to where (-1: not taken), and what it takes."""
    at, here, there, legs = [], [], [], []
    now, place = start, home.copy()
    for number in range(_MOST_STOPS + 1):
        stop = stops[:, number] if number < _MOST_STOPS else np.full(len(home), -1)
        ended = stop < 0
        # after the last stop they go home, once; who has moved stays
        target = np.where(ended & (place != home) & (kind != MOVE), home, stop)
        goes = target >= 0
        leg = draw_legs(rng, world, place, np.maximum(target, 0), ship=(kind == CRUISE) & (number > 0) & ~ended)
        stopped = Legs(leg.means, *(np.where(goes, part, 0.0) for part in (leg.door_s, leg.off_s, leg.on_s)))
        at.append(now)
        here.append(place)
        there.append(target)
        legs.append(stopped)
        stay = stays[:, number] if number < _MOST_STOPS else np.zeros(len(home))
        now = np.where(goes, now + stopped.door_s + np.where(ended, 0, stay), now)
        place = np.where(goes, target, place)
    return at, here, there, legs


def _not_while_away(person: Ints, start: Floats, back: Floats) -> Bools:
    order = np.lexsort((start, person))
    who = person[order]
    latest = np.maximum.accumulate(back[order] + who * (4 * EVER)) - who * (4 * EVER)
    free = np.ones(len(order), dtype=bool)
    free[1:] = (who[1:] != who[:-1]) | (start[order][1:] > latest[:-1] + 1800)
    taken = np.empty(len(order), dtype=bool)
    taken[order] = free
    return taken


def _one_of(rng: np.random.Generator, table: Ints) -> Ints:
    """One of the cities of each row, the greater ones more often; -1 where there is none."""
    count = (table >= 0).sum(axis=1)
    pick = np.minimum((rng.random(len(table)) ** 2 * count).astype(np.int64), NEIGHBOURS - 1)
    return np.where(count > 0, table[np.arange(len(table)), pick], -1)


def _within(rng: np.random.Generator, world: World, base: Ints, low: Ints | int, high: Ints | int) -> Ints:
    """A destination at such a distance, the greater cities more often; -1 where none was found."""
    some = rng.choice(world.destinations, (len(base), _CANDIDATES), p=world.destination_weights)
    km = world.km(np.broadcast_to(base[:, None], some.shape), some)
    fits = (km >= np.reshape(low, (-1, 1))) & (km <= np.reshape(high, (-1, 1)))
    first = fits.argmax(axis=1)
    return np.where(fits.any(axis=1), some[np.arange(len(base)), first], -1)
