"""Topic ``card-commands``, key ``card_id``: what the bank's card system is to do, each thing once."""

from typing import Literal, TypeAlias

from pydantic import Field

from streams.contracts.shape import Contract, Identifier, Moment

Action: TypeAlias = Literal["hold", "decline", "block", "release", "reissue"]


class CardCommand(Contract):
    """One thing to do. ``command_id`` is the idempotency key: however often it comes, it is done once.

    ``attempt`` counts how often it was sent, from 1; it changes nothing of what is to be done.
    """

    command_id: Identifier
    action: Action
    card_id: Identifier
    transactions: tuple[Identifier, ...] = Field(
        default=(), strict=False, description="The payments to be declined; empty for the other actions."
    )
    case_id: Identifier
    customer_id: str = Field(default="", max_length=64, description="Empty where nobody owns the card.")
    requested_at: Moment
    attempt: int = Field(default=1, ge=1)


EXAMPLES: dict[str, dict[str, object]] = {
    "decline": {
        "command_id": "0b2b9d4e-7a6f-5d2b-9a37-8f6f5b4a1c02",
        "action": "decline",
        "card_id": "card-sokha-visa",
        "transactions": ["t-paris-1"],
        "case_id": "2f4b8a10-0e5c-5f34-bb7e-6c1d2e3f4a5b",
        "customer_id": "customer-sokha",
        "requested_at": "2026-03-14T10:20:00Z",
        "attempt": 1,
    }
}
