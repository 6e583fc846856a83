"""What was said of payments reaches the running worker: at once, once, and again after it or Redis forgot."""

import signal
from collections.abc import Callable

import confluent_kafka
import pytest
import redis

from infra.settings import Settings
from rules.layout import unpack
from streams.detection.said import Sayings
from streams.detection.state import hash_name
from streams.detection.stretch import anything_between
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


def heard(stage: Settings) -> int:
    """How many words are stored as heeded, of all partitions together."""
    with redis.Redis.from_url(stage.redis_url or "") as client:
        found = (client.hget(hash_name(number), "heard_position") for number in range(stage.partitions))
        return sum(int(one) for one in found if one is not None)


def test_what_is_confirmed_is_withdrawn_while_the_feed_is_quiet_and_survives_the_worker(
    bank: Bank, stage: Settings, start: Callable[[], Worker]
) -> None:
    worker = start()
    bank.send(STORY)
    until(lambda: statuses(bank) == [("raised", "a-paris")], "the alert")
    bank.say("a", version=5, confirmed=["a-paris"])
    until(lambda: statuses(bank)[1:] == [("withdrawn", "a-paris")], "it is withdrawn")
    until(lambda: heard(stage) == 1, "it is stored")
    worker.kill()
    worker = start()
    bank.say("a", version=4, struck_out=["a-paris"])  # an older word, sent again
    bank.send([payment("a", "back", PHNOM_PENH, 30), payment("a", "rome", ROME, 35)])
    until(lambda: statuses(bank)[2:] == [("raised", "a-rome")], "Rome alone is raised")
    assert worker.stop() == 0


@pytest.mark.faults
def test_a_withdrawal_that_was_told_and_not_stored_is_told_again_alike(
    bank: Bank, stage: Settings, start: Callable[[], Worker]
) -> None:
    dies = Worker(stage, before="import os; os.environ['RINGBACK_FAILPOINT'] = 'after-alerts:2'\n")
    bank.send(STORY)
    until(lambda: statuses(bank) == [("raised", "a-paris")], "the alert")
    bank.say("a", version=5, confirmed=["a-paris"])
    assert dies.process.wait(60) == -signal.SIGKILL
    dies.stop()
    assert (statuses(bank)[1:], heard(stage)) == ([("withdrawn", "a-paris")], 0)
    bank.say("a", version=4, struck_out=["a-paris"])
    bank.send([payment("a", "back", PHNOM_PENH, 30), payment("a", "rome", ROME, 35)])
    start()
    until(lambda: statuses(bank)[-1:] == [("raised", "a-rome")], "Rome alone is raised")
    _, first, again, _ = bank.alerts()
    assert first == again | {"raised_at": first["raised_at"]}
    until(lambda: heard(stage) == 2, "both words are stored")


@pytest.mark.faults
def test_a_word_that_comes_while_nobody_is_there_withdraws_what_was_told_and_not_stored(
    bank: Bank, stage: Settings, start: Callable[[], Worker]
) -> None:
    first = start()
    bank.send([payment("a", "before", PHNOM_PENH, -30)])
    until(lambda: memories(stage, "a"), "the partition has a position")
    first.kill()
    dies = Worker(stage, before="import os; os.environ['RINGBACK_FAILPOINT'] = 'before-write'\n")
    bank.send(STORY)
    assert dies.process.wait(60) == -signal.SIGKILL
    dies.stop()
    assert statuses(bank) == [("raised", "a-paris")]
    bank.say("a", confirmed=["a-paris"])
    bank.send([payment("a", "back", PHNOM_PENH, 30), payment("a", "again", PARIS, 45)])
    start()
    until(lambda: statuses(bank)[1:] == [("withdrawn", "a-paris"), ("withdrawn", "a-again")], "it is withdrawn")
    (told,) = [alert for alert in bank.alerts() if (alert["status"], alert["suspect"]) == ("withdrawn", "a-paris")]
    assert told["arrived_at"] is not None  # when the word did


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
    ((card, context, offset, stamp),) = heard.said
    assert (card, context.version, context.confirmed, offset, heard.position) == ("a", 3, ("x",), 2, 3)
    assert stamp > 0
    (pair,) = context.quiet.values()
    assert (pair.lat_e7, pair.other_lon_e7, pair.since_us) == (15_000_000, -45_000_000, 1_000_000)
    await sayings.begin({1: (heard.identity, heard.position)})
    assert sayings.news(1) is None
    await sayings.begin({1: ("another topic", heard.position)})
    assert sayings.named(1) == {"a"}
    assert sayings.named(1, 2) == set()
    assert sayings.news(1, 2) == ([], heard.identity, 2)
    assert sayings.news(1) == heard
    await sayings.close()
    await sayings.look()


async def test_it_is_known_where_the_payments_end_and_whether_there_are_any_before(stage: Settings, bank: Bank) -> None:
    bank.send([*STORY, payment("a", "rome", ROME, 60)])  # one batch, of which the broker tells the first record only
    sayings = Sayings(stage)
    await sayings.begin({0: None, 1: None})
    number = max(sayings.ends, key=lambda each: sayings.ends[each])
    assert sorted(sayings.ends.values()) == [0, 3]
    await sayings.close()
    servers = stage.kafka_servers or ""
    assert await anything_between(servers, number, 2, 3)
    assert not await anything_between(servers, number, 3, 3)
