"""Whose card it is: the stream ``card-{card_id}``, whose newest assignment stands."""

from infra.history.store import History
from outreach.customers.events import CardAssigned


def card_stream(card_id: str) -> str:
    """Where a card's owners are recorded."""
    return f"card-{card_id}"


async def assignment(history: History, card_id: str) -> tuple[CardAssigned | None, int]:
    """The assignment that stands, with the stream's version.

    Raises:
        Unavailable: the history is away; retryable.
    """
    recorded = await history.read_stream(card_stream(card_id))
    assigned = [one.event for one in recorded if isinstance(one.event, CardAssigned)]
    return assigned[-1] if assigned else None, recorded[-1].version if recorded else 0


async def owner_of(history: History, card_id: str) -> str | None:
    """The customer who has the card; None where nobody has said."""
    assigned, _ = await assignment(history, card_id)
    return assigned.customer_id if assigned else None
