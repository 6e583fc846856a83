"""One row of a batch or a file: a transaction that goes on as the bytes it came in, or a refusal with its reason."""

import re
from typing import Any, Final, NamedTuple, get_args

import msgspec

from rules.transaction import Channel, EntryMode, Instrument, Outcome, Refusal, Type, decode

ROW_BYTES_AT_MOST: Final = 64 * 1024
"""A usual row has 350 bytes; a message much longer than this could stand in the way of the others."""


class Good(NamedTuple):
    """A row that is a transaction. ``raw`` is one JSON object, and nothing else."""

    raw: bytes
    transaction_id: str
    card_id: str


class Bad(NamedTuple):
    """A row that is none. ``detail`` repeats no value of the row."""

    raw: bytes
    reason: str
    detail: str


def read_row(raw: bytes, *, allow_card_numbers: bool = False) -> Good | Bad:
    """Reads one row by itself, so that bytes which look like the end of one and the start of another are refused."""
    if len(raw) > ROW_BYTES_AT_MOST:
        return Bad(raw, "too_long", f"{len(raw)} bytes; a transaction has at most {ROW_BYTES_AT_MOST}")
    try:
        transaction = decode(raw, allow_card_numbers=allow_card_numbers)
    except Refusal as refusal:
        return Bad(raw, refusal.reason, explained(raw, refusal.reason, refusal.field))
    return Good(raw, transaction.transaction_id, transaction.card_id)


def explained(raw: bytes, reason: str, field: str) -> str:
    """What is wrong with a refused row, for whoever has to mend it; repeats no value of the row."""
    if reason == "not_json":
        return _not_json(raw)
    wanted = f"; it is {_WANTED[field]}" if field in _WANTED else ""
    return _DETAILS.get(reason, reason).format(field=field, wanted=wanted)


def _not_json(raw: bytes) -> str:
    """Where the row stops being JSON; what stands there is not repeated."""
    try:
        msgspec.json.decode(raw)
        raw.decode()
    except UnicodeDecodeError as error:
        return f"the row is not UTF-8 at byte {error.start}"
    except msgspec.DecodeError as error:
        if found := _BYTE.search(str(error)):
            return f"the row is not one whole JSON object: it goes wrong at byte {found['byte']} of {len(raw)}"
        return f"the row is not one whole JSON object: it is cut off after {len(raw)} bytes"
    except RecursionError:
        return "the row is nested too deeply"
    return "the row is not one whole JSON object"


_DETAILS: Final = {
    "not_an_object": "the row is JSON, but no object with the contract's fields",
    "missing_field": "the required field {field} is missing{wanted}",
    "wrong_type": "the field {field} is not of the contract's type{wanted}",
    "wrong_value": "the value of the field {field} is not one that the contract has{wanted}",
    "ahead_of_its_time": "the field {field} lies more than a day ahead of the moment at which the broker took the row",
    "card_number": "the field {field} looks like a card number; send a token in its place",
}
_BYTE: Final = re.compile(r"\(byte (?P<byte>[0-9]+)\)")


def _one_of(values: Any) -> str:
    return f"one of {', '.join(get_args(values))}"


_ID: Final = "a string of 1 to 64 characters, none of them NUL"
_WANTED: Final = {
    "transaction_id": _ID,
    "card_id": _ID,
    "occurred_at": "a time with its offset as RFC 3339 has it, for example 2026-03-14T10:00:00+07:00",
    "amount": 'a decimal with a point, as a string: "12.50"',
    "currency": "three capital letters of ISO 4217, for example USD",
    "merchant.country": "two capital letters of ISO 3166, for example KH",
    "channel": _one_of(Channel),
    "entry_mode": _one_of(EntryMode),
    "type": _one_of(Type),
    "outcome": _one_of(Outcome),
    "instrument": _one_of(Instrument),
    "deferred": "true or false",
}
