"""What must not be shown is found wherever it is, and in nothing that only has its digits in it."""

import pytest

from tests.leaks import leaks


@pytest.mark.parametrize("shown", ["4821", "card •••• 4821.", "{'last_four': '4821'}", ">4821<", "+4821"])
def test_a_few_digits_are_found_where_they_stand_alone(shown: str) -> None:
    assert leaks(["4821"], shown) == ["4821"]


@pytest.mark.parametrize("shown", ["ab4821cd", "0a5d-4821-8f", "token_4821_", "1482100", ".48219"])
def test_a_few_digits_in_an_id_are_nobodys(shown: str) -> None:
    assert leaks(["4821"], shown) == []


def test_names_and_whole_numbers_are_found_anywhere() -> None:
    assert leaks(["Chan", "4155552671", "a.b"], "xChany +14155552671 a-b") == ["Chan", "4155552671"]
