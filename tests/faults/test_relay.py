"""Two relays, the leading one killed; a broker that stalls: a reader of `case-events` misses nothing."""

import json
import os
import secrets
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from typing import Any

import confluent_kafka
import pytest

from infra.clock import utc_now
from infra.history.event import NewEvent, derived_id
from infra.history.store import History, StreamWrite
from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.ground import master_key
from streams.topics import ensure_topics
from tests.faults.detection.run import seed
from tests.infra.history.notes import Counted
from tests.streams.role import RoleProcess

pytestmark = pytest.mark.faults

CUSTOMERS = 7
PART = 400


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """A broker of the test's own, which can be stopped and continued."""
    with EmbeddedServers(tmp_path_factory.mktemp("broker"), which=frozenset({"kafka"})) as started:
        yield started


@pytest.fixture
def kafka_servers(broker: EmbeddedServers) -> str:
    return broker.addresses.kafka_servers


@pytest.fixture
async def history(settings: Settings) -> AsyncIterator[History]:
    async with await History.open(
        settings.postgres_url or "", master_key=master_key(settings), clock=utc_now, redis_url=settings.redis_url
    ) as opened:
        yield opened


async def more(history: History, random: Random, part: int) -> None:
    for n in range(PART):
        new = NewEvent(
            event=Counted(number=n),
            event_id=derived_id("relay", part, n),
            occurred_at=utc_now(),
            actor="system:test",
            subject=f"customer-{random.randrange(CUSTOMERS)}",
        )
        await history.append(StreamWrite(f"case-{n % 11}", [new]))


class Reader:
    """Whoever reads the topic as `docs/` says: in each partition, what is not above the last is ignored."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": settings.kafka_servers, "group.id": f"test-{secrets.token_hex(4)}"}
        )
        parts = self._consumer.list_topics("case-events", timeout=10).topics["case-events"].partitions
        beginning = confluent_kafka.OFFSET_BEGINNING
        self._consumer.assign([confluent_kafka.TopicPartition("case-events", part, beginning) for part in parts])
        self._last: dict[int, int] = defaultdict(int)
        self.taken: list[int] = []
        self.customers: dict[str, list[int]] = defaultdict(list)
        self.ignored = 0

    def until(self, count: int, *, within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while len(self.taken) < count:
            assert time.monotonic() < deadline, f"{len(self.taken)} of {count} only"
            for message in self._consumer.consume(500, 0.1):
                if not message.error():
                    self._take(message.partition() or 0, message.key() or b"", json.loads(message.value() or b"{}"))

    def _take(self, partition: int, key: bytes, event: dict[str, Any]) -> None:
        position = int(event["sequence"])
        if position <= self._last[partition]:
            self.ignored += 1
            return
        self._last[partition] = position
        self.taken.append(position)
        self.customers[key.decode()].append(position)

    def close(self) -> None:
        self._consumer.close()


async def in_order(reader: Reader, history: History) -> None:
    """Of each customer everything was taken, in the order of the history."""
    rows = await history.read_stored(after=0, limit=5_000)
    for customer, positions in reader.customers.items():
        assert positions == [row.position for row in rows if row.subject == customer]


@pytest.mark.timeout(180)
async def test_a_second_relay_waits_takes_over_and_leaves_no_gap(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    random = Random(seed())
    ensure_topics(settings.kafka_servers or "", settings)
    reader = Reader(settings)
    with RoleProcess("relay", settings, tmp_path / "first") as first:
        await more(history, random, 1)
        reader.until(PART)
        with RoleProcess("relay", settings, tmp_path / "second") as second:
            await more(history, random, 2)
            reader.until(2 * PART)
            assert "relay leads" not in second.tail()
            assert reader.ignored == 0, "two relays sent the same"
            first.kill()
            await more(history, random, 3)
            reader.until(3 * PART)
            assert "relay leads" in second.tail()
    assert sorted(reader.taken) == list(range(1, 3 * PART + 1))
    await in_order(reader, history)
    reader.close()


@pytest.mark.timeout(180)
async def test_a_broker_that_stalls_under_a_relay_and_goes_on_has_every_event_in_order(
    settings: Settings, history: History, tmp_path: Path, broker: EmbeddedServers
) -> None:
    random = Random(seed())
    ensure_topics(settings.kafka_servers or "", settings)
    reader = Reader(settings)
    pid = broker.pid("kafka")
    assert pid is not None
    with RoleProcess("relay", settings, tmp_path / "relay") as relay:
        await more(history, random, 1)
        reader.until(PART)
        os.kill(pid, signal.SIGSTOP)
        try:
            await more(history, random, 2)

            async def given_up() -> bool:
                return "relay waits" in relay.tail()

            await relay.until(given_up)  # the batch is in the stopped broker's ear, and a new producer sends it again
        finally:
            os.kill(pid, signal.SIGCONT)
        await more(history, random, 3)
        reader.until(3 * PART, within_s=90)
    assert sorted(reader.taken) == list(range(1, 3 * PART + 1))
    await in_order(reader, history)
    print(f"{reader.ignored} came twice", flush=True)
    reader.close()
