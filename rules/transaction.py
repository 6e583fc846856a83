"""The transaction contract, version 1, as the hot path decodes it: typed, every required field checked, row by row.

What the table in the design leaves open is settled here, and the published contract says the same:

- Only a field that is described as such may be null: ``merchant`` and each of its fields, ``location``,
  ``decline_reason``, ``device_id``, ``repeat_of``. A missing merchant is one of which nothing is known.
- ``occurred_at``: RFC 3339 (``T``, ``t`` or a space between date and time; the offset's colon may be missing), at most
  nanoseconds, kept to the microsecond. No leap seconds.
- ``amount``: a JSON number, or a string of an optional minus, digits, and optionally a point and digits.
- ``currency``: three capital letters; ``merchant.country``: two.
- ``transaction_id``, ``card_id``: without NUL, which no database keeps in a text.
- ``location``: anything but an object with ``lat`` in -90..90, ``lon`` in -180..180 and ``radius_km`` absent, null or
  in 0..20,038 makes the point missing. Whether the point is believable ((0, 0) is not) is for ``rules.sighting`` to
  say.
- Of a name that occurs twice in an object, the last counts. Unknown fields are ignored, whatever they hold.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from mmh3 import hash_bytes
from msgspec import Meta

from rules.card_number import looks_like_card_number

Channel: TypeAlias = Literal["card_present", "card_not_present", "atm"]
EntryMode: TypeAlias = Literal[
    "chip", "contactless", "magstripe", "fallback", "manual", "ecommerce", "credential_on_file"
]
Type: TypeAlias = Literal["purchase", "withdrawal", "refund", "reversal", "recurring", "advice"]
Outcome: TypeAlias = Literal["approved", "declined"]
Instrument: TypeAlias = Literal["plastic", "wallet"]
Reason: TypeAlias = Literal[
    "not_json", "not_an_object", "missing_field", "wrong_type", "wrong_value", "card_number", "ahead_of_its_time"
]

Identifier: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
HALF_ROUND_THE_EARTH_KM: Final = 20_038
"""No error radius is greater: half of the equator, 40,075 km, rounded up."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_AMOUNT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?").fullmatch
_AFTER_DIGITS: Final = ":"
_NUL: Final = "\0"
_FIELD_AT = re.compile(r" - at `\$\.(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")


class Refusal(Exception):
    """The row cannot be a transaction.

    Attributes:
        reason: one of ``Reason``.
        field: the field that is to blame, dotted (``merchant.country``); empty if it is the whole row.
    """

    def __init__(self, reason: Reason, field: str = "") -> None:
        super().__init__(f"{reason}: {field}" if field else reason)
        self.reason: Reason = reason
        self.field = field


class Merchant(msgspec.Struct, frozen=True, gc=False):
    """Who was paid; each may be missing."""

    name: str | None = None
    mcc: str | None = None
    city: str | None = None
    country: Annotated[str, Meta(min_length=2, max_length=2)] | None = None
    id: str | None = None


class Location(msgspec.Struct, frozen=True, gc=False):
    """The terminal's point in degrees, and its error radius in kilometres (none: 0)."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    radius_km: Annotated[float, Meta(ge=0, le=HALF_ROUND_THE_EARTH_KM)] | None = None


class Transaction(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One card transaction; fields as in the contract, and in its order, in which they are found fastest."""

    transaction_id: Identifier
    card_id: Identifier
    occurred_at: Annotated[datetime, Meta(tz=True)]
    amount: str | int | float
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    merchant: Merchant | None = None
    location: Location | None = None
    channel: Channel
    entry_mode: EntryMode
    type: Type = "purchase"
    outcome: Outcome = "approved"
    decline_reason: str | None = None
    instrument: Instrument = "plastic"
    device_id: str | None = None
    deferred: bool = False
    repeat_of: Identifier | None = None

    @property
    def at_us(self) -> int:
        """The instant of ``occurred_at``, microseconds since 1970 UTC."""
        return (self.occurred_at - EPOCH) // MICROSECOND

    @property
    def digest(self) -> bytes:
        """Orders versions of one transaction: the MurmurHash3 (x64, 128 bits) of the row as it came.

        So the same row again is the same version (counted as repeated), and the same content written differently is
        another (counted as conflicting; which one counts does not depend on which came first). Any such order decides
        alike in any order of arrival; taking the bytes costs a tenth of bringing the content into one form. Empty
        unless ``decode`` made the transaction. (What a memory keeps of it: ``rules.memory.Entry``.)
        """
        return b""


