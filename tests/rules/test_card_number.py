"""What looks like a card number, and that it is masked wherever it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.card_number import looks_like_card_number, mask_card_numbers

NUMBERS = [  # the networks' published test numbers
    "4111111111111111",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3530111333300000",
    "6200000000000005",
]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_of_a_network_with_its_check_digit_looks_like_one(number: str) -> None:
    assert looks_like_card_number(number)
    assert looks_like_card_number("-".join(number[at : at + 4] for at in range(0, len(number), 4)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111",
        "4111111111111112",
        "9999999999999995",
        "41111111111111111111",
        "card-4111111111111111",
        "٤١١١١١١١١١١١١١١١",
        "-------------------",
    ],
)
def test_anything_else_does_not(text: str) -> None:
    assert not looks_like_card_number(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"pan":4111111111111111}', '{"pan":************1111}'),
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("4111-1111-1111-1111.", "****-****-****-1111."),
        ("x4111111111111111y378282246310005z", "x************1111y***********0005z"),
        ("4111111111111111 4111111111111111", "************1111 ************1111"),
        (";4111111111111111=25121010000012345678?", ";************1111=25121010000012345678?"),
        ("00004111111111111111", "0000************1111"),
        ("12 4111111111111111", "12 ************1111"),
        ("1700000000000 and 4111111111111112", "1700000000000 and 4111111111111112"),
    ],
)
def test_all_but_the_last_four_digits_are_masked_and_nothing_else(text: str, masked: str) -> None:
    assert mask_card_numbers(text) == masked
    assert mask_card_numbers(b"\xff" + text.encode() + b"\x00") == b"\xff" + masked.encode() + b"\x00"


@given(st.binary(max_size=40), st.sampled_from(NUMBERS), st.binary(max_size=40))
def test_amid_any_bytes_that_are_no_digits_the_number_is_gone_and_the_length_stays(
    before: bytes, number: str, after: bytes
) -> None:
    digits = b"0123456789 -"
    raw = before.translate(None, digits) + number.encode() + after.translate(None, digits)
    masked = mask_card_numbers(raw)
    assert number.encode() not in masked
    assert len(masked) == len(raw)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_found_wherever_it_is_in_a_very_long_run_of_digits(number: str) -> None:
    zeros = "0" * 50_000
    run = zeros + number + zeros
    masked = mask_card_numbers(run)
    assert masked != run
    assert number not in masked
    assert len(masked) == len(run)


def test_every_number_of_a_very_long_list_is_masked() -> None:
    masked = "************1111"
    assert mask_card_numbers(" ".join([NUMBERS[0]] * 5_000)) == " ".join([masked] * 5_000)
    assert mask_card_numbers(NUMBERS[0] * 5_000) == masked * 5_000


@given(st.text("0123456789", min_size=12, max_size=20))
def test_a_check_digit_is_right_when_luhn_s_formula_says_so(digits: str) -> None:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed("4" + digits))]
    luhn = sum(number // 10 + number % 10 for number in doubled) % 10 == 0
    assert looks_like_card_number("4" + digits) == (luhn and len(digits) + 1 in {13, 16, 18, 19})
