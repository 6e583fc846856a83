"""The plain speed rule on Quix Streams: its state in RocksDB with a changelog topic, as it comes."""

import os
import tempfile
from typing import Any

from quixstreams import Application, State

from tests.bench.rivals.speed import Gauge, impossible, sighting

gauge = Gauge()


def judge(payment: dict[str, Any], state: State) -> dict[str, Any] | None:
    """The alert, if it is one."""
    if gauge.tick():
        gauge.tell()
    now = sighting(payment["occurred_at"], payment["location"]["lat"], payment["location"]["lon"])
    last = state.get("last")
    if last is not None and impossible(last, now):
        gauge.alerts += 1
        return {"card_id": payment["card_id"], "transaction_id": payment["transaction_id"]}
    state.set("last", now)
    return None


def main() -> None:
    """Runs until it is ended."""
    app = Application(
        broker_address=os.environ["RIVAL_SERVERS"],
        consumer_group=os.environ["RIVAL_NAME"],
        auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(prefix="ringback-rival-"),
        loglevel="WARNING",
    )
    payments = app.topic(os.environ["RIVAL_TOPIC"], key_deserializer="str", value_deserializer="json")
    alerts = app.topic(os.environ["RIVAL_ALERTS"], value_serializer="json")
    found = app.dataframe(payments).apply(judge, stateful=True)
    found.filter(lambda alert: alert is not None).to_topic(alerts)
    app.run()


if __name__ == "__main__":
    main()
