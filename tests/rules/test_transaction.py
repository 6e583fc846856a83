"""What is a transaction, and what is refused with which reason and field."""

import json
from typing import Any

import msgspec
import pytest

from rules.transaction import Refusal, Transaction, decode
from tests.rules.payments import payment

GOOD: dict[str, Any] = json.loads(payment("t-1", "Paris"))
FIELDS = set(Transaction.__struct_fields__)


def refusal(raw: bytes) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        decode(raw)
    assert caught.value.reason in str(caught.value)
    return caught.value.reason, caught.value.field


def changed(**fields: object) -> bytes:
    return json.dumps(GOOD | fields).encode()


def test_the_least_that_is_a_transaction_has_the_defaults_of_the_contract() -> None:
    required = ("transaction_id", "card_id", "occurred_at", "amount", "currency", "channel", "entry_mode")
    transaction = decode(json.dumps({name: GOOD[name] for name in required}).encode())
    assert (transaction.type, transaction.outcome, transaction.instrument) == ("purchase", "approved", "plastic")
    assert (transaction.merchant, transaction.location, transaction.repeat_of) == (None, None, None)
    assert transaction.deferred is False


@pytest.mark.parametrize(
    "name", ["transaction_id", "card_id", "occurred_at", "amount", "currency", "channel", "entry_mode"]
)
def test_a_required_field_that_is_missing_or_null_is_named(name: str) -> None:
    without = {key: value for key, value in GOOD.items() if key != name}
    assert refusal(json.dumps(without).encode()) == ("missing_field", name)
    assert refusal(changed(**{name: None})) == ("wrong_type", name)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("transaction_id", "", "wrong_value"),
        ("transaction_id", "x" * 65, "wrong_value"),
        ("transaction_id", 7, "wrong_type"),
        ("transaction_id", "t\0", "wrong_value"),
        ("card_id", "x" * 65, "wrong_value"),
        ("card_id", "\0", "wrong_value"),
        ("occurred_at", "2026-03-14T10:00:00", "wrong_value"),
        ("occurred_at", "14.03.2026", "wrong_value"),
        ("occurred_at", "2026-02-30T10:00:00Z", "wrong_value"),
        ("amount", "1,50", "wrong_value"),
        ("amount", "1e3", "wrong_value"),
        ("amount", "NaN", "wrong_value"),
        ("amount", "", "wrong_value"),
        ("amount", "\u0661", "wrong_value"),
        ("amount", True, "wrong_type"),
        ("currency", "eur", "wrong_value"),
        ("currency", "EURO", "wrong_value"),
        ("currency", "E1R", "wrong_value"),
        ("currency", "ÄÖÜ", "wrong_value"),
        ("channel", "phone", "wrong_value"),
        ("entry_mode", "telepathy", "wrong_value"),
        ("type", "gift", "wrong_value"),
        ("type", None, "wrong_type"),
        ("outcome", "maybe", "wrong_value"),
        ("instrument", "watch", "wrong_value"),
        ("deferred", "yes", "wrong_type"),
        ("repeat_of", "", "wrong_value"),
        ("merchant", "shop", "wrong_type"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(name: str, value: object, reason: str) -> None:
    assert refusal(changed(**{name: value})) == (reason, name)


@pytest.mark.parametrize("country", ["fr", "FRA", "F1"])
def test_a_country_that_has_not_the_shape_of_iso_3166_is_refused(country: str) -> None:
    assert refusal(changed(merchant={"country": country})) == ("wrong_value", "merchant.country")


@pytest.mark.parametrize("amount", ["-3.50", "0", 12, 12.5, 10**30])
def test_an_amount_is_a_decimal_as_a_string_or_a_number(amount: object) -> None:
    assert decode(changed(amount=amount)).amount == amount


@pytest.mark.parametrize(
    "location",
    [
        "Paris",
        [],
        {},
        {"lat": "48.8", "lon": 2.3},
        {"lat": 91, "lon": 2.3},
        {"lat": 48.8, "lon": 181},
        {"lat": 48.8, "lon": 2.3, "radius_km": -1},
        {"lat": 48.8, "lon": 2.3, "radius_km": 99999},
    ],
)
def test_wrong_values_of_the_location_make_the_point_missing_not_the_transaction(location: object) -> None:
    transaction = decode(changed(location=location))
    assert transaction.location is None
    assert transaction.transaction_id == "t-1"


def test_a_wrong_location_does_not_hide_what_else_is_wrong() -> None:
    assert refusal(changed(location="Paris", currency="x")) == ("wrong_value", "currency")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b'{"transaction_id":"a"',
        b"nonsense",
        payment("t", "Paris") + payment("u", "Paris"),
        b'{"deep":' + b"[" * 100_000,
        changed(location="x")[:-1] + b', "note": nope}',
        payment("t", "Paris").replace(b'"t"', b'"\xff"'),
        payment("t", "Paris").replace(b'{"tr', b'{"note":"\xff","tr'),
        changed(location="x").replace(b'{"tr', b'{"note":nope,"tr'),
        payment("t", "Paris")[:-1] + b', "location": "x", "deep": ' + b"[" * 100_000,
    ],
    ids=range(12),
)
def test_what_is_not_one_whole_json_value_in_utf_8_is_refused(raw: bytes) -> None:
    assert refusal(raw) == ("not_json", "")


