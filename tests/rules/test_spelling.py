"""Names as they are compared."""

import pytest

from rules.spelling import folded, folded_lines, words, written_out


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("São Paulo", "SAO PAULO"),
        ("Saint-Étienne", "saint etienne"),
        ("Łódź", "lodz"),
        ("Tromsø", "Tromso"),
        ("Diyarbak\u0131r", "DIYARBAKIR"),
        ("Großbeeren", "GROSSBEEREN"),
        ("L'Aquila", "L\u2019AQUILA"),
        ("\uff34\uff4f\uff4b\uff59\uff4f", "Tokyo"),
    ],
)
def test_case_accents_and_punctuation_do_not_matter(name: str, alike: str) -> None:
    assert folded(name) == folded(alike)


def test_letters_of_other_scripts_stay() -> None:
    assert folded("Москва") == "москва"
    assert folded("東京") == "東京"


def test_many_names_are_folded_at_once_as_they_are_one_by_one() -> None:
    names = ["São Paulo", "L'Aquila", "", "!?", "a_b", "Ţânţăreni", "東京都"]
    assert folded_lines("\n".join(names)).split("\n") == [folded(name) for name in names]


@pytest.mark.parametrize(
    ("name", "out"), [("Köln", "koeln"), ("Tromsø", "tromsoe"), ("Århus", "aarhus"), ("Paris", "paris")]
)
def test_german_and_scandinavian_letters_are_written_out(name: str, out: str) -> None:
    assert written_out(name) == out


def test_words_stand_between_spaces() -> None:
    assert words("M/S Nordlys — On-Board") == " m s nordlys on board "
