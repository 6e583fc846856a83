"""Topic ``card-events``, key ``card_id``: what the bank's card system has done."""

from typing import Literal, TypeAlias

from pydantic import Field

from streams.contracts.shape import Contract, Moment, RecordedIdentifier

Type: TypeAlias = Literal["held", "declined", "blocked", "released", "reissued", "dispatched", "delivered", "failed"]


class CardEvent(Contract):
    """One answer. ``command_id`` names the command that it answers; ``dispatched`` and ``delivered`` follow a reissue.

    The same ``event_id`` again is the same answer.
    """

    event_id: RecordedIdentifier
    command_id: RecordedIdentifier
    card_id: RecordedIdentifier
    type: Type
    new_card_id: str = Field(
        default="", max_length=64, pattern=r"^[^\x00]*$", description="Of `reissued` and what follows it."
    )
    reason: str = Field(default="", max_length=500, description="Of `failed`: why.")
    occurred_at: Moment


EXAMPLES: dict[str, dict[str, object]] = {
    "reissued": {
        "event_id": "5b9f3d7c-2e41-5c86-8d0a-1f2e3d4c5b6a",
        "command_id": "c1d2e3f4-a5b6-5c7d-8e9f-0a1b2c3d4e5f",
        "card_id": "card-sokha-visa",
        "type": "reissued",
        "new_card_id": "card-sokha-visa-2",
        "reason": "",
        "occurred_at": "2026-03-14T10:20:01Z",
    },
    "failed": {
        "event_id": "9a8b7c6d-5e4f-5a3b-8c2d-1e0f9a8b7c6d",
        "command_id": "0b2b9d4e-7a6f-5d2b-9a37-8f6f5b4a1c02",
        "card_id": "card-sokha-visa",
        "type": "failed",
        "new_card_id": "",
        "reason": "no such card",
        "occurred_at": "2026-03-14T10:20:01Z",
    },
}
