"""One row of a batch or a file: what its refusal tells whoever has to mend it."""

import json

import pytest

from rules.transaction import Refusal, decode
from streams.feed.rows import Bad, explained, read_row

GOOD = {
    "transaction_id": "t-1",
    "card_id": "card-1",
    "occurred_at": "2026-03-14T10:00:00Z",
    "amount": "1.00",
    "currency": "EUR",
    "merchant": {"country": "FR"},
    "channel": "atm",
    "entry_mode": "chip",
}


@pytest.mark.parametrize("field", ["transaction_id", "card_id"])
@pytest.mark.parametrize("value", ["", "x" * 65, "a\0b", 7])
def test_an_id_that_is_refused_is_told_what_one_is(field: str, value: object) -> None:
    row = read_row(json.dumps(GOOD | {field: value}).encode())
    assert isinstance(row, Bad)
    assert f"the field {field} " in row.detail
    assert row.detail.endswith("it is a string of 1 to 64 characters, none of them NUL")


@pytest.mark.parametrize("raw", [b"", b"\xff", b"{", b"[]", b"{}", b'{"card_id": 4111111111111111}', b"[" * 5_000])
def test_whatever_is_refused_is_explained(raw: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        decode(raw)
    said = explained(raw, refused.value.reason, refused.value.field)
    assert " " in said
    assert "4111" not in said


def test_a_time_to_come_is_explained() -> None:
    assert "occurred_at lies more than a day ahead" in explained(b"", "ahead_of_its_time", "occurred_at")
