"""A detection worker as a process of its own, watched from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka
import psutil
import redis

from infra.settings import Settings
from streams.detection.intake import GROUP
from streams.detection.state import hash_name
from streams.topics import FRAUD_ALERTS, admin

_WORKER = "from infra.settings import Settings; from streams.detection.worker import run; run(Settings())"


class Worker:
    """A worker process."""

    def __init__(self, settings: Settings) -> None:
        self._names = [hash_name(number) for number in range(settings.partitions)]
        self._store = redis.Redis.from_url(settings.redis_url or "")
        self._process = subprocess.Popen([sys.executable, "-c", _WORKER], env=environment(settings))  # noqa: S603 - our own program
        self._watched = psutil.Process(self._process.pid)

    def judged(self) -> int:
        """How many records are judged and stored; fails when the worker has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the worker ended with {self._process.returncode}")
        return sum(int(self._store.hget(name, "position") or 0) for name in self._names)

    def until(self, rows: int) -> int:
        """Returns as soon as at least so many are judged, with how many are."""
        while (judged := self.judged()) < rows:
            time.sleep(0.02)
        return judged

    def cpu_s(self) -> float:
        """User and system time so far."""
        used = self._watched.cpu_times()
        return float(used.user + used.system)

    def cpu_s_by_thread(self) -> dict[str, float]:
        """The same of those who judge and flush, of librdkafka's own threads, and of all others (the intake's most)."""
        spent = {"judging_and_flushing": 0.0, "librdkafka": 0.0, "intake_and_others": 0.0}
        for thread in self._watched.threads():
            name = Path(f"/proc/{self._process.pid}/task/{thread.id}/comm")
            if thread.id == self._process.pid:
                kind = "judging_and_flushing"
            elif name.exists() and name.read_text(encoding="ascii").startswith("rdk:"):
                kind = "librdkafka"
            else:
                kind = "intake_and_others"
            spent[kind] += thread.user_time + thread.system_time
        return spent

    def memory_mb(self) -> float:
        """What it has now."""
        return float(self._watched.memory_info().rss / 2**20)

    def peak_mb(self) -> float:
        """The most memory that it has had."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():  # not Linux: what it has now
            return self.memory_mb()
        lines = status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if "VmHWM" in line)

    def stop(self) -> None:
        """In good order."""
        self._process.terminate()
        self._process.wait()
        self._store.close()

    def kill(self) -> None:
        """At once."""
        self._process.kill()
        self._process.wait()
        self._store.close()


def environment(settings: Settings) -> dict[str, str]:
    """Of a process on these servers."""
    return os.environ | {
        "RINGBACK_REDIS_URL": settings.redis_url or "",
        "RINGBACK_KAFKA_SERVERS": settings.kafka_servers or "",
        "RINGBACK_PARTITIONS": str(settings.partitions),
        "RINGBACK_DETECTION_CARDS_KEPT": str(settings.detection_cards_kept),
        "RINGBACK_LOG_LEVEL": "WARNING",
    }


@contextmanager
def worker(settings: Settings) -> Iterator[Worker]:
    """A worker for as long as the block lasts."""
    one = Worker(settings)
    try:
        yield one
    finally:
        one.stop()


def forget_group(settings: Settings) -> None:
    """Has the broker forget up to where everything was said: whoever finds Redis empty says everything again."""
    asking = admin(settings.kafka_servers or "")  # to be kept: with the client its answers go
    (deleted,) = asking.delete_consumer_groups([GROUP]).values()
    deleted.result(30)


def per_row(rows: float, seconds: float, cpu_s: float) -> dict[str, float]:
    """Rate and cost."""
    return {"transactions_per_s": round(rows / seconds), "cpu_s_per_100000": round(cpu_s / rows * 100_000, 2)}


def throughput(settings: Settings, begin: int, end: int) -> dict[str, float | dict[str, float]]:
    """One worker from record `begin` (positions of all partitions together) to `end`, timed between two positions."""
    with worker(settings) as one:
        first = one.until(begin + 1)
        began, cpu_s, by_thread = time.monotonic(), one.cpu_s(), one.cpu_s_by_thread()
        one.until(end)
        figures: dict[str, float | dict[str, float]] = {
            **per_row(end - first, time.monotonic() - began, one.cpu_s() - cpu_s)
        }
        figures["of_which"] = {
            kind: round((now - by_thread[kind]) / (end - first) * 100_000, 2)
            for kind, now in one.cpu_s_by_thread().items()
        }
        figures["peak_mb"] = round(one.peak_mb())
        return figures


def alert_consumer(settings: Settings, offset: int) -> confluent_kafka.Consumer:
    """Reads all partitions of the alerts' topic from that offset."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.kafka_servers or "",
            "group.id": "bench",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 5,
        }
    )
    consumer.assign(
        [confluent_kafka.TopicPartition(FRAUD_ALERTS, number, offset) for number in range(settings.partitions)]
    )
    return consumer


def alerts(settings: Settings) -> list[bytes]:
    """The alert messages so far."""
    consumer = alert_consumer(settings, 0)
    found: list[bytes] = []
    ended = 0
    while ended < settings.partitions:
        message = consumer.poll(1)
        if message is not None and message.error() is not None:
            ended += 1
        elif message is not None:
            found.append(message.value() or b"")
    consumer.close()
    return found
