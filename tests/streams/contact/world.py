"""A bank's web process and the rehearsal's networks on real sockets, with the outreach role between them."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import uvicorn
from fastapi import FastAPI

from infra.clock import utc_now
from infra.history.event import Event, Recorded
from infra.history.projection import ProjectionRunner
from infra.history.store import Connection, History
from infra.history.subscription import Subscription
from infra.problems import install_problems
from infra.settings import Settings
from outreach.cases.alert import Alert
from outreach.cases.service import Cases
from outreach.cases.state import CaseState, ContactState
from outreach.contact.courier import Patience
from outreach.customers.service import CardRef, CustomerMessage, Customers
from outreach.projections import projections
from streams.contact import NAME, WANTED, Outreach
from streams.rehearsal.server import Rehearsal, open_rehearsal, rehearsal_app
from streams.webhooks import webhook_router

PHONE = "+14155550142"
EMAIL = "sokha.chan@example.com"
DEADLINE_S = 20.0
PATIENCE = Patience(first_wait_s=0.05, longest_wait_s=0.2, retry_for_s=4.0, second_look_s=0.6, report_for_s=60.0)

EventT = TypeVar("EventT", bound=Event)


async def until(condition: Callable[[], Awaitable[bool] | bool], what: str) -> None:
    """Returns as soon as the condition holds; fails when it does not in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while True:
        held = condition()
        if await held if isinstance(held, Awaitable) else held:
            return
        assert loop.time() < deadline, f"not seen in {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.02)


class Role:
    """The outreach role without Faust: the same handler and the same watch, driven by a plain loop."""

    def __init__(self, history: History, settings: Settings, patience: Patience) -> None:
        self.outreach = Outreach(history, settings, utc_now, patience=patience)
        self._history = history
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._watch())]

    async def kill(self) -> None:
        """Ends it at whatever it is doing, as a killed process would."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.outreach.lanes.stop(0)

    async def _follow(self) -> None:
        subscription = Subscription(self._history, NAME, types=WANTED)
        async with subscription.lead():
            async for batch in subscription.batches():
                for recorded in batch:
                    await self._one(subscription, recorded)

    async def _one(self, subscription: Subscription, recorded: Recorded[Event]) -> None:
        async def done(conn: Connection) -> None:
            await subscription.advance(conn, recorded.position)

        await self.outreach.handle(recorded, done)

    async def _watch(self) -> None:
        at_start = True
        while True:
            await self.outreach.look(at_start=at_start)
            at_start = False
            await asyncio.sleep(0.05)


class World:
    """Everything that a test needs to look at."""

    def __init__(self, settings: Settings, history: History, rehearsal: Rehearsal) -> None:
        self.settings = settings
        self.history = history
        self.rehearsal = rehearsal
        self.network = rehearsal.network
        self.mailboxes = rehearsal.mailboxes
        self.cases = Cases(history, utc_now)
        self.customers = Customers(history, utc_now, master_key=history.lookup_key)
        self.http = httpx.AsyncClient(base_url=settings.web_url, trust_env=False, timeout=10)
        self.rehearsal_http = httpx.AsyncClient(base_url=settings.twilio_api_url or "", trust_env=False, timeout=10)
        self._roles: list[Role] = []

    def role(self, *, patience: Patience = PATIENCE, **changes: Any) -> Role:
        """An outreach role that is not started yet."""
        role = Role(self.history, self.settings.model_copy(update=changes), patience)
        self._roles.append(role)
        return role

    async def close(self) -> None:
        for role in self._roles:
            await role.kill()
        await self.http.aclose()
        await self.rehearsal_http.aclose()

    async def customer(self, customer_id: str = "sokha", **changes: Any) -> None:
        """A customer with a card, as the bank says."""
        said: dict[str, Any] = {
            "customer_id": customer_id,
            "name": "Sokha Chan",
            "phone": PHONE,
            "email": EMAIL,
            "cards": [CardRef(card_id=f"card-{customer_id}", last_four="4821")],
        }
        await self.customers.record(CustomerMessage(**{**said, **changes}), str(uuid4()))
        await self.caught_up()

    async def alert(self, customer_id: str = "sokha", *, severity: Any = "medium", suspect: str = "louvre") -> str:
        """An alert on the customer's card; answers the case."""
        now = utc_now()
        case_id = await self.cases.receive_alert(
            Alert(
                alert_id=str(uuid4()),
                status="raised",
                card_id=f"card-{customer_id}",
                raised_by=suspect,
                suspect=suspect,
                verdict="alert",
                severity=severity,
                rule="impossible-journey",
                ruleset_version="1",
                raised_at=now,
                arrived_at=now,
            )
        )
        assert case_id is not None
        return case_id

    async def state(self, case_id: str) -> CaseState:
        state, _ = await self.cases.load(case_id)
        return state

    async def contact(self, case_id: str, channel: str = "sms", purpose: str = "alert") -> ContactState | None:
        contacts = (await self.state(case_id)).contacts.values()
        return next((one for one in contacts if (one.channel, one.purpose) == (channel, purpose)), None)

    async def until_status(
        self, case_id: str, status: str, *, channel: str = "sms", purpose: str = "alert"
    ) -> ContactState:
        """The contact, as soon as it has the status."""
        found: list[ContactState] = []

        async def reached() -> bool:
            contact = await self.contact(case_id, channel, purpose)
            if contact is not None and contact.status == status:
                found.append(contact)
            return bool(found)

        await until(reached, f"{channel} {purpose} {status}")
        return found[0]

    async def events(self, case_id: str, kind: type[EventT]) -> list[EventT]:
        return [one.event for one in await self.cases.timeline(case_id) if isinstance(one.event, kind)]

    def texts(self, phone: str = PHONE) -> list[str]:
        """What the bank's system sent to the phone, as the network took it; the carrier's own words left out."""
        sent = reversed(self.network.phones.to(phone))
        return [message.body for message in sent if message.callback]

    async def caught_up(self) -> None:
        """Returns when the read models have everything that is in the history now."""
        head = (await self.history.head()).position

        async def reached() -> bool:
            async with self.history.transaction() as conn:
                cursor = await conn.execute("SELECT min(position), count(*) FROM views.checkpoints")
                row = await cursor.fetchone()
            return row is not None and row[1] == len(projections(b"k" * 32)) and row[0] >= head

        await until(reached, "read models caught up")