class _Decoded(Transaction, frozen=True, gc=False, kw_only=True):
    """A transaction out of a row, with what was made of the row's bytes; equal by content."""

    # Whatever JSON a sender has under that name is passed over, as in any unknown field, and written over.
    digest: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name=" digest")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transaction) and all(
            getattr(self, name) == getattr(other, name) for name in Transaction.__struct_fields__
        )

    __hash__ = None  # type: ignore[assignment]


class _WhateverLocation(Transaction, frozen=True, gc=False, kw_only=True):
    """The same with any JSON where the point should be."""

    location: msgspec.Raw = msgspec.Raw(b"null")  # type: ignore[assignment] # never leaves this module


_decode = msgspec.json.Decoder(_Decoded).decode
_decode_around_location = msgspec.json.Decoder(_WhateverLocation).decode
_set = msgspec.structs.force_setattr
_good_currencies: set[str] = set()
_good_countries: set[str | None] = {None}


def decode(raw: bytes, *, allow_card_numbers: bool = False) -> Transaction:
    """One row as a transaction.

    Args:
        raw: one JSON object, UTF-8; nothing but white space may follow it.
        allow_card_numbers: the bank's card tokens may look like card numbers.

    Raises:
        Refusal: it is no transaction.
    """
    try:
        if not raw.isascii():
            raw.decode()  # msgspec skips over the bytes of unknown fields; JSON is UTF-8 throughout (RFC 8259, 8.1)
        transaction = _decode(raw)
    except msgspec.ValidationError:
        transaction = _without_location(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Refusal("not_json") from None
    if transaction.currency not in _good_currencies:
        _remember_currency(transaction.currency)
    merchant = transaction.merchant
    if merchant is not None and merchant.country not in _good_countries:
        _remember_country(merchant.country)
    amount = transaction.amount
    if amount.__class__ is str:
        whole, _, cents = amount.partition(".")
        # digits, a point, digits, as nearly always, or else looked at more closely
        if not ((whole.isdecimal() and cents.isdecimal() and amount.isascii()) or _AMOUNT(amount)):
            raise Refusal("wrong_value", "amount")
    card_id = transaction.card_id
    if _NUL in card_id or _NUL in transaction.transaction_id:
        raise Refusal("wrong_value", "card_id" if _NUL in card_id else "transaction_id")
    if card_id < _AFTER_DIGITS and not allow_card_numbers and looks_like_card_number(card_id):
        raise Refusal("card_number", "card_id")
    _set(transaction, "digest", hash_bytes(raw))
    return transaction


def _without_location(raw: bytes) -> _Decoded:
    """The transaction without its point, if the point is all that is wrong with it."""
    try:
        around = _decode_around_location(raw)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Refusal("not_json") from None
    values = {name: getattr(around, name) for name in Transaction.__struct_fields__}
    values["location"] = None
    return _Decoded(**values)


def _refusal(message: str) -> Refusal:
    """What msgspec found wrong, in the contract's words."""
    where = _FIELD_AT.search(message)
    path = where.group("path") if where else ""
    missing = _MISSING.search(message)
    if missing:
        return Refusal("missing_field", missing.group("name"))
    if not path:
        return Refusal("not_an_object")
    return Refusal("wrong_type" if ", got `" in message else "wrong_value", path)


def _remember_currency(currency: str) -> None:
    if not _capitals(currency):
        raise Refusal("wrong_value", "currency")
    _good_currencies.add(currency)  # 17,576 at most


def _remember_country(country: str | None) -> None:
    if country is None or not _capitals(country):
        raise Refusal("wrong_value", "merchant.country")
    _good_countries.add(country)  # 676 at most


def _capitals(text: str) -> bool:
    return text.isascii() and text.isalpha() and text.isupper()
