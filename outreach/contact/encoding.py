"""How many parts a text message takes: GSM-7 where every character allows it, UCS-2 otherwise.

Sources: 3GPP TS 23.038 (the GSM 7 bit default alphabet and its extension table) and TS 23.040 (concatenated messages:
six octets of each part are the header, which leaves 153 septets or 67 UTF-16 units).
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""Characters of one septet each."""

GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Characters of two septets each: an escape and the character; a part never ends between the two."""


class Encoding(StrEnum):
    """How the characters of a text message are written on the air."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


ALONE = {Encoding.GSM7: 160, Encoding.UCS2: 70}
"""Units that fit into a message of one part."""

JOINED = {Encoding.GSM7: 153, Encoding.UCS2: 67}
"""Units that fit into each part of a message of several."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What a text takes on the air.

    Attributes:
        encoding: the one that the text forces.
        characters: as a person counts them (code points).
        units: septets (GSM-7) or 16-bit units (UCS-2), without the parts' headers.
        parts: messages that are billed; at least 1.
    """

    encoding: Encoding
    characters: int
    units: int
    parts: int


def measure(text: str) -> Size:
    """The encoding, length and parts of a text, exactly as a carrier cuts it."""
    encoding = Encoding.UCS2 if outside_gsm7(text) else Encoding.GSM7
    widths = list(_widths(text, encoding))
    units = sum(widths)
    parts = 1 if units <= ALONE[encoding] else _packed(widths, JOINED[encoding])
    return Size(encoding=encoding, characters=len(text), units=units, parts=parts)


def outside_gsm7(text: str) -> frozenset[str]:
    """The characters that force UCS-2; empty where GSM-7 will do."""
    return frozenset(text) - GSM7_BASIC - GSM7_EXTENDED


def _widths(text: str, encoding: Encoding) -> Iterator[int]:
    for char in text:
        if encoding is Encoding.GSM7:
            yield 2 if char in GSM7_EXTENDED else 1
        else:
            yield 2 if ord(char) > 0xFFFF else 1  # noqa: PLR2004 - the last code point of one UTF-16 unit


def _packed(widths: Iterable[int], room: int) -> int:
    """How many parts of ``room`` units hold the characters when none is cut in two."""
    parts, used = 1, 0
    for width in widths:
        if used + width > room:
            parts, used = parts + 1, 0
        used += width
    return parts
