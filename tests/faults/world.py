"""A whole installation with its rehearsal world, to be hurt: servers, roles, bank, phone network and mail server."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from infra.cli.connected import master_key
from infra.cli.rehearsed import rehearsed
from infra.cli.supervisor import ROLES, Supervisor
from infra.clock import utc_now
from infra.history.event import Event, Recorded
from infra.history.registry import register
from infra.history.store import History
from infra.settings import Settings
from outreach.cases import events as case_events
from outreach.customers import events as customer_events
from outreach.customers.events import CardAssigned
from streams.rehearsal.bank import REHEARSAL_CUSTOMERS, REHEARSAL_SEED
from streams.rehearsal.payments import Labelled, payments
from streams.rehearsal.people import CITIES, City, customers

register(case_events, customer_events)

BATCH = 500


@dataclass(frozen=True)
class World:
    """Where everything is, while it runs."""

    supervisor: Supervisor
    history: History
    http: httpx.AsyncClient

    @property
    def settings(self) -> Settings:
        return self.supervisor.settings

    async def feed(self, rows: Sequence[dict[str, Any]], *, within_s: float = 120) -> int:
        """Sends a batch until the feed has taken it, as a bank's feed would; answers how many tries it took."""
        assert self.settings.feed_key is not None
        key = self.settings.feed_key.get_secret_value()
        deadline = asyncio.get_running_loop().time() + within_s
        for attempt in range(1, 10_000):
            try:
                answer = await self.http.post(
                    f"{self.settings.web_url}/v1/transactions",
                    json=list(rows),
                    headers={"Authorization": f"Bearer {key}"},
                )
                if answer.status_code == httpx.codes.ACCEPTED:
                    return attempt
                assert answer.status_code in {429, 503}, answer.text
            except httpx.TransportError:
                pass  # killed under our hands: send it again
            assert asyncio.get_running_loop().time() < deadline, "the feed takes nothing any more"
            await asyncio.sleep(0.2)
        raise AssertionError

    async def events(self, kind: type[Event]) -> list[Recorded[Any]]:
        """Every event of a kind that the history holds."""
        found: list[Recorded[Any]] = []
        after = 0
        while batch := await self.history.read(after=after, limit=5000, types=[kind.wire_name]):
            found += batch
            after = batch[-1].position
        return found

    async def until(self, what: str, holds: Callable[[], Any], *, within_s: float = 90) -> None:
        """Waits until ``holds`` (sync or async) is true.

        Raises:
            AssertionError: it is not in time; names ``what``.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            answer = holds()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            assert asyncio.get_running_loop().time() < deadline, f"not within {within_s:g} s: {what}"
            await asyncio.sleep(0.25)

    async def messages(self) -> list[dict[str, Any]]:
        """Every SMS that the phone network has accepted."""
        answer = await self.http.get(f"{self.settings.twilio_api_url}/rehearsal/messages")
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    async def misbehave(self, mode: str, count: int) -> None:
        """Tells the phone network to misbehave the next ``count`` times."""
        answer = await self.http.post(
            f"{self.settings.twilio_api_url}/rehearsal/faults", json={"mode": mode, "count": count}
        )
        answer.raise_for_status()

    def kill(self, role: str) -> None:
        """SIGKILL to a role's process; the supervisor starts it again."""
        pid = self.supervisor.pid(role)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def alerts(self) -> list[bytes]:
        """Everything on the topic ``fraud-alerts``, from its beginning."""
        return read_topic(self.supervisor.addresses.kafka_servers, "fraud-alerts")


@asynccontextmanager
async def whole_world(home: Path, **changed: Any) -> AsyncIterator[World]:
    """Everything, started in ``home`` on free ports, and stopped again."""
    base = {"home": home, "http_port": free_ports(), "log_level": "WARNING"}
    settings = rehearsed(Settings.model_validate(base | changed))
    with Supervisor(settings, (*ROLES, "rehearsal")) as supervisor:
        async with (
            await History.open(
                supervisor.addresses.postgres_url,
                master_key=master_key(supervisor.settings),
                clock=utc_now,
                redis_url=supervisor.addresses.redis_url,
            ) as history,
            httpx.AsyncClient(timeout=30) as http,
        ):
            world = World(supervisor, history, http)

            async def known() -> bool:
                return len(await world.events(CardAssigned)) >= REHEARSAL_CUSTOMERS

            await world.until("the bank's customers are known", known)
            yield world


def impossible_journeys(count: int, impossible: int, seed: int) -> list[Labelled]:
    """Payments of the bank's customers, one card each, the impossible ones of different customers."""
    homes = {city.name: city for city in CITIES}
    cards: list[tuple[str, City]] = [
        (each["cards"][0]["card_id"], homes[each["home"]["city"]])
        for each in customers(REHEARSAL_CUSTOMERS, REHEARSAL_SEED)
    ]
    start = datetime.now(UTC) - timedelta(seconds=count / 20)
    return list(payments(cards, count=count, impossible=impossible, seed=seed, start=start, per_s=20))


def batches(rows: Sequence[dict[str, Any]]) -> list[Sequence[dict[str, Any]]]:
    return [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]


def read_topic(servers: str, topic: str) -> list[bytes]:
    return [value for _, _, value in read_records(servers, topic)]


def read_records(servers: str, topic: str) -> list[tuple[int, int, bytes]]:
    """Partition, offset and value of everything; the embedded broker's own word for where a topic ends is not right."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"look-{random.random()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        open_ends: set[int | None] = set(partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        records: list[tuple[int, int, bytes]] = []
        while open_ends:
            message = consumer.poll(20)
            assert message is not None, f"{topic} cannot be read"
            if (error := message.error()) is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    open_ends.discard(message.partition())
            elif (value := message.value()) is not None:
                records.append((message.partition() or 0, message.offset() or 0, value))
        return records
    finally:
        consumer.close()


def free_ports() -> int:
    """The first of three free ports in a row."""
    for first in range(random.randrange(20_000, 30_000, 10), 32_000, 10):
        probes = [socket.socket() for _ in range(3)]
        try:
            for offset, probe in enumerate(probes):
                probe.bind(("127.0.0.1", first + offset))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return first
    raise AssertionError("no free ports")
