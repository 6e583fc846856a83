"""Who the customers are, which cards are theirs, and what they want to hear from us: on the history."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from infra.clock import Clock
from infra.history.store import History


class CardRef(Struct, frozen=True, kw_only=True):
    """A card of a customer."""

    card_id: str
    last_four: str = ""


class CustomerMessage(Struct, frozen=True, kw_only=True):
    """One message of `customers`: the customer, whole."""

    customer_id: str
    name: str
    phone: str = ""
    email: str = ""
    language: str = "en"
    home_zone: str = "UTC"
    home: dict[str, Any] = field(default_factory=dict)
    jurisdiction: str = "US"
    consents: list[str] = field(default_factory=list)
    cards: list[CardRef] = field(default_factory=list)
    travel_notices: list[dict[str, Any]] = field(default_factory=list)


class Profile(Struct, frozen=True, kw_only=True):
    """A customer as the newest record says. Personal; every look at it is recorded by whoever shows it.

    Attributes:
        phone: E.164, or empty.
        cards: card id -> last four digits.
        opted_out: the channels (``sms``, ``email``) on which she wants nothing more.
        open_case: the id of her open case, or empty.
    """

    customer_id: str
    name: str
    phone: str
    email: str
    language: str
    home_zone: str
    home: Mapping[str, Any]
    jurisdiction: str
    consents: tuple[str, ...]
    opted_out: frozenset[str]
    cards: Mapping[str, str]
    travel_notices: tuple[Mapping[str, Any], ...]
    open_case: str


class Customers:
    """The customers on the history. ``master_key`` keys the hash by which a phone number is looked up."""

    def __init__(self, history: History, clock: Clock, *, master_key: bytes) -> None:
        self._history = history
        self._clock = clock
        self._master_key = master_key

    async def record(self, message: CustomerMessage, cause: str) -> None:
        """Records what is new in the message; the same message again changes nothing."""
        raise NotImplementedError

    async def profile(self, customer_id: str) -> Profile | None:
        """The customer as the newest record says; None where there is none."""
        raise NotImplementedError

    async def owner(self, card_id: str) -> str | None:
        """Whose card it is; None where nobody has said."""
        raise NotImplementedError

    async def opt_out(self, customer_id: str, channel: str, words: str, cause: str) -> None:
        """The customer wants nothing more on the channel; once is enough."""
        raise NotImplementedError

    async def opt_in(self, customer_id: str, channel: str, cause: str) -> None:
        """The customer takes messages on the channel again."""
        raise NotImplementedError

    async def by_phone(self, phone: str) -> str | None:
        """The customer whose number on file this is (any spelling of it); None where nobody's, or more than one's."""
        raise NotImplementedError
