"""The servers go away under running roles, and come back: nothing is lost, and nothing is done twice."""

import asyncio
import json
import os
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from infra.clock import utc_now
from infra.history.errors import Unavailable
from infra.history.event import Event, Recorded
from infra.history.store import History
from infra.history.verify import verify
from infra.servers import Addresses, EmbeddedServers
from infra.settings import Settings
from streams.ground import master_key
from streams.producer import Outgoing, Producer, Sent
from streams.rehearsal.phones import Fault, Mode
from streams.topics import ensure_topics
from tests.faults.world import read_topic
from tests.streams.contact.world import open_world, rehearsed, three_ports
from tests.streams.role import RoleProcess
from tests.streams.test_casework import alert, customer

pytestmark = pytest.mark.timeout(240)

CARDS = 12
PATIENT = 3600
"""Seconds after which nothing in these tests is sent again by a timer."""


@pytest.fixture
def own_servers(session_home: Path) -> Iterator[EmbeddedServers]:
    """Servers of the test's own, to be killed: durable, or a crash takes back what was committed a moment before."""
    home = Path(tempfile.mkdtemp(prefix="away-", dir=session_home))
    with EmbeddedServers(home) as started:
        yield started


@pytest.fixture
def away(settings: Settings, own_servers: EmbeddedServers) -> Settings:
    addresses: Addresses = own_servers.addresses
    return settings.model_copy(
        update={
            "postgres_url": addresses.postgres_url,
            "redis_url": addresses.redis_url,
            "kafka_servers": addresses.kafka_servers,
            "card_answer_due_after": settings.silence_after * PATIENT,
            "silence_after": settings.silence_after * PATIENT,
        }
    )


@pytest.fixture
async def history(away: Settings) -> AsyncIterator[History]:
    async with await History.open(away.postgres_url or "", master_key=master_key(away), clock=utc_now) as opened:
        yield opened


def end_at_once(servers: EmbeddedServers, name: str, how: signal.Signals) -> None:
    """Ends a server as a crash does, and starts it again; the broker has forgotten its topics then."""
    pid = servers.pid(name)
    assert pid is not None
    os.kill(pid, how)
    servers.restart(name)


async def send(settings: Settings, *messages: Outgoing) -> None:
    ensure_topics(settings.kafka_servers or "", settings)
    async with Producer(settings.kafka_servers or "", client_id="test") as producer:
        assert all(isinstance(answer, Sent) for answer in await producer.send_all(messages))


async def count(history: History, name: str, wanted: int) -> list[Recorded[Event]] | None:
    try:
        found = await history.read(after=0, limit=10_000, types=[name])
    except Unavailable:  # its connections are those from before
        return None
    return found if len(found) >= wanted else None


def owners(numbers: range) -> list[Outgoing]:
    return [customer(customer_id=f"a-{number}", cards=[{"card_id": f"a-{number}"}]) for number in numbers]


def alerts(numbers: range) -> list[Outgoing]:
    return [alert(1, card=f"a-{number}") for number in numbers]


async def topic(settings: Settings, name: str) -> list[dict[str, Any]]:
    found = await asyncio.to_thread(read_topic, settings.kafka_servers or "", name)
    return [json.loads(one) for one in found]


