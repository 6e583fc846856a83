"""What looks like a card number, and masking it wherever it stands.

A card number is 13 to 19 digits with a payment network's prefix, a length that the network issues, and a right check
digit (ISO/IEC 7812-1, annex B: Luhn). One token in twenty or so of a random digit string looks so by chance: masking
errs on that side, on purpose.
"""

import re
from typing import Final, overload

_NETWORKS: Final = (
    # prefix from, prefix to, lengths; the networks' published ranges, joined where they overlap
    ("1", "1", (15,)),  # UATP
    ("2200", "2205", (16, 17, 18, 19)),  # Mir, Borica
    ("2221", "2720", (16,)),  # Mastercard
    ("300", "305", (14, 15, 16, 17, 18, 19)),  # Diners Club
    ("3095", "3095", (14, 15, 16, 17, 18, 19)),  # Diners Club
    ("34", "34", (15,)),  # American Express
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("36", "36", (14, 15, 16, 17, 18, 19)),  # Diners Club
    ("37", "37", (15,)),  # American Express
    ("38", "39", (14, 15, 16, 17, 18, 19)),  # Diners Club
    ("4", "4", (13, 16, 18, 19)),  # Visa
    ("50", "50", (13, 14, 15, 16, 17, 18, 19)),  # Maestro, RuPay, Verve, Elo
    ("51", "55", (16,)),  # Mastercard
    ("56", "58", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("60", "69", (13, 14, 15, 16, 17, 18, 19)),  # Discover, Maestro, UnionPay, RuPay
    ("81", "82", (16, 17, 18, 19)),  # UnionPay, RuPay
    ("9792", "9792", (16,)),  # Troy
)
_SHORTEST: Final = 13
_LONGEST: Final = 19
_SHOWN: Final = 4
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_DIGITS: Final = frozenset("0123456789")

_RUN = re.compile(r"[0-9](?:[ -]?[0-9]){12,}")
_GROUP = re.compile(r"[0-9]+")


def looks_like_card_number(text: str) -> bool:
    """Whether the whole text is 13 to 19 digits (spaces and dashes aside), a network's prefix, a right check digit."""
    if len(text) < _SHORTEST:
        return False
    digits = text.replace(" ", "").replace("-", "")
    return _SHORTEST <= len(digits) <= _LONGEST and _DIGITS.issuperset(digits) and _is_card_number(digits)


@overload
def mask_card_numbers(value: str) -> str: ...
@overload
def mask_card_numbers(value: bytes) -> bytes: ...
def mask_card_numbers(value: str | bytes) -> str | bytes:
    """The value with all but the last four digits of anything that looks like a card number replaced by ``*``.

    Digits may stand together or apart by single spaces or dashes, amid any text or bytes; length and everything else
    stay as they are. A number is looked for where a group of digits begins and ends, and everywhere inside a group of
    more than 19 digits, which hides one that was glued to something else.
    """
    if isinstance(value, bytes):  # every byte is one character of latin-1, so nothing is lost on the way and back
        return _RUN.sub(_masked, value.decode("latin-1")).encode("latin-1")
    return _RUN.sub(_masked, value)


def _masked(match: re.Match[str]) -> str:
    run = match.group()
    places = [index for index, character in enumerate(run) if character in _DIGITS]
    digits = "".join(run[index] for index in places)
    starts, ends = _bounds(run)
    characters = list(run)
    first = 0
    while first <= len(digits) - _SHORTEST:
        length = _length_at(digits, first, ends) if first in starts else 0
        for index in places[first : first + max(0, length - _SHOWN)]:
            characters[index] = "*"
        first += length or 1
    return "".join(characters)


def _length_at(digits: str, first: int, ends: set[int]) -> int:
    """How long the card number is that begins at the digit ``first``; 0: none does. The longest wins."""
    for length in range(min(_LONGEST, len(digits) - first), _SHORTEST - 1, -1):
        if first + length in ends and _is_card_number(digits[first : first + length]):
            return length
    return 0


def _bounds(run: str) -> tuple[set[int], set[int]]:
    """Where, counted in digits, a card number may begin in the run, and where it may end."""
    starts: set[int] = set()
    ends: set[int] = set()
    counted = 0
    for group in _GROUP.findall(run):
        inside = range(counted, counted + len(group)) if len(group) > _LONGEST else range(0)
        starts.update((counted, *inside))
        counted += len(group)
        ends.update((counted, *inside))
    return starts, ends


def _is_card_number(digits: str) -> bool:
    return _has_network(digits) and _check_digit_is_right(digits)


def _has_network(digits: str) -> bool:
    return any(low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _NETWORKS)


def _check_digit_is_right(digits: str) -> bool:
    kept = sum(map(int, digits[-1::-2]))
    return (kept + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])) % 10 == 0
