"""Events of the streams ``customer-{customer_id}`` and ``card-{card_id}``."""

from typing import ClassVar

from msgspec import field

from infra.history.event import Event, Personal, PersonalData, PersonalList, Plain


class CustomerRecorded(Event, frozen=True, kw_only=True):
    """What the bank says of a customer, whole; the newest stands. Phone in E.164, home zone an IANA name."""

    wire_name: ClassVar[str] = "customer.recorded"
    customer_id: Plain
    name: Personal
    phone: Personal = ""
    email: Personal = ""
    language: Plain = "en"
    home_zone: Plain = "UTC"
    home: PersonalData = field(default_factory=dict)
    jurisdiction: Plain = "US"
    consents: list[Plain] = field(default_factory=list)
    travel_notices: PersonalList = field(default_factory=list)
    cards: list[Plain] = field(default_factory=list)


class CardAssigned(Event, frozen=True, kw_only=True):
    """The card belongs to the customer from now on (stream ``card-…``; the newest stands)."""

    wire_name: ClassVar[str] = "card.assigned"
    card_id: Plain
    customer_id: Plain
    last_four: Personal = ""


class CaseNamed(Event, frozen=True, kw_only=True):
    """The customer's open case; written in the transaction that opens the case."""

    wire_name: ClassVar[str] = "customer.case-named"
    case_id: Plain


class AlertFiled(Event, frozen=True, kw_only=True):
    """The case that an alert belongs to, whatever becomes of either."""

    wire_name: ClassVar[str] = "customer.alert-filed"
    alert_id: Plain
    case_id: Plain


class CaseReleased(Event, frozen=True, kw_only=True):
    """The case is resolved; the customer has no open case any more."""

    wire_name: ClassVar[str] = "customer.case-released"
    case_id: Plain


class ErasureBegun(Event, frozen=True, kw_only=True):
    """Somebody has decided that the customer's personal data is to go; nothing is sent to her from now on.

    ``reason``: on what ground, without anything personal in it.
    """

    wire_name: ClassVar[str] = "customer.erasure-begun"
    reason: Plain


class CustomerErased(Event, frozen=True, kw_only=True):
    """The customer's key is destroyed: nothing personal before this is readable. A record after it is a new person's.

    ``keys``: how many keys were destroyed.
    """

    wire_name: ClassVar[str] = "customer.erased"
    customer_id: Plain
    reason: Plain
    keys: int


class CardOwnerErased(Event, frozen=True, kw_only=True):
    """The card's owner is erased: it is nobody's until the bank says whose it is (stream ``card-…``)."""

    wire_name: ClassVar[str] = "card.owner-erased"
    card_id: Plain
    customer_id: Plain


class OptedOut(Event, frozen=True, kw_only=True):
    """The customer wants nothing more on this channel (``sms`` or ``email``)."""

    wire_name: ClassVar[str] = "customer.opted-out"
    channel: Plain
    words: Personal = ""


class OptedIn(Event, frozen=True, kw_only=True):
    """The customer takes messages on this channel again."""

    wire_name: ClassVar[str] = "customer.opted-in"
    channel: Plain
