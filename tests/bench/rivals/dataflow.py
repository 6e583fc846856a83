"""The plain speed rule on Bytewax: its state in the process, without a recovery store."""

import os

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from tests.bench.rivals.speed import Gauge, Sighting, impossible, sighting

gauge = Gauge()


def decoded(message: KafkaSourceMessage) -> tuple[str, tuple[str, Sighting]]:
    """The card, and its payment."""
    payment = orjson.loads(message.value)
    place = payment["location"]
    return payment["card_id"], (
        payment["transaction_id"],
        sighting(payment["occurred_at"], place["lat"], place["lon"]),
    )


def judge(last: Sighting | None, payment: tuple[str, Sighting]) -> tuple[Sighting, str | None]:
    """The last sighting from here on, and the suspect, if it is one."""
    if gauge.tick():
        gauge.tell()
    name, now = payment
    if last is not None and impossible(last, now):
        gauge.alerts += 1
        return last, name
    return now, None


def message(found: tuple[str, str | None]) -> KafkaSinkMessage | None:
    """The alert as it is sent."""
    card, name = found
    if name is None:
        return None
    return KafkaSinkMessage(card.encode(), orjson.dumps({"card_id": card, "transaction_id": name}))


def main() -> None:
    """Reads the topic to its end."""
    servers = [os.environ["RIVAL_SERVERS"]]
    flow = Dataflow("speed")
    source = KafkaSource(servers, [os.environ["RIVAL_TOPIC"]], tail=False, batch_size=5000)
    payments = op.map("decode", op.input("payments", flow, source), decoded)
    judged = op.stateful_map("judge", payments, judge)
    op.output("alerts", op.filter_map("suspects", judged, message), KafkaSink(servers, os.environ["RIVAL_ALERTS"]))
    cli_main(flow)


if __name__ == "__main__":
    main()
