import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.contact.scrub import FEWEST_DIGITS, MASK, scrub


@pytest.mark.parametrize(
    "written",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111 - 1111 - 1111 - 1111",
        "4111\n1111\n1111\n1111",
        "\uff14111 1111 1111 1111",
        "3782 822463 10005",
        "4111 1111 1111 1112",  # a slip: the check digit is wrong, and it is still a card number to a thief
    ],
)
def test_a_card_number_is_taken_out_however_it_is_written(written: str) -> None:
    assert scrub(f"2, my card is {written} ok?") == f"2, my card is {MASK} ok?"


@pytest.mark.parametrize(
    "text", ["1", "2 K7M2QP", "call me on +1 415 555 0100", "12/11/2026 at 10:30", "no digits", ""]
)
def test_what_is_no_card_number_stays(text: str) -> None:
    assert scrub(text) == text


@given(st.text(max_size=60), st.integers(10 ** (FEWEST_DIGITS - 1), 10**19 - 1), st.text(max_size=60))
def test_no_long_number_survives_whatever_stands_around_it(before: str, number: int, after: str) -> None:
    assert str(number) not in scrub(f"{before}{number}{after}")


@given(st.text(max_size=200))
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)
