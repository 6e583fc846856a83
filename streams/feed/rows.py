"""One row of a batch or a file: a transaction that goes on as the bytes it came in, or a refusal with its reason."""

from typing import Final, NamedTuple

from rules.transaction import Refusal, decode

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
        return Bad(raw, refusal.reason, _DETAILS.get(refusal.reason, refusal.reason).format(field=refusal.field))
    return Good(raw, transaction.transaction_id, transaction.card_id)


_DETAILS: Final = {
    "not_json": "the row is not one whole JSON object, or is cut off",
    "not_an_object": "the row is JSON, but not an object",
    "missing_field": "the required field {field} is missing",
    "wrong_type": "the field {field} is not of the contract's type",
    "wrong_value": "the value of the field {field} is not one that the contract has",
    "card_number": "the field {field} looks like a card number; send a token",
}
