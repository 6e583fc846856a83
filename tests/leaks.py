"""Looks for what must not be shown in what is shown."""

import re
from collections.abc import Iterable
from typing import Final

_BY_CHANCE: Final = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"  # a UUID
    r"|\b(?=[0-9]*[a-f])[0-9a-f]{12,}\b"  # a digest or a token
    r"|(?<=:\d\d\.)\d{6}(?!\d)|(?<=, )\d{6}(?=, tzinfo)"  # microseconds, in ISO 8601 and as Python shows them
)
"""What has any four digits in it in a few runs of a hundred."""


def leaks(secrets: Iterable[str], shown: str) -> list[str]:
    """Which of these are shown anywhere but within an id, a digest or the microseconds of a moment."""
    left = _BY_CHANCE.sub("", shown)
    return [one for one in secrets if one in left]
