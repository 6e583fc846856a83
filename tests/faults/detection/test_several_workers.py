"""Several workers under one supervisor, as `ringback up` runs them, and one of them killed."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from prometheus_client import CollectorRegistry, multiprocess

from infra.cli.supervisor import Supervisor
from infra.settings import Settings
from streams.topics import PARTITIONER, TRANSACTIONS
from tests.bench.watched import alerts
from tests.streams.detection.payments import PARIS, PHNOM_PENH, payment

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

NAMES = ("detection-1", "detection-2")
CARDS = 40


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with tempfile.TemporaryDirectory(prefix="ringback-test-", dir="/tmp") as folder:
        home = Path(folder) / "home"
        with Supervisor(Settings(home=home, detection_workers=2, http_port=0), ["detection"]) as running:
            yield running


def held(supervisor: Supervisor) -> list[float]:
    """The partitions that each worker says it has, in the order of the names."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=supervisor.env["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]  # the library declares no types here
    name = "ringback_detection_partitions"
    return [registry.get_sample_value(name, {"process": str(supervisor.pid(each))}) or 0.0 for each in NAMES]


def until(holds: Callable[[], bool], what: str, within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def feed(supervisor: Supervisor, rows: list[dict[str, Any]]) -> None:
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": supervisor.addresses.kafka_servers, "partitioner": PARTITIONER}
    )
    for row in rows:
        producer.produce(TRANSACTIONS, key=row["card_id"], value=json.dumps(row))
    assert producer.flush(30) == 0


def suspects(supervisor: Supervisor) -> list[str]:
    """The suspects raised so far, each as often as it was."""
    told = [json.loads(value) for value in alerts(supervisor.settings)]
    return sorted(one["suspect"] for one in told if one["status"] == "raised")


def test_two_workers_share_the_partitions_and_one_that_is_killed_has_its_share_again(supervisor: Supervisor) -> None:
    until(lambda: held(supervisor) == [2, 2], "they have shared the partitions out")
    cards = [f"card-{number}" for number in range(CARDS)]
    feed(supervisor, [payment(card, "1", PHNOM_PENH, 0) for card in cards])
    feed(supervisor, [payment(card, "2", PARIS, 30) for card in cards[::2]])
    until(lambda: len(set(suspects(supervisor))) == CARDS // 2, "both judge")

    killed = supervisor.pid(NAMES[0])
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    until(lambda: supervisor.starts(NAMES[0]) == 2 and held(supervisor) == [2, 2], "it is back, with its share")
    assert supervisor.starts(NAMES[1]) == 1
    feed(supervisor, [payment(card, "2", PARIS, 30) for card in cards[1::2]])
    until(lambda: set(suspects(supervisor)) == {f"{card}-2" for card in cards}, "every card was remembered")

    for name in NAMES:
        lines = (supervisor.settings.home / "logs" / f"{name}.log").read_text(encoding="utf-8").splitlines()
        assert {json.loads(line)["role"] for line in lines if line.startswith("{")} == {name}
