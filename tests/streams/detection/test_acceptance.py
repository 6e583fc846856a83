"""The acceptance cases of the rules, through the running worker: broker in, broker out."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.detection.state import hash_name
from streams.topics import ensure_topics
from tests.streams.detection.conftest import Bank, Worker, until
from tests.streams.detection.payments import APIA, NADI, PARIS, PHNOM_PENH, payment

CASES: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    # case: payments in their order of arrival, standing suspects with their verdict
    "1": ([payment("c1", "pnh", PHNOM_PENH, 0), payment("c1", "paris", PARIS, 12)], {"c1-paris": "alert"}),
    "2": ([payment("c2", "pnh", PHNOM_PENH, -300), payment("c2", "paris", PARIS, 660)], {}),
    "3": (
        [
            payment("c3", "pnh", PHNOM_PENH, 0),
            payment("c3", "paris", PARIS, 5, channel="card_not_present", entry_mode="ecommerce"),
            payment("c3", "again", PHNOM_PENH, 10),
        ],
        {},
    ),
    "8": ([payment("c8", "paris", PARIS, 12), payment("c8", "pnh", PHNOM_PENH, 0)], {"c8-paris": "alert"}),
    "9": ([payment("c9", "paris", PARIS, 700), payment("c9", "pnh", PHNOM_PENH, -300)], {}),
    "10": (
        [
            payment("c10", "pnh", PHNOM_PENH, 0),
            payment("c10", "paris", PARIS, 12),
            payment("c10", "paris", PARIS, 12),
            payment("c10", "advice", PARIS, 12, type="advice", repeat_of="c10-paris"),
        ],
        {"c10-paris": "alert"},
    ),
    "12": (
        [
            payment("c12", "pnh", PHNOM_PENH, 0),
            payment("c12", "paris", PARIS, 12, outcome="declined", decline_reason="wrong_pin"),
        ],
        {"c12-paris": "alert"},
    ),
    "19": (
        [
            payment("c19", "paris", PARIS, 0),
            payment("c19", "pnh", PHNOM_PENH, 15),
            payment("c19", "paris2", PARIS, 30),
        ],
        {"c19-pnh": "alert"},
    ),
    "19, the first Paris arriving last": (
        [
            payment("c19b", "pnh", PHNOM_PENH, 15),
            payment("c19b", "paris2", PARIS, 30),
            payment("c19b", "paris", PARIS, 0),
        ],
        {"c19b-pnh": "alert"},
    ),
    "22": ([payment("c22", "nadi", NADI, 0), payment("c22", "apia", APIA, 10)], {"c22-apia": "alert"}),
}


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    """The bank after every case was fed and judged by one worker."""
    with (
        tempfile.TemporaryDirectory(prefix="ringback-acceptance-") as folder,
        EmbeddedServers(Path(folder) / "home", which=frozenset({"redis", "kafka"}), durable=False) as ground,
    ):
        settings = Settings(
            kafka_servers=ground.addresses.kafka_servers, redis_url=ground.addresses.redis_url, partitions=2
        )
        ensure_topics(settings.kafka_servers or "", settings)
        fed = Bank(settings)
        payments = [one for case, _suspects in CASES.values() for one in case]
        fed.send(payments)
        worker = Worker(settings)
        store = redis.Redis.from_url(settings.redis_url or "")
        names = [hash_name(number) for number in range(settings.partitions)]
        try:
            until(
                lambda: sum(int(store.hget(name, "position") or 0) for name in names) == len(payments), "all are judged"
            )
            yield fed
        finally:
            store.close()
            assert worker.stop() == 0


@pytest.mark.parametrize("case", CASES)
def test_the_worker_ends_with_the_suspects_of_the_case(bank: Bank, case: str) -> None:
    payments, suspects = CASES[case]
    standing = bank.standing(payments[0]["card_id"])
    assert {suspect: alert["verdict"] for suspect, alert in standing.items()} == suspects


def test_a_payment_that_is_sent_three_times_raises_its_alert_once(bank: Bank) -> None:
    assert [alert["status"] for alert in bank.alerts() if alert["card_id"] == "c10"] == ["raised"]


def test_the_evidence_tells_both_sides_and_the_last_payments(bank: Bank) -> None:
    (alert,) = bank.standing("c1").values()
    evidence = alert["evidence"]
    assert evidence["suspect"]["merchant"] == "Shop in Paris"
    assert evidence["against"]["merchant"] == "Shop in Phnom Penh"
    assert {one["transaction_id"] for one in evidence["recent"]} == {"c1-pnh", "c1-paris"}


def test_an_alert_says_when_its_payment_arrived_at_the_broker(bank: Bank) -> None:
    (alert,) = bank.standing("c1").values()
    assert alert["arrived_at"] is not None
