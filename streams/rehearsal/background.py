"""The bank's other customers, paying all day: what goes on around the story, with a stolen card now and then."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from infra.clock import Clock
from streams.rehearsal.bank import REHEARSAL_CUSTOMERS, REHEARSAL_SEED
from streams.rehearsal.entrances import Bank, EntranceAway
from streams.rehearsal.payments import payments
from streams.rehearsal.people import CITIES, City, customers

PER_S = 5.0
STOLEN_EVERY_S = 60.0
ROUND_S = 3600.0
AGAIN_S = 1.0


async def pay_on(bank: Bank, *, clock: Clock, per_s: float = PER_S) -> None:
    """Feeds believable payments at their own pace, an impossible one a minute, until it is cancelled.

    Raises:
        EntranceError: the feed refused what it should have taken; while it is away, it is tried again.
    """
    homes = {city.name: city for city in CITIES}
    cards: list[tuple[str, City]] = [
        (card["card_id"], homes[customer["home"]["city"]])
        for customer in customers(REHEARSAL_CUSTOMERS, REHEARSAL_SEED)
        for card in customer["cards"]
    ]
    start = clock()
    for labelled in payments(
        cards,
        count=int(ROUND_S * per_s),
        impossible=min(len(cards), int(ROUND_S / STOLEN_EVERY_S)),
        seed=int(start.timestamp()),
        start=start + timedelta(seconds=1),
        per_s=per_s,
    ):
        due = datetime.fromisoformat(labelled.message["occurred_at"])
        wait_s = (due - clock()).total_seconds()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await _feed(bank, labelled.message)


async def _feed(bank: Bank, payment: dict[str, Any]) -> None:
    """Sends it until it is taken, as a bank does: a web process that starts again ends nobody's payments."""
    while True:
        try:
            await bank.feed([payment])
        except EntranceAway:
            await asyncio.sleep(AGAIN_S)
        else:
            return
