"""Takes card numbers out of what a customer writes, before anything of it is kept or logged.

PCI DSS 4.0.1, 3.5.1 and 4.2.2: what is not stored cannot be read. The mask is wider than a check digit would make it: a
card number with a slip in it is still most of a card number, and no answer to us needs thirteen digits in a row.
"""

import re
import unicodedata

MASK = "[number removed]"
"""Stands where the digits stood."""

FEWEST_DIGITS = 13
"""The shortest card number (ISO/IEC 7812-1 allows 19 at most; longer runs hold one, and are masked whole)."""

# Up to three characters that people write between the groups of a number: "4111 1111", "4111-1111", "4111 / 1111".
_RUN = re.compile(r"\d(?:[\s.,:;/_*·•–—-]{0,3}\d)*")  # noqa: RUF001 - dashes that phones type by themselves


def scrub(text: str) -> str:
    """The text with every run of thirteen or more digits replaced by ``MASK``.

    Digits of any script count, and so do full-width ones; spaces and usual separators within a run do not end it.
    """
    plain = "".join(_digit(char) for char in text)
    return _RUN.sub(_masked, plain)


def _digit(char: str) -> str:
    value = unicodedata.digit(char, None)
    return char if value is None else str(value)


def _masked(run: re.Match[str]) -> str:
    digits = sum(char.isdigit() for char in run.group())
    return MASK if digits >= FEWEST_DIGITS else run.group()
