"""Records whose cards Redis is asked for before they are judged, and what is known of them until it answers."""

import asyncio
from collections.abc import Callable, Collection
from typing import NamedTuple

from rules.transaction import Refusal, Transaction
from streams.detection.rows import Outcome, Rows


class Ahead(NamedTuple):
    """Records that are decoded and not judged yet; one that could not be decoded is None, and set aside.

    `answer` is what Redis holds of those of their cards that the process does not.
    """

    rows: Rows
    decoded: list[Transaction | None]
    refused: list[Outcome]
    cards: set[str]
    answer: "asyncio.Future[dict[str, bytes]]"


def ask(
    rows: Rows,
    read: Callable[[bytes], Transaction],
    load: Callable[[Collection[str]], "asyncio.Future[dict[str, bytes]]"],
) -> Ahead:
    """Decodes the records, and asks for their cards without waiting."""
    decoded: list[Transaction | None] = []
    refused: list[Outcome] = []
    for offset, value in zip(rows.offsets, rows.values, strict=True):
        try:
            decoded.append(read(value))
        except Refusal as refusal:
            refused.append(rows.set_aside(offset, refusal.reason, refusal.field))
            decoded.append(None)
    cards = {one.card_id for one in decoded if one is not None}
    return Ahead(rows, decoded, refused, cards, load(cards))
