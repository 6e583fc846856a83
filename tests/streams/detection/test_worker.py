"""What the worker bears: death, a twin that was stopped, a broker and a Redis that forget, rubbish among good rows."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest
import redis

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.detection.gaps import gaps
from streams.detection.state import hash_name
from streams.topics import ensure_topics
from tests.streams.detection.conftest import Bank, Worker, until
from tests.streams.detection.payments import PARIS, PHNOM_PENH, payment


def journeys(prefix: str, count: int) -> list[dict[str, object]]:
    """As many cards, each with one impossible journey: first all in Phnom Penh, then all in Paris."""
    cards = [f"{prefix}{number}" for number in range(count)]
    return [payment(card, "pnh", PHNOM_PENH, 0) for card in cards] + [
        payment(card, "paris", PARIS, 12) for card in cards
    ]


def judged(settings: Settings) -> int:
    """How many records are judged and stored."""
    with redis.Redis.from_url(settings.redis_url or "") as store:
        return sum(int(store.hget(hash_name(number), "position") or 0) for number in range(settings.partitions))


def epochs(settings: Settings) -> list[int]:
    """How often each partition has been claimed."""
    with redis.Redis.from_url(settings.redis_url or "") as store:
        return [int(store.hget(hash_name(number), "epoch") or 0) for number in range(settings.partitions)]


def suspects(bank: Bank) -> set[str]:
    return {alert["suspect"] for alert in bank.alerts()}


def expected(prefix: str, count: int) -> set[str]:
    return {f"{prefix}{number}-paris" for number in range(count)}


@pytest.mark.faults
def test_a_worker_killed_in_the_middle_is_followed_by_one_that_loses_and_doubles_nothing(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    rows = journeys("k", 40)
    filler = [payment(f"f{number % 500}", str(number), PHNOM_PENH, number / 100) for number in range(20_000)]
    first = start()
    bank.send(filler[:5_000] + rows[:60])
    until(lambda: judged(stage) > 0, "the first worker has begun")
    first.kill()
    bank.send(rows[60:] + filler[5_000:])
    second = start()
    until(lambda: judged(stage) >= 1_000, "the second worker has begun")
    second.kill()
    start()
    until(lambda: judged(stage) == len(rows) + len(filler), "everything is judged")
    assert suspects(bank) == expected("k", 40)
    assert len({alert["alert_id"] for alert in bank.alerts()}) == 40


def test_a_killed_worker_is_followed_by_one_that_goes_on_where_it_stored_its_position(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    rows = journeys("q", 6)
    first = start()
    bank.send(rows[:9])
    until(lambda: judged(stage) > 0, "the first worker has begun")
    first.kill()
    bank.send(rows[9:])
    start()
    until(lambda: judged(stage) == 12, "everything is judged")
    assert suspects(bank) == expected("q", 6)
    assert len({alert["alert_id"] for alert in bank.alerts()}) == 6


def test_a_worker_ends_in_good_order_and_flushes_before(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    worker = start()
    bank.send(journeys("s", 3))
    until(lambda: len(bank.alerts()) == 3, "three alerts")
    assert worker.stop() == 0
    assert judged(stage) == 6


def test_a_worker_that_cannot_read_any_more_ends_and_says_that_it_failed(stage: Settings) -> None:
    breaks = (
        "from streams.detection.intake import Intake\n"
        "def broken(self, consumer): raise KeyError('nobody thought of this')\n"
        "Intake._read = broken\n"
    )
    worker = Worker(stage, before=breaks)
    try:
        assert worker.process.wait(60) != 0
    finally:
        worker.stop()


@pytest.mark.faults
def test_a_stopped_worker_that_continues_after_its_partitions_have_moved_changes_nothing(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    zombie = start()
    bank.send(journeys("a", 5))
    until(lambda: judged(stage) == 10, "the first worker has judged")
    zombie.signal(signal.SIGSTOP)
    successor = start()
    bank.send(journeys("b", 5))
    until(lambda: judged(stage) == 20, "the successor has judged")
    with redis.Redis.from_url(stage.redis_url or "") as store:
        before = [store.hgetall(hash_name(number)) for number in range(stage.partitions)]
    zombie.signal(signal.SIGCONT)
    successor.kill()
    bank.send(journeys("c", 5))
    until(lambda: judged(stage) == 30, "whoever is left has judged the rest")
    assert suspects(bank) == expected("a", 5) | expected("b", 5) | expected("c", 5)
    assert all(int(fields[b"epoch"]) >= 2 for fields in before)


def test_a_worker_is_ready_when_its_partitions_are_claimed(stage: Settings, start: Callable[[], Worker]) -> None:
    worker = start()
    until(lambda: worker.ready, "the worker is ready")
    with redis.Redis.from_url(stage.redis_url or "") as store:
        assert all(store.hexists(hash_name(number), "epoch") for number in range(stage.partitions))
    assert worker.stop() == 0


@pytest.mark.faults
def test_a_worker_that_waits_for_the_broker_is_not_ready_and_ends_when_it_is_told_to(
    ground: EmbeddedServers, bank: Bank, start: Callable[[], Worker]
) -> None:
    assert bank.alerts() == []
    os.kill(ground.pid("kafka") or 0, signal.SIGKILL)
    worker = start()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.process.wait(5)  # it has not ended by itself
    assert not worker.ready
    worker.stop()


@pytest.mark.faults
def test_while_workers_join_and_leave_under_load_no_alert_is_lost_and_none_has_two_ids(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    total = 0

    def feed(prefix: str) -> None:
        nonlocal total
        filler = [payment(f"{prefix}f{number % 700}", str(number), PHNOM_PENH, number / 100) for number in range(4_000)]
        rows = journeys(prefix, 10)
        sent = [*filler[:2_000], *rows[:15], *filler[2_000:], *rows[15:]]
        total += len(sent)
        bank.send(sent)

    first = start()
    feed("a")
    until(lambda: judged(stage) > 0, "the first worker has begun")
    second = start()
    feed("b")
    until(lambda: second.ready, "the second worker has joined")
    feed("c")
    until(lambda: len(epochs(stage)) == stage.partitions and min(epochs(stage)) >= 2, "the partitions are divided anew")
    feed("d")
    assert first.stop() == 0
    feed("e")
    until(lambda: judged(stage) == total, "everything is judged")
    alerts = bank.alerts()
    assert {alert["suspect"] for alert in alerts} == set().union(*(expected(prefix, 10) for prefix in "abcde"))
    assert len({alert["alert_id"] for alert in alerts}) == 50


def test_broken_rows_are_set_aside_with_their_reason_and_the_good_ones_judged(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    start()
    good = payment("g", "pnh", PHNOM_PENH, 0)
    without_amount = {name: value for name, value in good.items() if name != "amount"}
    number = payment("4111111111111111", "x", PARIS, 1)
    bank.send(
        [
            good,
            b'{"transaction_id": "cut',
            without_amount,
            good | {"occurred_at": "yesterday"},
            number,
            b"\xff\x00" * 400_000,
            b"",
            payment("g", "ahead", PARIS, 10_000),
            payment("g", "paris", PARIS, 12),
        ],
        key="g",
    )
    until(lambda: judged(stage) == 9, "all are judged")
    refused = bank.refused()
    assert {one["origin"]["offset"] for one in refused} == {1, 2, 3, 4, 5, 6, 7}
    assert "card_number" in {one["reason"] for one in refused}
    assert not any("4111111111111111" in str(one) for one in refused)
    assert suspects(bank) == {"g-paris"}


def test_a_row_crafted_to_end_one_and_begin_another_is_one_refused_row(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    start()
    crafted = b'{"transaction_id":"x"},{"transaction_id":"y","card_id":"victim"'
    bank.send([payment("h", "pnh", PHNOM_PENH, 0), crafted, payment("h", "paris", PARIS, 12)], key="h")
    until(lambda: judged(stage) == 3, "all are judged")
    assert [one["origin"]["offset"] for one in bank.refused()] == [1]
    assert suspects(bank) == {"h-paris"}


def test_a_redis_that_lost_its_memory_is_filled_again_from_the_topic(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    start()
    bank.send(journeys("r", 5))
    until(lambda: judged(stage) == 10, "all are judged")
    with redis.Redis.from_url(stage.redis_url or "") as store:
        store.flushall()
    bank.send([payment("r0", "paris2", PARIS, 14)])
    until(lambda: judged(stage) == 11, "the topic is judged anew")
    assert suspects(bank) == expected("r", 5) | {"r0-paris2"}
    assert len({alert["alert_id"] for alert in bank.alerts()}) == 6


@pytest.mark.parametrize("meanwhile", [pytest.param("a worker runs", marks=pytest.mark.faults), "no worker runs"])
async def test_under_a_new_topic_identity_what_stands_is_said_again_and_the_gap_is_named(
    ground: EmbeddedServers, stage: Settings, bank: Bank, start: Callable[[], Worker], meanwhile: str
) -> None:
    worker = start()
    bank.send(journeys("n", 5))
    until(lambda: judged(stage) == 10, "all are judged")
    told = {alert["alert_id"] for alert in bank.alerts()}
    if meanwhile == "no worker runs":
        worker.stop()
    os.kill(ground.pid("kafka") or 0, signal.SIGKILL)
    ground.restart("kafka")
    ensure_topics(stage.kafka_servers or "", stage)
    if meanwhile == "no worker runs":
        start()
    until(lambda: {alert["alert_id"] for alert in bank.alerts()} == told, "what stands is said again")
    until(lambda: min(epochs(stage)) >= 2, "both partitions are claimed anew")
    assert [gap.partition for gap in await gaps(stage.redis_url or "")] == [0, 1]
    bank.send([payment("n0", "paris2", PARIS, 14), *journeys("after", 2)])
    until(lambda: suspects(bank) >= expected("after", 2) | {"n0-paris2"}, "the new topic is judged from its beginning")


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_a_worker_whose_partitions_stand_still_says_that_it_is_not_ready_and_is_again_when_they_move(
    ground: EmbeddedServers, stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    worker = start()
    bank.send(journeys("s", 5))
    until(lambda: worker.ready and judged(stage) == 10, "all are judged")
    store = ground.pid("redis") or 0
    os.kill(store, signal.SIGSTOP)
    for number in range(8):  # more than may be judged while nothing can be stored
        bank.send([payment(f"m{number}-{each % 700}", f"{each}", PHNOM_PENH, each / 1000) for each in range(12_000)])
    until(lambda: not worker.ready, "it is seen that nothing moves")
    os.kill(store, signal.SIGCONT)
    until(lambda: judged(stage) == 96_010, "everything is judged", 240)
    until(lambda: worker.ready, "it is ready again")
