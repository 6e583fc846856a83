"""What a message about a customer changes. Pure: the newest record stands, and the same again changes nothing."""

from typing import Any

from msgspec import Struct, field

from infra.history.event import Event
from outreach.customers.events import CardAssigned, CustomerRecorded, OptedIn, OptedOut
from outreach.customers.numbers import e164


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
    home: dict[str, Any] | None = None
    jurisdiction: str = "US"
    consents: list[str] = field(default_factory=list)
    cards: list[CardRef] = field(default_factory=list)
    travel_notices: list[dict[str, Any]] = field(default_factory=list)


def record(standing: CustomerRecorded | None, message: CustomerMessage) -> list[Event]:
    """The customer as the message says, unless that is what stands. A phone that is none is left out."""
    said = CustomerRecorded(
        customer_id=message.customer_id,
        name=message.name,
        phone=e164(message.phone, region=message.jurisdiction) or "",
        email=message.email,
        language=message.language,
        home_zone=message.home_zone,
        home=message.home or {},
        jurisdiction=message.jurisdiction,
        consents=message.consents,
        travel_notices=message.travel_notices,
        cards=[card.card_id for card in message.cards],
    )
    return [] if said == standing else [said]


def assign(standing: CardAssigned | None, card: CardRef, customer_id: str) -> list[Event]:
    """The card is the customer's, unless it is already."""
    said = CardAssigned(card_id=card.card_id, customer_id=customer_id, last_four=card.last_four)
    return [] if said == standing else [said]


def opt_out(opted_out: frozenset[str], channel: str, words: str) -> list[Event]:
    """Nothing more on the channel; once is enough."""
    return [] if channel in opted_out else [OptedOut(channel=channel, words=words)]


def opt_in(opted_out: frozenset[str], channel: str) -> list[Event]:
    """Messages on the channel again, where they had been stopped."""
    return [OptedIn(channel=channel)] if channel in opted_out else []
