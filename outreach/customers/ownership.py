"""Whose card it is: the stream ``card-{card_id}``, whose newest assignment stands."""

from infra.history.store import History
from outreach.customers.events import CardAssigned, CardOwnerErased


def card_stream(card_id: str) -> str:
    """Where a card's owners are recorded."""
    return f"card-{card_id}"


async def assignment(history: History, card_id: str, *, as_of: int | None = None) -> tuple[CardAssigned | None, int]:
    """The assignment that stands, with the stream's version; none where its owner has been erased since.

    ``as_of``: as it was known at a position.

    Raises:
        Unavailable: the history is away; retryable.
    """
    standing: CardAssigned | None = None
    recorded = await history.read_stream(card_stream(card_id))
    recorded = [one for one in recorded if as_of is None or one.position <= as_of]
    for one in recorded:
        if isinstance(one.event, CardAssigned):
            standing = one.event
        elif isinstance(one.event, CardOwnerErased) and standing and standing.customer_id == one.event.customer_id:
            standing = None
    return standing, recorded[-1].version if recorded else 0


async def owner_of(history: History, card_id: str) -> str | None:
    """The customer who has the card; None where nobody has said."""
    assigned, _ = await assignment(history, card_id)
    return assigned.customer_id if assigned else None


async def owners_of(history: History, card_id: str) -> list[str]:
    """Everybody who has or had the card, the last one first: what is said late belongs to the case that it began in."""
    recorded = await history.read_stream(card_stream(card_id))
    owners = [one.event.customer_id for one in recorded if isinstance(one.event, CardAssigned)]
    return list(dict.fromkeys(reversed(owners)))
