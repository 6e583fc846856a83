"""What was said of payments reaches the running worker: at once, once, and again after it or Redis forgot."""

from collections.abc import Callable

import confluent_kafka
import redis

from infra.settings import Settings
from rules.layout import unpack
from streams.detection.said import Sayings
from streams.detection.state import hash_name
from streams.topics import CARD_CONTEXT, PARTITIONER
from tests.streams.detection.conftest import Bank, Worker, until
from tests.streams.detection.payments import PARIS, PHNOM_PENH, ROME, payment

STORY = [payment("a", "pnh", PHNOM_PENH, 0), payment("a", "paris", PARIS, 12)]


def memories(stage: Settings, card: str) -> list[bytes]:
    with redis.Redis.from_url(stage.redis_url or "") as client:
        found = (client.hget(hash_name(number), f"c{card}") for number in range(stage.partitions))
        return [one for one in found if one is not None]


def statuses(bank: Bank) -> list[tuple[str, str]]:
    return [(alert["status"], alert["suspect"]) for alert in bank.alerts()]


def test_what_is_confirmed_is_withdrawn_while_the_feed_is_quiet_and_survives_the_worker(
    bank: Bank, start: Callable[[], Worker]
) -> None:
    worker = start()
    bank.send(STORY)
    until(lambda: statuses(bank) == [("raised", "a-paris")], "the alert")
    bank.say("a", version=5, confirmed=["a-paris"])
    until(lambda: statuses(bank)[1:] == [("withdrawn", "a-paris")], "it is withdrawn")
    worker.kill()
    worker = start()
    bank.say("a", version=4, struck_out=["a-paris"])  # an older word, sent again
    bank.send([payment("a", "back", PHNOM_PENH, 30), payment("a", "rome", ROME, 35)])
    until(lambda: statuses(bank)[2:] == [("raised", "a-rome")], "Rome alone is raised")
    assert worker.stop() == 0


def test_after_redis_lost_everything_what_was_said_is_read_before_anything_is_judged(
    bank: Bank, stage: Settings, start: Callable[[], Worker]
) -> None:
    worker = start()
    bank.say("a", version=5, confirmed=["a-paris"])
    bank.send(STORY)
    until(lambda: any(len(unpack(one).entries) == 2 for one in memories(stage, "a")), "both are judged")
    before = memories(stage, "a")
    assert worker.stop() == 0
    with redis.Redis.from_url(stage.redis_url or "") as client:
        client.flushall()
    start()
    until(lambda: memories(stage, "a") == before, "the same memory again")
    assert statuses(bank) == []


async def test_messages_that_say_nothing_are_passed_over_and_the_position_goes_on(stage: Settings) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": stage.kafka_servers or "", "partitioner": PARTITIONER})
    good = (
        b'{"card_id":"a","version":3,"said_at":"2026-03-14T10:20:00Z","confirmed":["x"],"quiet":[{"transaction_id":"x",'
    )
    good += b'"lat":1.5,"lon":2,"other_lat":3,"other_lon":-4.5,"since":"1970-01-01T00:00:01Z"}]}'
    for value in (None, b"{", good):
        producer.produce(CARD_CONTEXT, partition=1, key="a", value=value)
    assert producer.flush(20) == 0
    sayings = Sayings(stage)
    await sayings.begin({0: None, 1: None})
    assert sayings.news(0) is None
    heard = sayings.news(1)
    assert heard is not None
    ((card, context),) = heard.said
    assert (card, context.version, context.confirmed, heard.position) == ("a", 3, ("x",), 3)
    (pair,) = context.quiet.values()
    assert (pair.lat_e7, pair.other_lon_e7, pair.since_us) == (15_000_000, -45_000_000, 1_000_000)
    await sayings.begin({1: (heard.identity, heard.position)})
    assert sayings.news(1) is None
    await sayings.begin({1: ("another topic", heard.position)})
    assert sayings.news(1) == heard
    await sayings.close()
    await sayings.look()