async def test_a_broker_that_forgets_its_topics_under_running_roles(
    away: Settings, own_servers: EmbeddedServers, history: History, tmp_path: Path
) -> None:
    """Unanswered commands are sent again under their ids, the relay begins anew, and nothing else is doubled."""
    first = range(CARDS // 2)
    with ExitStack() as roles:
        running = {
            name: roles.enter_context(RoleProcess(name, away, tmp_path / name))
            for name in ("casework", "cards", "relay")
        }
        casework = running["casework"]
        await send(away, *owners(range(CARDS)))
        await casework.until(lambda: count(history, "customer.recorded", CARDS))
        await send(away, *alerts(first))
        await casework.until(lambda: count(history, "card.action-sent", len(first)))
        assert len(await topic(away, "card-commands")) == len(first)

        end_at_once(own_servers, "kafka", signal.SIGKILL)
        ensure_topics(away.kafka_servers or "", away)
        # Detection emits what stands again, and then what is new.
        await send(away, *owners(range(CARDS)), *alerts(range(CARDS)))

        await casework.until(lambda: count(history, "case.opened", CARDS), within_s=90)

        async def all_sent() -> bool:
            return len({one["command_id"] for one in await topic(away, "card-commands")}) == CARDS

        await running["cards"].until(all_sent, within_s=90)

        async def all_relayed() -> bool:
            return len({one["sequence"] for one in await topic(away, "case-events")}) >= (await history.head()).position

        await running["relay"].until(all_relayed, within_s=90)

        commands = Counter(one["command_id"] for one in await topic(away, "card-commands"))
        assert set(commands.values()) == {1}
        relayed = [one["sequence"] for one in await topic(away, "case-events")]
        assert min(relayed) == f"{1:020d}"
        assert all(role.alive for role in running.values())
    for name, wanted in {"case.opened": CARDS, "case.alert-joined": CARDS, "contact.requested": CARDS}.items():
        assert len(await count(history, name, wanted) or []) == wanted
    requested = await count(history, "card.action-requested", CARDS)
    assert requested is not None
    assert len(requested) == CARDS
    assert (await verify(history)).intact


async def test_a_database_that_dies_in_the_middle_of_the_casework(
    away: Settings, own_servers: EmbeddedServers, history: History, tmp_path: Path
) -> None:
    async with AsyncExitStack() as block:
        casework = block.enter_context(RoleProcess("casework", away, tmp_path / "casework"))
        cards = block.enter_context(RoleProcess("cards", away, tmp_path / "cards"))
        await send(away, *owners(range(CARDS)))
        await casework.until(lambda: count(history, "customer.recorded", CARDS))
        await send(away, *alerts(range(CARDS)))
        await casework.until(lambda: count(history, "case.opened", 2))
        end_at_once(own_servers, "postgres", signal.SIGQUIT)  # what `pg_ctl stop -m immediate` does
        await casework.until(lambda: count(history, "case.opened", CARDS))
        await cards.until(lambda: count(history, "card.action-sent", CARDS))
        await send(away, alert(1, card="a-end"))
        await casework.until(lambda: count(history, "case.opened", CARDS + 1))
        # Only what has been acknowledged by the broker is noted as sent.
        await cards.until(lambda: count(history, "card.action-sent", CARDS + 1))
        assert casework.alive
        assert cards.alive
    for name in ("case.opened", "case.alert-joined"):
        found = await count(history, name, CARDS + 1)
        assert found is not None
        assert len({one.stream for one in found}) == len(found) == CARDS + 1
    assert len(await count(history, "contact.requested", CARDS) or []) == CARDS
    commands = Counter(one["command_id"] for one in await topic(away, "card-commands"))
    assert len(commands) == CARDS + 1, "a command that was sent twice has the same id"
    assert (await verify(history)).intact


async def test_a_database_that_dies_in_the_middle_of_a_send(
    away: Settings, own_servers: EmbeddedServers, tmp_path: Path
) -> None:
    """The provider has the message and nobody could write that down: it is found there, and not sent again."""
    at_hand = rehearsed(away, three_ports(), twilio_timeout_s=1.0)
    async with open_world(at_hand) as world:
        await world.customer()
        world.network.misbehave(Fault(mode=Mode.TIMEOUT_AFTER_ACCEPT))
        world.network.misbehave(Fault(mode=Mode.CALLBACKS_MISSING))
        with RoleProcess("contact", at_hand, tmp_path / "contact") as role:
            case_id = await world.alert()

            async def taken() -> bool:
                return bool(world.texts())

            await role.until(taken)
            end_at_once(own_servers, "postgres", signal.SIGQUIT)

            async def accepted() -> bool:
                try:
                    contact = await world.contact(case_id)
                except Unavailable:
                    return False
                return contact is not None and contact.status == "accepted"

            await role.until(accepted)
            # One more goes out the usual way: the role has not been started again.
            await world.customer("vanna", phone="+14155550177")
            other = await world.alert("vanna", suspect="orsay")
            await world.until_status(other, "delivered")
            assert role.alive
        assert len(world.texts()) == 1
        assert len(world.texts("+14155550177")) == 1
        assert (await verify(world.history)).intact
