"""Topic ``transactions``, key ``card_id``: the transaction contract, version 1.

This model is the contract as others read it. The worker reads the same bytes with ``rules.transaction.decode``; a
property test holds the two to the same answer. What is refused for being ahead of its time is not seen here: that
needs the broker's time stamp.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import msgspec
from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from rules.card_number import looks_like_card_number
from streams.contracts.shape import Contract, Country, DecimalText, Identifier, RecordedIdentifier

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)
HALF_ROUND_THE_EARTH_KM: Final = 20_038


def _rfc3339(value: Any) -> datetime:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return datetime.fromisoformat(value.upper())
    raise ValueError("not RFC 3339 with an offset")


OccurredAt: TypeAlias = Annotated[
    AwareDatetime, BeforeValidator(_rfc3339), WithJsonSchema({"type": "string", "format": "date-time"})
]


class Merchant(Contract):
    """Who was paid; each may be null."""

    name: str | None = None
    mcc: str | None = Field(default=None, description="ISO 18245 merchant category code.")
    city: str | None = None
    country: Country | None = Field(default=None, description="ISO 3166-1 alpha-2.")
    id: str | None = None


class Location(Contract):
    """The terminal's point: degrees, and an error radius in kilometres."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    radius_km: float | None = Field(default=None, ge=0, le=HALF_ROUND_THE_EARTH_KM)


_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _known_fields(raw: bytes | msgspec.Raw, model: type[Contract]) -> Any:
    """The value with only the members that the model has; the others are JSON, and not looked at further."""
    try:
        members = _MEMBERS.decode(raw)
    except msgspec.ValidationError:
        return msgspec.json.decode(raw)
    known = {name: member for name, member in members.items() if name in model.model_fields}
    return {name: _PARTS.get(name, msgspec.json.decode)(member) for name, member in known.items()}


def _known_merchant(raw: msgspec.Raw) -> Any:
    return _known_fields(raw, Merchant)


def _known_location(raw: msgspec.Raw) -> Any:
    try:
        return _known_fields(raw, Location)
    except msgspec.DecodeError:  # a number that no computer holds is a wrong value like any other
        return None


_PARTS: Final[dict[str, Callable[[msgspec.Raw], Any]]] = {"merchant": _known_merchant, "location": _known_location}


class TransactionMessage(Contract):
    """One card transaction. The same ``transaction_id`` again is the same transaction; unknown fields are ignored."""

    transaction_id: RecordedIdentifier
    card_id: RecordedIdentifier = Field(description="A token. What looks like a card number is refused.")
    occurred_at: OccurredAt = Field(
        description="The transaction's own time. More than a day ahead of the broker's time stamp: refused."
    )
    amount: DecimalText | StrictInt | StrictFloat = Field(description="Decimal as a string; a number is accepted.")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 4217.")
    merchant: Merchant | None = None
    location: Location | None = Field(default=None, description="Wrong values make the point missing, nothing else.")
    channel: Literal["card_present", "card_not_present", "atm"]
    entry_mode: Literal["chip", "contactless", "magstripe", "fallback", "manual", "ecommerce", "credential_on_file"]
    type: Literal["purchase", "withdrawal", "refund", "reversal", "recurring", "advice"] = "purchase"
    outcome: Literal["approved", "declined"] = "approved"
    decline_reason: str | None = None
    instrument: Literal["plastic", "wallet"] = "plastic"
    device_id: str | None = None
    deferred: bool = Field(default=False, description="Offline, stand-in or transit-aggregated.")
    repeat_of: Identifier | None = Field(default=None, description="The bank's repeat of an advice: of which.")

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """One message of the topic, from its bytes.

        The grammar is that of RFC 8259, which pydantic's own parser is not (it takes ``NaN``, and not more than 200
        levels): what stands in a field that the contract does not know is ignored as long as it is JSON in UTF-8.

        Raises:
            ValueError: the bytes are no transaction.
        """
        try:
            raw.decode()
            return cls.model_validate(_known_fields(raw, cls))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError("not one whole JSON value in UTF-8") from error

    @field_validator("location", mode="wrap")
    @classmethod
    def _wrong_is_missing(cls, value: Any, validate: Any) -> Any:
        try:
            return validate(value)
        except ValidationError:
            return None

    @model_validator(mode="after")
    def _no_card_number(self) -> Self:
        if looks_like_card_number(self.card_id):
            raise ValueError("card_id looks like a card number")
        return self


_LOUVRE: Final[dict[str, object]] = {
    "transaction_id": "t-paris-1",
    "card_id": "card-sokha-visa",
    "occurred_at": "2026-03-14T11:12:00+01:00",
    "amount": "22.00",
    "currency": "EUR",
    "merchant": {"name": "Musée du Louvre", "mcc": "7991", "city": "Paris", "country": "FR", "id": "louvre-4"},
    "location": {"lat": 48.8606, "lon": 2.3376, "radius_km": 0.1},
    "channel": "card_present",
    "entry_mode": "chip",
    "type": "purchase",
    "outcome": "approved",
    "decline_reason": None,
    "instrument": "plastic",
    "device_id": None,
    "deferred": False,
    "repeat_of": None,
}
EXAMPLES: dict[str, dict[str, object]] = {
    "purchase": _LOUVRE,
    "least": {
        "transaction_id": "t-2",
        "card_id": "card-sokha-visa",
        "occurred_at": "2026-03-14T10:15:00Z",
        "amount": 19.9,
        "currency": "USD",
        "channel": "card_not_present",
        "entry_mode": "ecommerce",
    },
    "declined": {
        **_LOUVRE,
        "transaction_id": "t-3",
        "outcome": "declined",
        "decline_reason": "wrong_pin",
        "location": None,
    },
}
