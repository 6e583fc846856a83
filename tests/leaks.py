"""Looks for what must not be shown in what is shown."""

import re
from collections.abc import Iterable
from typing import Final

_AS_LONG: Final = 8
"""Digits; an id or a token of the page has shorter ones in it by chance, in some runs of a hundred."""


def leaks(secrets: Iterable[str], shown: str) -> list[str]:
    """Which of these are shown anywhere; a few digits alone, only where they are no part of something longer."""
    return [one for one in secrets if re.search(_pattern(one), shown)]


def _pattern(secret: str) -> str:
    if secret.isdigit() and len(secret) < _AS_LONG:
        return rf"(?<![\w-]){secret}(?![\w-])"
    return re.escape(secret)
