"""Topic ``card-context``, key ``card_id``, compacted: what was said of a card's payments, for detection to heed."""

from typing import Annotated

from pydantic import Field

from streams.contracts.shape import Contract, Identifier, Moment

Identifiers = Annotated[tuple[Identifier, ...], Field(max_length=64, strict=False)]


class QuietWay(Contract):
    """Two places, degrees: since a payment was confirmed, the way between them is quiet for some weeks."""

    transaction_id: Identifier = Field(description="The confirmed payment.")
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    other_lat: float = Field(ge=-90, le=90)
    other_lon: float = Field(ge=-180, le=180)
    since: Moment


class CardContext(Contract):
    """What was said of a card's payments, whole; of two messages the one with the higher ``version`` stands.

    A transaction that never comes is named in vain, and one that comes later is heeded then.
    """

    card_id: Identifier
    version: int = Field(ge=1, description="Grows with every message of a card.")
    said_at: Moment
    confirmed: Identifiers = Field(default=(), description="Payments that were hers.")
    struck_out: Identifiers = Field(default=(), description="Payments that were believed, and were not hers.")
    quiet: tuple[QuietWay, ...] = Field(default=(), max_length=64, strict=False)


EXAMPLES: dict[str, dict[str, object]] = {
    "confirmed": {
        "card_id": "card-sokha-visa",
        "version": 4711,
        "said_at": "2026-03-14T10:20:00Z",
        "confirmed": ["t-paris-1"],
        "struck_out": [],
        "quiet": [
            {
                "transaction_id": "t-paris-1",
                "lat": 11.5564,
                "lon": 104.9282,
                "other_lat": 48.8606,
                "other_lon": 2.3376,
                "since": "2026-03-14T10:12:00Z",
            }
        ],
    }
}
