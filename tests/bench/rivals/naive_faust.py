"""The plain speed rule on Faust as its first pages show it: a `Record`, an agent, a `Table`."""

import os
from typing import Any

import faust

from tests.bench.rivals.speed import Gauge, impossible, sighting

gauge = Gauge()
counted: set[str] = set()


class Location(faust.Record):
    """The terminal's point."""

    lat: float
    lon: float


class Payment(faust.Record, serializer="json"):
    """What the rule needs of a payment."""

    transaction_id: str
    card_id: str
    occurred_at: str
    location: Location


class Alert(faust.Record, serializer="json"):
    """A suspect."""

    transaction_id: str
    card_id: str


app = faust.App(
    os.environ["RIVAL_NAME"],
    broker="kafka://" + os.environ["RIVAL_SERVERS"],
    store="memory://",
    topic_partitions=4,
    topic_replication_factor=1,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
)
payments = app.topic(os.environ["RIVAL_TOPIC"], value_type=Payment)
alerts = app.topic(os.environ["RIVAL_ALERTS"], value_type=Alert)
last_seen = app.Table("last-seen", partitions=4)


@app.agent(payments)
async def judge(stream: Any) -> None:
    """Judges one after the other."""
    async for payment in stream:
        now = sighting(payment.occurred_at, payment.location.lat, payment.location.lon)
        last = last_seen.get(payment.card_id)
        if last is not None and impossible(last, now):
            gauge.alerts += 1
            await alerts.send(key=payment.card_id, value=Alert(payment.transaction_id, payment.card_id))
        else:
            last_seen[payment.card_id] = now
        if payment.transaction_id not in counted:  # a rebalance at the start may deliver some twice
            counted.add(payment.transaction_id)
            if gauge.tick():
                gauge.tell()


if __name__ == "__main__":
    app.main()
