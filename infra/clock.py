"""The clock is passed in: nothing below the command line asks the machine for the time by itself."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Answers the present moment as an aware datetime in UTC."""


def utc_now() -> datetime:
    """The machine's present moment, in UTC."""
    return datetime.now(UTC)
