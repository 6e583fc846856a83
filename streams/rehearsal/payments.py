"""A stream of believable card payments with a few impossible ones, the same from the same seed, and the truth of each.

People pay near home, from breakfast to late evening by the clocks where they are; now and then they buy in a web shop,
draw cash, or travel, with the hours that a journey takes between the last payment here and the first one there. An
impossible journey is one more payment with the plastic, thousands of kilometres away and minutes after a real one.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from random import Random
from typing import Any, Final, NamedTuple

from streams.rehearsal.people import CITIES, PARIS, PHNOM_PENH, STORY_CARD, City

_EARTH_KM: Final = 6371.0088
_SHOPS: Final = (
    ("Corner Bakery", "5462", (2.0, 15.0)),
    ("Harvest Market", "5411", (8.0, 140.0)),
    ("Station Coffee", "5814", (2.5, 12.0)),
    ("Noodle House", "5812", (9.0, 60.0)),
    ("City Pharmacy", "5912", (4.0, 70.0)),
    ("Lantern Books", "5942", (6.0, 55.0)),
    ("Blue Line Taxi", "4121", (5.0, 45.0)),
    ("North Star Hardware", "5251", (7.0, 160.0)),
)
_FAR_SHOPS: Final = (
    ("Musée du Louvre", "7991", (17.0, 66.0)),
    ("Grand Electronics", "5732", (180.0, 1900.0)),
    ("Harbour Jewellers", "5944", (250.0, 2400.0)),
)
_TRAVEL_KM_H: Final = 600.0
_TRAVEL_ON_THE_GROUND: Final = timedelta(hours=5)
_TRAVELLERS: Final = 0.05  # of those who have not paid for hours
_FAR_KM: Final = 3000.0


class Labelled(NamedTuple):
    """A payment as the contract has it, and the truth about it, which no message carries.

    ``impossible``: the plastic cannot have been there; exactly these are suspects, and each has its own card.
    """

    message: dict[str, Any]
    impossible: bool = False


def payments(
    cards: list[tuple[str, City]], *, count: int, impossible: int, seed: int, start: datetime, per_s: float = 5.0
) -> Iterator[Labelled]:
    """``count`` payments in the order of their time, ``impossible`` of them impossible journeys of different cards.

    Payments come at ``per_s`` on average from ``start`` on. Every card that has an impossible journey has paid in its
    own place shortly before.

    Args:
        cards: card ids and where their owners live; more of them than ``impossible``.
        count: how many payments altogether.
        impossible: how many of them are impossible.
        seed: of all that is random here.
        start: the moment of the first payment, aware.
        per_s: payments a second.

    Raises:
        ValueError: fewer cards than impossible journeys, or no room for them among ``count`` payments.
    """
    if impossible > len(cards) or impossible * 2 > count:
        raise ValueError(f"{impossible} impossible journeys need as many cards, and twice as many payments")
    random = Random(f"{seed}/payments")  # noqa: S311 - a rehearsal, not a secret
    # Impossible payments have odd numbers, and the even one before is the same card's, in its own place.
    impossible_at = dict(
        zip(random.sample(range(1, count, 2), impossible), random.sample(range(len(cards)), impossible), strict=True)
    )
    owners = [_Owner(home, start) for _, home in cards]
    robbed: set[int] = set()
    for number in range(count):
        at = start + timedelta(seconds=number / per_s)
        transaction_id = f"pay-{seed}-{number:07d}"
        if number in impossible_at:
            card = impossible_at[number]
            far = random.choice([city for city in CITIES if distance_km(city, owners[card].city) > _FAR_KM])
            yield Labelled(_payment(random, transaction_id, cards[card][0], far, at, shops=_FAR_SHOPS), impossible=True)
        elif number + 1 in impossible_at:
            card = impossible_at[number + 1]
            robbed.add(card)
            city = owners[card].pays(random, at, may_travel=True)
            yield Labelled(_payment(random, transaction_id, cards[card][0], city, at))
        else:
            card = random.randrange(len(cards))
            city = owners[card].pays(random, at, may_travel=card not in robbed)
            yield Labelled(_believable(random, transaction_id, cards[card][0], city, at))


class _Owner:
    """Where the owner of a card is; a journey takes its time, and nothing is paid with the plastic on the way."""

    def __init__(self, home: City, start: datetime) -> None:
        self.city = home
        self._home = home
        self._last_paid_at = start

    def pays(self, random: Random, at: datetime, *, may_travel: bool) -> City:
        """Where the owner pays at this moment: where they paid last, or where they can have got to since then."""
        if may_travel and at - self._last_paid_at > _TRAVEL_ON_THE_GROUND and random.random() < _TRAVELLERS:
            there = random.choice(CITIES) if self.city == self._home else self._home
            if at - self._last_paid_at >= _TRAVEL_ON_THE_GROUND + timedelta(
                hours=distance_km(self.city, there) / _TRAVEL_KM_H
            ):
                self.city = there
        self._last_paid_at = at
        return self.city


def story(start: datetime) -> list[Labelled]:
    """The story's payments: two in Phnom Penh, then three in Paris within minutes, which are the suspects."""
    random = Random("story")  # noqa: S311 - a rehearsal, not a secret
    here = [
        _payment(
            random, "story-pnh-1", STORY_CARD, PHNOM_PENH, start, shops=(("Central Market Coffee", "5814", (4.5, 4.5)),)
        ),
        _payment(
            random,
            "story-pnh-2",
            STORY_CARD,
            PHNOM_PENH,
            start + timedelta(minutes=6),
            shops=(("Royal Palace Tickets", "7991", (10.0, 10.0)),),
        ),
    ]
    there = [
        _payment(
            random, f"story-paris-{number}", STORY_CARD, PARIS, start + timedelta(minutes=12 + number), shops=(shop,)
        )
        for number, shop in enumerate(
            (
                ("Musée du Louvre", "7991", (22.0, 22.0)),
                ("Librairie du Louvre", "5942", (86.4, 86.4)),
                ("Galerie Rivoli", "5944", (1240.0, 1240.0)),
            ),
            start=1,
        )
    ]
    return [*(Labelled(each) for each in here), *(Labelled(each, impossible=True) for each in there)]


