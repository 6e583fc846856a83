"""A detection worker as a process of its own, on a broker and a Redis of the module's own, and a bank that feeds it."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from infra.servers import EmbeddedServers
from infra.settings import Settings
from infra.telemetry import READY_FILE
from streams.contracts.card_context import CardContext
from streams.topics import CARD_CONTEXT, FRAUD_ALERTS, PARTITIONER, TRANSACTIONS, TRANSACTIONS_REFUSED, ensure_topics
from tests.forked import started

PATIENCE_S = 60.0
_PROGRAM = "from infra.settings import Settings; from streams.detection.worker import run; run(Settings())"


def until(seen: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer; fails with what was waited for."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := seen():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not seen within {patience_s} s: {what}")


class Worker:
    """One worker process.

    Args:
        settings: of its servers.
        before: what the process does before it runs.
    """

    def __init__(self, settings: Settings, before: str = "") -> None:
        environment = os.environ | {
            "RINGBACK_REDIS_URL": settings.redis_url or "",
            "RINGBACK_KAFKA_SERVERS": settings.kafka_servers or "",
            "RINGBACK_PARTITIONS": str(settings.partitions),
        }
        self._folder = tempfile.TemporaryDirectory(prefix="ringback-worker-")
        self._ready = Path(self._folder.name) / "ready"
        environment[READY_FILE] = str(self._ready)
        self.process = started(before + _PROGRAM, environment)

    @property
    def ready(self) -> bool:
        """Whether it has said that it does its work."""
        return self._ready.exists()

    def kill(self) -> None:
        """As the machine would."""
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """In good order; answers the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        status = self.process.wait(30)
        self._folder.cleanup()
        return status


class NothingSaid:
    """Stands for `Sayings` where there is no broker."""

    identity = ""

    def __init__(self, settings: Settings) -> None:
        del settings
        self.ends: dict[int, int] = {}

    async def begin(self, stored: Any) -> None:
        del stored

    async def look(self) -> None:
        """Nothing new."""

    def news(self, partition: int, until: int | None = None) -> None:
        del partition, until

    def named(self, partition: int, until: int | None = None) -> set[str]:
        del partition, until
        return set()

    async def close(self) -> None:
        """Nothing is open."""


class Bank:
    """Sends transactions, and reads what detection says."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers = settings.kafka_servers or ""

    def send(self, transactions: Sequence[dict[str, Any] | bytes], *, key: str = "") -> None:
        """Puts them into the topic, in this order, and waits for the broker."""
        producer = confluent_kafka.Producer({"bootstrap.servers": self._servers, "partitioner": PARTITIONER})
        for one in transactions:
            value = one if isinstance(one, bytes) else json.dumps(one).encode()
            card = key or (str(one.get("card_id", "")) if isinstance(one, dict) else "")
            producer.produce(TRANSACTIONS, key=card, value=value)
        assert producer.flush(20) == 0

    def say(
        self, card: str, *, version: int = 1, confirmed: Sequence[str] = (), struck_out: Sequence[str] = ()
    ) -> None:
        """Puts into `card-context` what was said of the card's payments."""
        message = CardContext.model_validate(
            {
                "card_id": card,
                "version": version,
                "said_at": datetime.now(UTC),
                "confirmed": list(confirmed),
                "struck_out": list(struck_out),
            }
        )
        producer = confluent_kafka.Producer({"bootstrap.servers": self._servers, "partitioner": PARTITIONER})
        producer.produce(CARD_CONTEXT, key=card, value=message.model_dump_json().encode())
        assert producer.flush(20) == 0

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert message so far, by partition in the order of its telling."""
        return self._all(FRAUD_ALERTS)

    def refused(self) -> list[dict[str, Any]]:
        return self._all(TRANSACTIONS_REFUSED)

    def standing(self, card: str) -> dict[str, dict[str, Any]]:
        """What stands at the end, by suspect."""
        last = {alert["suspect"]: alert for alert in self.alerts() if alert["card_id"] == card}
        return {suspect: alert for suspect, alert in last.items() if alert["status"] != "withdrawn"}

    def _all(self, topic: str) -> list[dict[str, Any]]:
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "test",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        open_ends: set[int | None] = set(range(self._settings.partitions))
        consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in range(len(open_ends))])
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE_S
        while open_ends:
            assert time.monotonic() < deadline, f"the ends of {topic} are not seen"
            message = consumer.poll(1)
            if message is None:
                continue
            if (error := message.error()) is None:
                found.append(json.loads(message.value() or b"null"))
            elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                open_ends.discard(message.partition())
        consumer.close()
        return found


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ringback-detection-") as folder:
        yield Path(folder) / "home"


@pytest.fixture
def ground(home: Path) -> Iterator[EmbeddedServers]:
    """A broker and a Redis of the test's own, which it may kill."""
    with EmbeddedServers(home, which=frozenset({"redis", "kafka"}), durable=False) as started:
        yield started


@pytest.fixture
def stage(ground: EmbeddedServers) -> Settings:
    """Settings on that ground, topics made."""
    settings = Settings(
        kafka_servers=ground.addresses.kafka_servers, redis_url=ground.addresses.redis_url, partitions=2
    )
    ensure_topics(settings.kafka_servers or "", settings)
    return settings


@pytest.fixture
def bank(stage: Settings) -> Bank:
    return Bank(stage)


@pytest.fixture
def start(stage: Settings) -> Iterator[Callable[[], Worker]]:
    """Starts workers; those still running at the end are stopped."""
    workers: list[Worker] = []

    def one() -> Worker:
        workers.append(Worker(stage))
        return workers[-1]

    yield one
    for worker in workers:
        worker.stop()
