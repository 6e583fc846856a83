"""The transaction contract, version 1, as the hot path decodes it."""

from datetime import datetime

import msgspec


class Refusal(Exception):  # noqa: N818 - the field's word for it; it is an answer to the sender, not a fault
    """The row cannot be a transaction: why, and which field."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(f"{reason}: {field}" if field else reason)
        self.reason = reason
        self.field = field


class Merchant(msgspec.Struct, frozen=True, gc=False):
    """Who was paid; each may be missing."""

    name: str | None = None
    mcc: str | None = None
    city: str | None = None
    country: str | None = None
    id: str | None = None


class Location(msgspec.Struct, frozen=True, gc=False):
    """The terminal's point, degrees, and its error radius."""

    lat: float
    lon: float
    radius_km: float | None = None


class Transaction(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One card transaction."""

    transaction_id: str
    card_id: str
    occurred_at: datetime
    amount: str | int | float
    currency: str
    channel: str
    entry_mode: str
    merchant: Merchant = Merchant()
    location: Location | None = None
    type: str = "purchase"
    outcome: str = "approved"
    decline_reason: str | None = None
    instrument: str = "plastic"
    device_id: str | None = None
    deferred: bool = False
    repeat_of: str | None = None


def decode(raw: bytes, *, allow_card_numbers: bool = False) -> Transaction:
    """One row as a transaction.

    Raises:
        Refusal: it is none; ``reason`` and ``field`` say why. Reasons: ``not_json``, ``not_an_object``,
            ``missing_field``, ``wrong_type``, ``wrong_value``, ``card_number``.
    """
    raise NotImplementedError
