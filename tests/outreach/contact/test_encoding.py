import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.contact.encoding import ALONE, GSM7_BASIC, GSM7_EXTENDED, JOINED, Encoding, measure

basic = st.text(alphabet=sorted(GSM7_BASIC), max_size=700)
gsm = st.text(alphabet=sorted(GSM7_BASIC | GSM7_EXTENDED), max_size=700)
anything = st.text(max_size=400)


@pytest.mark.parametrize(
    ("text", "encoding", "parts"),
    [
        ("", Encoding.GSM7, 1),
        ("a" * 160, Encoding.GSM7, 1),
        ("a" * 161, Encoding.GSM7, 2),
        ("a" * 306, Encoding.GSM7, 2),
        ("a" * 307, Encoding.GSM7, 3),
        ("€" * 80, Encoding.GSM7, 1),
        ("€" * 81, Encoding.GSM7, 2),
        ("ñ" * 160, Encoding.GSM7, 1),
        ("í" * 70, Encoding.UCS2, 1),
        ("í" * 71, Encoding.UCS2, 2),
        ("í" * 134, Encoding.UCS2, 2),
        ("í" * 135, Encoding.UCS2, 3),
        ("😀" * 35, Encoding.UCS2, 1),
    ],
)
def test_the_limits_are_the_carriers(text: str, encoding: Encoding, parts: int) -> None:
    size = measure(text)
    assert (size.encoding, size.parts) == (encoding, parts)


@pytest.mark.parametrize("char", ["\u2019", "ł", "Ж", "á", "\u00a0", "`"])
def test_one_character_outside_the_alphabet_forces_the_wide_encoding(char: str) -> None:
    assert measure("plain text " + char).encoding is Encoding.UCS2


def test_a_part_never_ends_within_an_extended_character() -> None:
    # 153 septets a part: the euro sign, two septets, would lie across the end of the first.
    assert measure("a" * 152 + "€" + "a" * 152).parts == 3
    assert measure("a" * 151 + "€" + "a" * 153).parts == 2


def test_a_part_never_ends_within_a_surrogate_pair() -> None:
    assert measure("í" * 66 + "😀" + "í" * 66).parts == 3


@given(gsm)
def test_gsm_units_count_extended_characters_twice(text: str) -> None:
    size = measure(text)
    assert size.encoding is Encoding.GSM7
    assert size.units == len(text) + sum(char in GSM7_EXTENDED for char in text)


@given(basic)
def test_parts_of_plain_text_follow_from_its_length_alone(text: str) -> None:
    expected = 1 if len(text) <= 160 else -(-len(text) // 153)
    assert measure(text).parts == expected


@given(anything)
def test_parts_are_enough_and_none_is_wasted(text: str) -> None:
    size = measure(text)
    if size.parts == 1:
        assert size.units <= ALONE[size.encoding]
    else:
        room = JOINED[size.encoding]
        assert size.units <= size.parts * room
        # Each part but the last is full but for one unit that a character of two could not use.
        assert size.units > (size.parts - 1) * (room - 1)


@given(anything, anything)
def test_more_text_never_takes_fewer_parts(text: str, more: str) -> None:
    assert measure(text + more).parts >= measure(text).parts
