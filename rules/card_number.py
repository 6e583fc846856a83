"""What looks like a card number, and masking it wherever it stands.

A card number is 13 to 19 digits with a payment network's prefix, a length that the network issues, and a right check
digit (ISO/IEC 7812-1, annex B: Luhn). One token in twenty or so of a random digit string looks so by chance: masking
errs on that side, on purpose.
"""

import re
from functools import cache
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
_LONGEST_PREFIX: Final = 4
_SHOWN: Final = 4
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_DIGITS: Final = frozenset("0123456789")

_RUN = re.compile(r"[0-9](?:[ -]?[0-9]){12,}")
_OF_A_RUN: Final = bytes(b"."[0] if chr(byte) not in "0123456789 -" else b"0"[0] for byte in range(256))
_SHORTEST_RUN: Final = b"0" * _SHORTEST
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
    more than 19 digits, which hides one that was glued to something else. Takes some microseconds a digit, however
    many there are.
    """
    if isinstance(value, bytes):  # every byte is one character of latin-1, so nothing is lost on the way and back
        return _RUN.sub(_masked, value.decode("latin-1")).encode("latin-1") if may_hold_one(value) else value
    return _RUN.sub(_masked, value) if may_hold_one(value.encode("latin-1", "replace")) else value


def may_hold_one(value: bytes) -> bool:
    """False: nowhere do so many digits stand together, spaces and dashes among them. Takes a microsecond a kilobyte."""
    return _SHORTEST_RUN in value.translate(_OF_A_RUN)


def _masked(match: re.Match[str]) -> str:
    run = match.group()
    digits = run.replace(" ", "").replace("-", "")
    starts, ends = _bounds(run)
    sums = _check_sums(digits)
    characters: list[str] = []  # without spaces and dashes
    first = 0
    while first < len(digits):
        length = _length_at(digits, first, ends, sums) if first in starts else 0
        if length:
            characters += "*" * (length - _SHOWN) + digits[first + length - _SHOWN : first + length]
        else:
            characters.append(digits[first])
        first += length or 1
    shown = iter(characters)
    return "".join(next(shown) if character in _DIGITS else character for character in run)


def _length_at(digits: str, first: int, ends: set[int], sums: tuple[list[int], list[int]]) -> int:
    """How long the card number is that begins at the digit ``first``; 0: none does. The longest wins."""
    for length in _lengths(digits[first : first + _LONGEST_PREFIX]):
        end = first + length
        # the last digit counts as it is, the one before it doubled, and so on: one of the two ways to add up the run
        if end in ends and (sums[end % 2][end] - sums[end % 2][first]) % 10 == 0:
            return length
    return 0


def _check_sums(digits: str) -> tuple[list[int], list[int]]:
    """For every place the sum of the digits before it, those at even places doubled; and those at odd places."""
    sums: tuple[list[int], list[int]] = ([0], [0])
    for place, character in enumerate(digits):
        digit = int(character)
        sums[place % 2].append(sums[place % 2][-1] + _DOUBLED[digit])
        sums[1 - place % 2].append(sums[1 - place % 2][-1] + digit)
    return sums


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
    return len(digits) in _lengths(digits[:_LONGEST_PREFIX]) and _check_sums(digits)[len(digits) % 2][-1] % 10 == 0


@cache
def _lengths(prefix: str) -> tuple[int, ...]:
    """The lengths that networks issue under four digits, the greatest first."""
    found = {length for low, high, lengths in _NETWORKS if low <= prefix[: len(low)] <= high for length in lengths}
    return tuple(sorted(found, reverse=True))
