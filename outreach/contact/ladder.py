"""Which channel comes next when one did not reach the customer."""

from collections.abc import Collection
from typing import Final

SMS: Final = "sms"
EMAIL: Final = "email"

LADDER: Final = (SMS, EMAIL)
"""From the fastest to the last; each step is taken at most once for one event."""


def next_channel(tried: Collection[str]) -> str | None:
    """The first channel that has not been tried yet; ``None``: the ladder is over, and a person has to act."""
    return next((channel for channel in LADDER if channel not in tried), None)


def step_of(channel: str) -> int:
    """The place of a channel on the ladder, from 1.

    Raises:
        ValueError: the ladder has no such channel.
    """
    return LADDER.index(channel) + 1
