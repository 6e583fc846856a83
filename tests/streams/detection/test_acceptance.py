"""The acceptance cases of the rules, through the running worker: broker in, broker out."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.detection.state import hash_name
from streams.feed.files import read_file
from streams.feed.rows import Bad, Good
from streams.topics import ensure_topics
from tests.streams.detection.conftest import Bank, Worker, until
from tests.streams.detection.payments import APIA, JOHOR, LONDON, NADI, PARIS, PHNOM_PENH, ROME, SINGAPORE, payment

AIRLINE = {"mcc": "4511", "city": "Paris", "country": "FR"}
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
    "4": ([payment("c4", "pnh", PHNOM_PENH, 0), payment("c4", "paris", PARIS, 12, type="recurring")], {}),
    "5": (
        [payment("c5", "pnh", PHNOM_PENH, 0), payment("c5", "paris", PARIS, 12, entry_mode="fallback")],
        {"c5-paris": "alert"},
    ),
    "5, fallback first": (
        [payment("c5b", "paris", PARIS, 0, entry_mode="fallback"), payment("c5b", "pnh", PHNOM_PENH, 12)],
        {"c5b-paris": "alert"},
    ),
    "6": (
        [
            payment("c6", "pnh", PHNOM_PENH, 0),
            payment("c6", "paris", PARIS, 12, merchant=AIRLINE | {"name": "Blue Sky Airways In-Flight"}),
        ],
        {},
    ),
    "6, a ticket office on the ground": (
        [
            payment("c6b", "pnh", PHNOM_PENH, 0),
            payment("c6b", "paris", PARIS, 12, merchant=AIRLINE | {"name": "Blue Sky Airways Ticket Office"}),
        ],
        {"c6b-paris": "alert"},
    ),
    "7": (
        [
            payment("c7", "pnh", PHNOM_PENH, -2880),
            payment("c7", "paris", PARIS, 0),
            payment("c7", "tap", PHNOM_PENH, -2820, entry_mode="contactless", deferred=True),
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
    "11": ([payment("c11", "pnh", PHNOM_PENH, 0), payment("c11", "paris", PARIS, 12, type="refund")], {}),
    "12": (
        [
            payment("c12", "pnh", PHNOM_PENH, 0),
            payment("c12", "paris", PARIS, 12, outcome="declined", decline_reason="wrong_pin"),
        ],
        {"c12-paris": "alert"},
    ),
    "13": ([payment("c13", "pnh", PHNOM_PENH, 0), payment("c13-additional", "paris", PARIS, 12)], {}),
    "14": (
        [
            payment("c14", "pnh", PHNOM_PENH, 0),
            payment("c14", "tap", PARIS, 12, entry_mode="contactless", instrument="wallet", device_id="phone"),
        ],
        {"c14-tap": "review"},
    ),
    "15": ([payment("c15", "singapore", SINGAPORE, 0), payment("c15", "johor", JOHOR, 1)], {}),
    "16": (
        [
            payment("c16", "paris", PARIS, 0, merchant={"country": "FR"}, location=None),
            payment("c16", "brussels", PARIS, 5, merchant={"country": "BE"}, location=None),
        ],
        {},
    ),
    "17, in three hours": ([payment("c17", "paris", PARIS, 0), payment("c17", "london", LONDON, 180)], {}),
    "17, in twenty-five minutes": (
        [payment("c17b", "paris", PARIS, 0), payment("c17b", "london", LONDON, 25)],
        {"c17b-london": "alert"},
    ),
    "18": ([payment("c18", "2", PARIS, 0), payment("c18", "1", PHNOM_PENH, 0)], {"c18-2": "alert"}),
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
    "22, in five hours": ([payment("c22b", "nadi", NADI, 0), payment("c22b", "apia", APIA, 300)], {}),
    "23": (
        [
            payment("c23", "pnh", PHNOM_PENH, 0),
            payment("c23", "nowhere", PARIS, 12, merchant=None, location={"lat": 0, "lon": 0}),
        ],
        {},
    ),
    "24": (
        [
            payment("c24", "pnh", PHNOM_PENH, 0),
            payment("c24", "paris", PARIS, 12),
            payment("c24", "back", PHNOM_PENH, 60),
            payment("c24", "again", PARIS, 120),
            payment("c24", "rome", ROME, 130),
        ],
        {"c24-rome": "alert"},
    ),
    "25": (
        [
            payment("c25", "pnh", PHNOM_PENH, 0),
            payment("c25", "blocked", PARIS, 12, outcome="declined", decline_reason="card_blocked"),
            payment(
                "c25",
                "online",
                PARIS,
                900,
                channel="card_not_present",
                entry_mode="ecommerce",
                outcome="declined",
                decline_reason="card_blocked",
            ),
        ],
        {"c25-blocked": "alert", "c25-online": "alert"},
    ),
}
CONFIRMED = {"c24": ["c24-paris"]}

LOCAL = "c21"
LOCAL_TIMES = """\
transaction_id,card_id,occurred_at,amount,currency,channel,entry_mode,merchant.city,merchant.country
c21-spring-paris,c21,2025-03-30T01:50:00,18.50,EUR,card_present,chip,Paris,FR
c21-spring-never,c21,2025-03-30T02:30:00,18.50,EUR,card_present,chip,London,GB
c21-spring-london,c21,2025-03-30T03:10:00,18.50,EUR,card_present,chip,London,GB
c21-autumn-paris,c21,2025-10-26T01:55:00,18.50,EUR,card_present,chip,Paris,FR
c21-autumn-london,c21,2025-10-26T02:40:00,18.50,EUR,card_present,chip,London,GB
c21-autumn-back,c21,2025-10-26T03:45:00,18.50,EUR,card_present,chip,Paris,FR
"""
"""By a Parisian till's clock. In spring 20 minutes pass between 01:50 and 03:10, and none has shown 02:30. In autumn
02:40 comes twice, its first time is 45 minutes after 01:55, and 03:45 is nearly three hours after that."""


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
        for card, confirmed in CONFIRMED.items():
            fed.say(card, confirmed=confirmed)
        local = [row for _line, row in read_file(a_file(folder), zone=ZoneInfo("Europe/Paris"))]
        times = [row.raw for row in local if isinstance(row, Good)]
        assert [row.reason for row in local if isinstance(row, Bad)] == ["wrong_value"]
        fed.send(times, key=LOCAL)  # first: they are long past when the others have come
        payments = [one for case, _suspects in CASES.values() for one in case]
        payments.append(payment("c21b", "local", PARIS, 0, occurred_at="2026-03-14T10:12:00"))
        fed.send(payments)
        worker = Worker(settings)
        store = redis.Redis.from_url(settings.redis_url or "")
        names = [hash_name(number) for number in range(settings.partitions)]
        try:
            until(
                lambda: sum(int(store.hget(name, "position") or 0) for name in names) == len(times) + len(payments),
                "all are judged",
            )
            yield fed
        finally:
            store.close()
            assert worker.stop() == 0


def a_file(folder: str) -> Path:
    """The local times."""
    path = Path(folder) / "local.csv"
    path.write_text(LOCAL_TIMES)
    return path


@pytest.mark.parametrize("case", CASES)
def test_the_worker_ends_with_the_suspects_of_the_case(bank: Bank, case: str) -> None:
    payments, suspects = CASES[case]
    standing = bank.standing(payments[0]["card_id"])
    assert {suspect: alert["verdict"] for suspect, alert in standing.items()} == suspects


def test_case_21_local_times_are_judged_as_the_zone_of_their_source_has_them(bank: Bank) -> None:
    assert {suspect: alert["against"] for suspect, alert in bank.standing(LOCAL).items()} == {
        "c21-spring-london": "c21-spring-paris",
        "c21-autumn-london": "c21-autumn-paris",
    }


def test_case_21_a_local_time_whose_zone_nobody_names_is_refused(bank: Bank) -> None:
    (refused,) = bank.refused()
    assert refused["reason"] == "wrong_value"
    assert refused["detail"].startswith(
        "the value of the field occurred_at is not one that the contract has; it is a time"
    )
    assert bank.standing("c21b") == {}


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


def test_the_use_of_a_blocked_card_contradicts_nothing(bank: Bank) -> None:
    standing = bank.standing("c25").values()
    assert {(alert["rule"], alert["against"]) for alert in standing} == {("blocked_card_used", None)}
