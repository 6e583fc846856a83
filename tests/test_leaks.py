"""What must not be shown is found wherever it is, and not in what has any digits in it by chance."""

from datetime import UTC, datetime

import pytest

from tests.leaks import leaks


@pytest.mark.parametrize(
    "shown",
    ["4821", "card •••• 4821.", "{'last_four': '4821'}", "visa4821", "card-4821", "4111111111114821", "k_4821_x"],
)
def test_a_few_digits_are_found_wherever_they_are_shown(shown: str) -> None:
    assert leaks(["4821"], shown) == ["4821"]


@pytest.mark.parametrize(
    "shown",
    [
        "case-a136a2f2-4821-53a2-81a9-c6220a6c4821",
        'name="csrf" value="8ff74821e63d0aa1"',
        "2026-03-14T10:12:01.148210Z",
        str([datetime(2026, 3, 14, 10, 12, 1, 248213, tzinfo=UTC)]),
    ],
)
def test_digits_that_came_by_chance_are_nobodys(shown: str) -> None:
    assert leaks(["4821"], shown) == []


def test_names_and_whole_numbers_are_found_anywhere() -> None:
    assert leaks(["Chan", "4155552671", "a.b"], "xChany +14155552671 a-b") == ["Chan", "4155552671"]