def _believable(random: Random, transaction_id: str, card_id: str, city: City, at: datetime) -> dict[str, Any]:
    kind = random.random()
    message = _payment(random, transaction_id, card_id, city, at)
    if kind < 0.12:  # noqa: PLR2004 - about one payment in eight is made in a web shop
        message["merchant"] = {"name": "Parcel & Post Online", "mcc": "5999", "city": "Dublin", "country": "IE"}
        message |= {"location": None, "channel": "card_not_present", "entry_mode": "ecommerce"}
    elif kind < 0.18:  # noqa: PLR2004 - and one in seventeen is cash
        message["merchant"] = {**message["merchant"], "name": "Union Cash Machine", "mcc": "6011"}
        message |= {
            "channel": "atm",
            "type": "withdrawal",
            "entry_mode": "chip",
            "amount": f"{random.randint(1, 15)}0.00",
        }
    return message


def _payment(
    random: Random,
    transaction_id: str,
    card_id: str,
    city: City,
    at: datetime,
    *,
    shops: tuple[tuple[str, str, tuple[float, float]], ...] = _SHOPS,
) -> dict[str, Any]:
    name, mcc, (least, most) = random.choice(shops)
    return {
        "transaction_id": transaction_id,
        "card_id": card_id,
        "occurred_at": at.isoformat(timespec="milliseconds"),
        "amount": f"{random.uniform(least, most):.2f}",
        "currency": city.currency,
        "merchant": {"name": name, "mcc": mcc, "city": city.name, "country": city.country},
        "location": {
            "lat": round(city.lat + random.uniform(-0.03, 0.03), 5),
            "lon": round(city.lon + random.uniform(-0.03, 0.03), 5),
            "radius_km": 0.1,
        },
        "channel": "card_present",
        "entry_mode": random.choice(("chip", "contactless", "contactless")),
        "type": "purchase",
        "outcome": "approved",
    }


def distance_km(one: City, other: City) -> float:
    """The great-circle distance (haversine) in kilometres."""
    lat, lon = radians(other.lat - one.lat), radians(other.lon - one.lon)
    half = sin(lat / 2) ** 2 + cos(radians(one.lat)) * cos(radians(other.lat)) * sin(lon / 2) ** 2
    return 2 * _EARTH_KM * asin(sqrt(half))