@pytest.mark.parametrize("raw", [b"[]", b"null", b"7", b'"text"'])
def test_what_is_json_but_no_object_is_refused(raw: bytes) -> None:
    assert refusal(raw) == ("not_an_object", "")


def test_unknown_fields_are_ignored() -> None:
    assert decode(changed(note={"any": ["thing"]})) == decode(changed())


def test_a_card_number_in_place_of_a_token_is_refused_unless_the_bank_allows_it() -> None:
    row = changed(card_id="4111111111111111")
    assert refusal(row) == ("card_number", "card_id")
    assert decode(row, allow_card_numbers=True).card_id == "4111111111111111"


def test_a_row_has_one_digest_and_the_same_content_written_differently_another() -> None:
    spaced = json.dumps(GOOD, indent=2).encode()
    assert decode(spaced) == decode(changed())
    assert decode(spaced).digest == decode(bytes(spaced)).digest
    assert decode(spaced).digest != decode(changed()).digest
    assert len({decode(changed(amount=f"{n}.00")).digest for n in range(100)}) == 100


def test_no_sender_can_give_a_row_the_digest_of_another() -> None:
    names = [field.encode_name for field in msgspec.structs.fields(type(decode(changed())))]
    forged = decode(changed(**{name: {"any": "thing"} for name in set(names) - FIELDS}))
    assert len(forged.digest) == 16
    assert forged.digest != decode(changed()).digest


def test_a_transaction_is_equal_by_content_and_to_nothing_else() -> None:
    assert decode(changed()) != decode(changed(amount="22.01"))
    assert decode(changed()) != object()


def test_a_transaction_that_was_not_decoded_has_no_digest() -> None:
    made = Transaction(**{name: getattr(decode(changed()), name) for name in FIELDS})
    assert made.digest == b""


@pytest.mark.parametrize("card_id", [" 4111111111111111", "-4111111111111111", "4111-1111-1111-1111"])
def test_a_card_number_is_one_with_spaces_and_dashes_wherever_they_are(card_id: str) -> None:
    assert refusal(changed(card_id=card_id)) == ("card_number", "card_id")


@pytest.mark.parametrize("amount", [".5", "5.", ".", "1.2.3", "--1", "\uff11.0"])
def test_what_is_nearly_a_decimal_is_none(amount: str) -> None:
    assert refusal(changed(amount=amount)) == ("wrong_value", "amount")


def test_the_instant_counts_microseconds_whatever_the_offset() -> None:
    assert decode(changed(occurred_at="1970-01-01T07:00:01.000002+07:00")).at_us == 1_000_002
    assert decode(changed(occurred_at="1969-12-31T23:59:59Z")).at_us == -1_000_000
