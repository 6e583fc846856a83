"""What a fault run stands on: Apache Kafka (or the embedded broker), a Redis of its own, workers that are replaced."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

import confluent_kafka
import redis

from infra.cli.parent import PARENT_FD
from infra.servers import EmbeddedServers
from infra.settings import Settings
from infra.telemetry import READY_FILE
from streams.detection.failpoint import VARIABLE
from streams.detection.intake import GROUP
from streams.detection.state import hash_name
from streams.topics import CARD_CONTEXT, FRAUD_ALERTS, PARTITIONER, TRANSACTIONS, TRANSACTIONS_REFUSED, topic_identity
from tests.faults.detection.feed import Arrival
from tests.faults.detection.verdicts import Record

PATIENCE_S: Final = 180.0
_PROGRAM: Final = """
from infra.cli.parent import end_with_parent
from infra.settings import Settings
from streams.detection.worker import run
end_with_parent()
run(Settings())
"""


class Broker(Protocol):
    """A Kafka that can be hurt."""

    @property
    def servers(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


def until(holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer.

    Raises:
        AssertionError: there is none in time; names what was waited for.
    """
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := holds():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {patience_s:g} s: {what}")


class Worker:
    """One worker process, which ends with this one; `failpoint` as `streams.detection.failpoint` has it."""

    def __init__(self, settings: Settings, folder: Path, number: int, failpoint: str = "") -> None:
        self.number, self.failpoint = number, failpoint
        self._ready = folder / f"ready-{number}"
        self.log = folder / f"worker-{number}.log"
        read, self._held = os.pipe()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RINGBACK_")} | {
            "RINGBACK_REDIS_URL": settings.redis_url or "",
            "RINGBACK_KAFKA_SERVERS": settings.kafka_servers or "",
            "RINGBACK_PARTITIONS": str(settings.partitions),
            READY_FILE: str(self._ready),
            PARENT_FD: str(read),
            VARIABLE: failpoint,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-c", _PROGRAM], env=environment, stderr=log, pass_fds=[read]
            )
        os.close(read)

    @property
    def ready(self) -> bool:
        """Whether it has said that it does its work."""
        return self._ready.exists()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def halted(self) -> bool:
        """Whether it stands still under SIGSTOP."""
        with suppress(OSError):
            return (
                Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "T"
            )
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close()

    def ask_to_end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()

    def end(self) -> int:
        """In good order; the exit status."""
        self.ask_to_end()
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._close()

    def _close(self) -> None:
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)


class Ground:
    """Servers, the feed's end of them, and the workers.

    Args:
        settings: name the broker, Redis and the number of partitions.
        broker: to be bounced.
        redis_server: to be restarted.
        folder: for the workers' logs.
    """

    def __init__(self, settings: Settings, broker: Broker, redis_server: EmbeddedServers, folder: Path) -> None:
        self.settings, self.broker, self.redis_server = settings, broker, redis_server
        self._folder = folder
        self.workers: list[Worker] = []
        self._started = 0
        self.sent = 0
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": settings.kafka_servers or "",
                "partitioner": PARTITIONER,
                "enable.idempotence": True,
                "message.timeout.ms": int(PATIENCE_S * 1000),
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def start(self, failpoint: str = "") -> Worker:
        """One worker more."""
        self._started += 1
        worker = Worker(self.settings, self._folder, self._started, failpoint)
        self.workers.append(worker)
        return worker

    def feed(self, arrivals: Sequence[Arrival]) -> None:
        """Hands these over to the producer, which keeps trying; `fed` waits for it."""
        for arrival in arrivals:
            self._producer.produce(TRANSACTIONS, key=arrival.card_id, value=arrival.value)
        self.sent += len(arrivals)
        self._producer.poll(0)

    def say(self, card_id: str, value: bytes, stamp_ms: int) -> None:
        """Hands over a message of `card-context`, from any thread."""
        self._producer.produce(CARD_CONTEXT, key=card_id, value=value, timestamp=stamp_ms)
        self._producer.poll(0)

    def fed(self) -> None:
        """Returns when the broker has everything."""
        assert self._producer.flush(PATIENCE_S) == 0, "the broker does not take the feed"

    def fields(self, number: int) -> dict[bytes, bytes]:
        """Everything that Redis holds of a partition; nothing while Redis is away."""
        with suppress(redis.exceptions.ConnectionError), self._store() as store:
            found: dict[bytes, bytes] = store.hgetall(hash_name(number))
            return found
        return {}

    def positions(self) -> list[int]:
        """How far each partition is judged and stored."""
        return [self._number(number, "position") for number in range(self.settings.partitions)]

    def epochs(self) -> list[int]:
        """How often each partition has been claimed since Redis last forgot."""
        return [self._number(number, "epoch") for number in range(self.settings.partitions)]

    def judged(self, at_least: int) -> bool:
        """Whether so many records are judged and stored; replaces nobody."""
        return sum(self.positions()) >= at_least

    def heeded(self) -> list[int]:
        """How far in `card-context` each partition's words are heeded and stored."""
        return [self._number(number, "heard_position") for number in range(self.settings.partitions)]

    def committed(self) -> list[int]:
        """Up to which record the group has noted that everything is said."""
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.settings.kafka_servers or "", "group.id": GROUP, "log_level": 0}
        )
        asked = [confluent_kafka.TopicPartition(TRANSACTIONS, each) for each in range(self.settings.partitions)]
        try:
            return [max(0, found.offset) for found in consumer.committed(asked, timeout=30)]
        finally:
            consumer.close()

    def flush_redis(self) -> None:
        """Has Redis forget everything."""
        with self._store() as store:
            store.flushall()

    def identities(self) -> tuple[str, str]:
        """Of `transactions` and `card-context`."""
        servers = self.settings.kafka_servers or ""
        return str(topic_identity(servers, TRANSACTIONS)), str(topic_identity(servers, CARD_CONTEXT))

    def transactions(self) -> list[Record]:
        return self._read(TRANSACTIONS)

    def words(self) -> list[Record]:
        return self._read(CARD_CONTEXT)

    def alerts(self) -> list[Record]:
        return self._read(FRAUD_ALERTS)

    def refused(self) -> list[Record]:
        return self._read(TRANSACTIONS_REFUSED)

    def close(self) -> None:
        """Ends all workers."""
        for worker in self.workers:
            if worker.alive:
                worker.ask_to_end()
        for worker in self.workers:
            worker.end()

    def _store(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.redis_url or "")

    def _number(self, partition: int, field: str) -> int:
        with suppress(redis.exceptions.ConnectionError), self._store() as store:
            return int(store.hget(hash_name(partition), field) or 0)
        return 0

    def _read(self, topic: str) -> list[Record]:
        """Everything in a topic, by partition in its order."""
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.settings.kafka_servers or "",
                "group.id": "fault-run",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "log_level": 0,
            }
        )
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        open_ends: set[int | None] = set(partitions)
        consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
        found: list[Record] = []
        deadline = time.monotonic() + PATIENCE_S
        while open_ends:
            assert time.monotonic() < deadline, f"the ends of {topic} are not seen"
            for message in consumer.consume(5_000, 0.2):
                if (error := message.error()) is None:
                    found.append(
                        Record(
                            message.partition() or 0,
                            message.offset() or 0,
                            message.timestamp()[1],
                            message.value() or b"",
                        )
                    )
                elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    open_ends.discard(message.partition())
        consumer.close()
        return sorted(found)
