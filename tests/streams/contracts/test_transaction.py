"""Two readers, one contract: whatever the bytes, they accept the same rows and read the same values from them."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules.transaction import Refusal, Transaction, decode
from streams.contracts.transaction import EXAMPLES, TransactionMessage

GOOD = EXAMPLES["purchase"]
LEAST = EXAMPLES["least"]


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def row(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}, ensure_ascii=False).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()


def hot(raw: bytes) -> dict[str, Any] | None:
    try:
        transaction = decode(raw)
    except Refusal:
        return None
    values = {name: getattr(transaction, name) for name in Transaction.__struct_fields__}
    for part in ("merchant", "location"):
        if values[part] is not None:
            values[part] = {name: getattr(values[part], name) for name in values[part].__struct_fields__}
    return values


def published(raw: bytes) -> dict[str, Any] | None:
    try:
        return TransactionMessage.read(raw).model_dump()
    except ValueError:
        return None


def comparable(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {**values, "amount": Decimal(str(values["amount"])), "occurred_at": values["occurred_at"] - EPOCH}


def agree(raw: bytes) -> None:
    assert comparable(hot(raw)) == comparable(published(raw))


TEXT = st.text(max_size=70)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
ANYTHING = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.builds(lambda at, zone: at.replace(tzinfo=zone).isoformat(), st.datetimes(), ZONES)
ODD_MOMENTS = st.from_regex(
    r"\A(0000|0001|2026|9999)-(02|12)-(28|29|31)[Tt _](23|24):59:(59|60)(\.[0-9]{1,10})?"
    r"([Zz]|[+-](00|14|23|24):?(00|59))?\Z"
)
AMOUNTS = st.from_regex(r"\A-?[0-9]{0,30}(\.[0-9]{0,9})?\Z") | st.integers() | st.floats() | TEXT
DEGREES = st.floats(-200, 200) | st.integers(-200, 200) | SCALAR
LOCATIONS = st.fixed_dictionaries({"lat": DEGREES, "lon": DEGREES}, optional={"radius_km": DEGREES}) | ANYTHING
MERCHANTS = st.fixed_dictionaries(
    {},
    optional={
        "name": SCALAR,
        "mcc": SCALAR,
        "city": SCALAR,
        "country": SCALAR | st.sampled_from(["FR", "fr", "ÄÖ"]),
        "id": SCALAR,
    },
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "transaction_id": TEXT | st.just("a\0b") | SCALAR,
        "card_id": TEXT
        | st.sampled_from(["\0", "4111111111111111", "4111 1111 1111 1111", "4111111111111112"])
        | SCALAR,
        "occurred_at": MOMENTS | ODD_MOMENTS | ANYTHING,
        "amount": AMOUNTS | ANYTHING,
        "currency": st.sampled_from(["EUR", "eur", "EU", "EURO", "ÄÖÜ", "E1R"]) | ANYTHING,
        "merchant": MERCHANTS | ANYTHING,
        "location": LOCATIONS,
        "channel": st.sampled_from(["atm", "ATM", "card_present", ""]) | ANYTHING,
        "entry_mode": st.sampled_from(["chip", "fallback", "chips"]) | ANYTHING,
        "type": st.sampled_from(["purchase", "refund", "gift"]) | ANYTHING,
        "outcome": st.sampled_from(["approved", "declined", "maybe"]) | ANYTHING,
        "decline_reason": ANYTHING,
        "instrument": st.sampled_from(["plastic", "wallet", "ring"]) | ANYTHING,
        "device_id": ANYTHING,
        "deferred": ANYTHING,
        "repeat_of": ANYTHING,
        "unknown": ANYTHING,
    },
)


@given(changes=CHANGES)
@settings(max_examples=120, deadline=None)
def test_both_readers_give_the_same_answer_whatever_a_field_holds(changes: dict[str, Any]) -> None:
    agree(json.dumps({**GOOD, **changes}).encode())
    agree(json.dumps({**LEAST, **changes}, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@given(data=st.data())
@settings(max_examples=120, deadline=None)
def test_both_readers_give_the_same_answer_whatever_is_done_to_the_bytes(data: st.DataObject) -> None:
    raw = row(unknown={"a": [1, "é"]})
    start = data.draw(st.integers(0, len(raw)), "start")
    end = data.draw(st.integers(start, min(len(raw), start + 8)), "end")
    piece = data.draw(
        st.binary(max_size=6) | st.sampled_from([b"},{", b"}\n{", b"NaN", b"1e999", b'"', b"\\ud800", b"]"])
    )
    agree(raw[:start] + piece + raw[end:])


@given(raw=st.binary(max_size=200))
@example(raw=b"")
@example(raw=b"null")
@example(raw=b"[]")
@example(raw=b"[" * 100_000)
@settings(deadline=None)
def test_rubbish_is_refused_by_both(raw: bytes) -> None:
    assert hot(raw) is None
    assert published(raw) is None


END_AND_START = [
    row() + b"," + row(transaction_id="t-second"),
    row() + b"\n" + row(transaction_id="t-second"),
    row()[:-1] + b"},{" + row(transaction_id="t-second")[1:],
    row() + b"]",
    b"[" + row() + b"]",
    row() + b"\x00" + row(transaction_id="t-second"),
    b"\x1e" + row(),
    row() + b"}",
    row()[:-1] + b',"unknown":"' + b'"},{"' + b'"}',
]


@pytest.mark.parametrize("raw", END_AND_START)
def test_a_row_that_ends_itself_and_begins_another_is_refused_by_both(raw: bytes) -> None:
    assert hot(raw) is None
    assert published(raw) is None


def test_the_end_of_a_row_inside_a_string_is_only_a_string() -> None:
    raw = row(decline_reason='"},{"transaction_id":"t-second"}\n')

    agree(raw)
    assert decode(raw).transaction_id == GOOD["transaction_id"]


@pytest.mark.parametrize(
    "field", ["transaction_id", "card_id", "occurred_at", "amount", "currency", "channel", "entry_mode"]
)
def test_a_missing_required_field_is_refused_by_both(field: str) -> None:
    assert hot(without(field)) is None
    assert published(without(field)) is None


@pytest.mark.parametrize("location", [5, "Paris", {}, {"lat": 91, "lon": 0}, {"lat": "48", "lon": 2}, [48, 2]])
def test_a_wrong_location_makes_the_point_missing_and_not_the_transaction(location: Any) -> None:
    raw = row(location=location)

    agree(raw)
    assert decode(raw).location is None


@pytest.mark.parametrize(
    "unknown",
    [
        b'"\\ud800"',
        b'"\xff"',
        b"1e999",
        b"[" * 150 + b"]" * 150,
        b"[" * 900 + b"]" * 900,
        b'"\\x"',
        b"9" * 5000,
        b"NaN",
        b'"\x01"',
    ],
)
def test_what_stands_in_an_unknown_field_is_judged_alike(unknown: bytes) -> None:
    agree(row()[:-1] + b',"unknown":' + unknown + b"}")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 400, b"-0", b"1E2", b"01", b"1.", b"NaN", b"1e-999"])
@pytest.mark.parametrize("field", ["amount", "location", "merchant"])
def test_odd_numbers_are_judged_alike(field: str, number: bytes) -> None:
    agree(row()[:-1] + b',"' + field.encode() + b'":' + number + b"}")
    agree(row()[:-1] + b',"' + field.encode() + b'":{"lat":1,"lon":' + number + b"}}")


def test_of_a_name_that_occurs_twice_the_last_counts_for_both() -> None:
    raw = row()[:-1] + b',"amount":"7.5"}'

    agree(raw)
    assert decode(raw).amount == "7.5"
