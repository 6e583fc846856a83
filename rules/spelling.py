"""Names as they are compared: without case, accents, punctuation, and the letters that languages write differently."""

import re
from typing import Final
from unicodedata import normalize

_MARKS: Final = re.compile("[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u3099\u309a]+")
"""Accents and vowel signs that are written above, below or beside a letter."""

_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ħ": "h", "ŋ": "n"}
)
"""Letters that no accent makes, as they are written where they do not exist."""

_WRITTEN_OUT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
"""As German and the Scandinavian languages write them where they do not exist (Köln, Koeln; Tromsø, Tromsoe)."""

_NO_LETTER: Final = re.compile(r"[\W_]+")
_NO_LETTER_IN_LINES: Final = re.compile(r"[^\w\n]+|_+")


def folded(name: str) -> str:
    """The name without case, accents, punctuation and spaces."""
    return _NO_LETTER.sub("", _plain(name))


def folded_lines(names: str) -> str:
    """The same of a name a line, all at once."""
    return _NO_LETTER_IN_LINES.sub("", _plain(names))


def written_out(name: str) -> str:
    """The name folded with ``ae`` for ``ä`` and so on."""
    return folded(normalize("NFC", name).casefold().translate(_WRITTEN_OUT))


def words(name: str) -> str:
    """The name's words without case and accents, a space before, between and after them."""
    return f" {_NO_LETTER.sub(' ', _plain(name)).strip()} "


def _plain(name: str) -> str:
    if not name.isascii():
        name = normalize("NFC", _MARKS.sub("", normalize("NFKD", name)))
    name = name.casefold()
    return name if name.isascii() else name.translate(_LETTERS)
