"""Merchants that move: what is bought aboard an aircraft, a ship or a train says nothing about a place.

Such a sale may carry the origin, the destination or the carrier's head office. A carrier is known by the merchant's
category (ISO 18245), a sale aboard by the merchant's name besides: the same airline's counter stands in a terminal,
and what is paid there is a sighting. The list is data of the rule set.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from rules.spelling import words

_MOST_REMEMBERED: Final = 50_000

LONG_NAME: Final = 20
"""Merchants' names are cut after 22 to 25 characters (ISO 8583 data element 43): in so long a name the last word may be
the beginning of one."""
_LEAST_OF_A_CUT_WORD: Final = 5


class Carrier(msgspec.Struct, frozen=True, kw_only=True):
    """Those who carry people, and by which words of the name a sale is aboard.

    Attributes:
        kind: in words.
        categories: merchant category codes, each one code or ``first-last``.
        aboard: a name with one of these, in any case, is aboard.
        ashore: unless it has one of these as well.
        reason: in words, for the evidence card and the documentation.
    """

    kind: str
    categories: tuple[str, ...]
    aboard: tuple[str, ...]
    ashore: tuple[str, ...]
    reason: str

    def codes(self) -> Iterable[str]:
        """Every category code of it."""
        for each in self.categories:
            first, _, last = each.partition("-")
            yield from (f"{code:04}" for code in range(int(first), int(last or first) + 1))


_COUNTERS: Final = ("ticket", "tickets", "ticketing", "office", "counter", "check in", "terminal", "agency", "lounge")
_ON_BOARD: Final = ("on board", "onboard", "aboard", "a bord", "an bord", "bordverkauf", "a bordo", "ombord")

CARRIERS: Final[tuple[Carrier, ...]] = (
    Carrier(
        kind="airline",
        categories=("3000-3350", "4511"),
        aboard=(*_ON_BOARD, "in flight", "inflight", "inflt", "in flt", "sky shop", "skyshop", "sky boutique"),
        ashore=(*_COUNTERS, "airport", "kiosk"),
        reason="Sold in the air: the place is the airline's, or that of the origin or the destination.",
    ),
    Carrier(
        kind="shop in the air",
        categories=("5309",),
        aboard=("in flight", "inflight", "inflt", "sky shop", "skyshop", "on board", "onboard"),
        ashore=(*_COUNTERS, "airport"),
        reason="Duty-free goods sold in the air or at sea; a duty-free shop on the ground is a sighting.",
    ),
    Carrier(
        kind="cruise line",
        categories=("4411",),
        aboard=(*_ON_BOARD, "cruise", "cruises", "cruise line", "cruise lines", "at sea", "m s", "ms", "m v", "mv"),
        ashore=(*_COUNTERS, "booking", "bookings", "reservations", "travel", "pier", "port shop", "shore"),
        reason="Sold on a ship: the place is the line's head office or a port.",
    ),
    Carrier(
        kind="ferry",
        categories=("4111", "4411", "4789"),
        aboard=(*_ON_BOARD, "ship shop", "bordshop"),
        ashore=_COUNTERS,
        reason="Sold on a ferry: the place is the operator's office or one of the ports.",
    ),
    Carrier(
        kind="train",
        categories=("4011", "4111", "4112"),
        aboard=(
            *(*_ON_BOARD, "on train", "on the train", "bordbistro", "bordrestaurant", "bord bistro", "bord restaurant"),
            *("dining car", "buffet car", "cafe car", "restaurant car", "bistro car", "trolley", "wagon restaurant"),
        ),
        ashore=(*_COUNTERS, "station", "gare", "bahnhof"),
        reason="Sold on a train: the place is the railway's office or a station of the line.",
    ),
)


class InTransit:
    """Whether a merchant moves, under a rule set's list; remembers what it was asked.

    Attributes:
        categories: a merchant of any other category does not, and need not be asked about.
    """

    def __init__(self, carriers: Iterable[Carrier]) -> None:
        self._by_code: dict[str, list[Carrier]] = {}
        for carrier in carriers:
            for code in carrier.codes():
                self._by_code.setdefault(code, []).append(carrier)
        self.categories = frozenset(self._by_code)
        self._known: dict[tuple[str | None, str | None], Carrier | None] = {}

    def find(self, category: str | None, name: str | None) -> Carrier | None:
        """The carrier that such a sale is aboard of; None: it stands on the ground, as far as one can know."""
        key = (category, name)
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = found = self._look_up(category, name)
            return found

    def _look_up(self, category: str | None, name: str | None) -> Carrier | None:
        if category is None or name is None:
            return None
        said = words(name)
        cut = said.strip() if len(name) >= LONG_NAME else ""
        for carrier in self._by_code.get(category, ()):
            if any(f" {word} " in said for word in carrier.ashore):
                continue
            if any(f" {word} " in said or _ends_in(cut, word) for word in carrier.aboard):
                return carrier
        return None


def _ends_in(name: str, word: str) -> bool:
    """Whether the name ends in the beginning of the word, five letters at least."""
    beginnings = (word[:length] for length in range(_LEAST_OF_A_CUT_WORD, len(word)))
    return any(name.endswith(f" {beginning}") for beginning in beginnings)
