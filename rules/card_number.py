"""What looks like a card number, and masking it wherever it stands."""

from typing import TypeVar

TextOrBytes = TypeVar("TextOrBytes", str, bytes)


def looks_like_card_number(text: str) -> bool:
    """Whether the whole text is 13 to 19 digits (spaces and dashes aside), a network's prefix, a right check digit."""
    raise NotImplementedError


def mask_card_numbers(value: TextOrBytes) -> TextOrBytes:
    """The value with every digit but the last four of anything that looks like a card number replaced by ``*``."""
    raise NotImplementedError
