"""What a channel is asked, and the four things that it may answer; the honest one is `Unknown`."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol, TypeAlias

import msgspec


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message whose intent is recorded.

    Attributes:
        to: number in E.164, or mailbox.
        case_code: stands in the body; by it the message is found again at the provider.
        intended_at: when the first attempt was recorded, UTC.
    """

    case_id: str
    case_code: str
    contact_id: str
    to: str
    heading: str
    body: str
    language: str
    intended_at: datetime


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The provider has it, under this id."""

    provider_id: str


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """It did not go out, and will not on this channel.

    Attributes:
        opted_out: the provider knows of an opt-out; our own list has to learn of it.
    """

    code: str
    reason: str
    opted_out: bool = False


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """It was certainly not processed; the same attempt may be made again, after ``retry_after_s`` if that is given."""

    reason: str
    retry_after_s: float | None = None


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody knows whether it was processed; ask, never send blindly again."""

    reason: str


Outcome: TypeAlias = Accepted | Failed | Busy | Unknown


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How far a message has come, as the provider says when asked. ``code``: its error code, or empty."""

    status: str
    code: str = ""


class Channel(Protocol):
    """A way to the customer.

    Attributes:
        recognises_repeats: a message sent twice is shown once, so an unknown outcome may be sent again.
    """

    recognises_repeats: bool

    async def send(self, message: Outgoing) -> Outcome:
        """Hands the message to the provider; never raises for what a provider or a network may do."""
        ...

    async def find(self, message: Outgoing, taken: Collection[str]) -> str | None:
        """The provider's id of this very message, if it has it under none of the ids that are ``taken``.

        Raises:
            ProviderAway: it could not be asked; retryable.
        """
        ...

    async def delivery(self, provider_id: str) -> Delivery | None:
        """How far the message has come; None where the provider does not know it or does not say.

        Raises:
            ProviderAway: it could not be asked; retryable.
        """
        ...