@asynccontextmanager
async def open_world(settings: Settings) -> AsyncIterator[World]:
    """Serves everything on real sockets, and ends it again."""
    assert settings.postgres_url
    key = settings.master_key.get_secret_value() if settings.master_key else ""
    master_key = base64.b64decode(key)
    history = await History.open(
        settings.postgres_url, master_key=master_key, clock=utc_now, redis_url=settings.redis_url
    )
    without_bank = settings.model_copy(update={"kafka_servers": None})
    async with history, open_rehearsal(without_bank) as rehearsal:
        world = World(settings, history, rehearsal)
        web = FastAPI()
        install_problems(web)
        web.include_router(
            webhook_router(
                history=history, cases=world.cases, customers=world.customers, settings=settings, clock=utc_now
            )
        )
        read_models = asyncio.create_task(ProjectionRunner(history, projections(history.lookup_key)).run())
        async with (
            _served(web, settings.http_port),
            _served(rehearsal_app(rehearsal, settings), settings.http_port + 1),
        ):
            try:
                await world.caught_up()
                yield world
            finally:
                rehearsal.network.hang_up()
                await world.close()
                read_models.cancel()
                with suppress(asyncio.CancelledError):
                    await read_models


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _served(app: FastAPI, port: int) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started or serving.done(), f"listening on {port}")
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def three_ports() -> int:
    """The first of three neighbouring loopback ports that nobody listened on a moment ago."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        with suppress(OSError):
            for port in (first, first + 1, first + 2):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
    raise AssertionError("no three neighbouring ports are free")


def rehearsed(settings: Settings, port: int, **changes: Any) -> Settings:
    """The settings, pointed at the rehearsal on the three ports."""
    update: dict[str, Any] = {
        "http_port": port,
        "twilio_api_url": f"http://127.0.0.1:{port + 1}",
        "twilio_timeout_s": 1.5,  # a busy machine may take long to answer itself
        "smtp_host": "127.0.0.1",
        "smtp_port": port + 2,
        "smtp_starttls": False,
        "outcome_due_after": timedelta(seconds=30),
        "delivery_due_after": timedelta(seconds=30),
    }
    return settings.model_copy(update={**update, **changes})
