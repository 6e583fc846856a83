"""The web process: the feed, the webhooks, the desk, health and figures, on one port."""

import asyncio
import base64
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from socket import socket
from typing import Any, Final

import redis.asyncio
import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from infra import telemetry
from infra.clock import Clock, utc_now
from infra.history.projection import ProjectionRunner
from infra.history.store import History
from infra.problems import install_problems
from infra.settings import Settings
from outreach.cases.service import Cases
from outreach.customers.service import Customers
from outreach.desk.accounts import Accounts
from outreach.desk.routes import Desk, desk_router
from outreach.projections import projections
from streams.entrance import Entrance, key_digest
from streams.errors import BrokerAway
from streams.feed.batch import BYTES_AT_MOST
from streams.feed.http import feed_router
from streams.feed.resend import Resend
from streams.health import health_router
from streams.producer import Producer
from streams.rate import RateLimit
from streams.topics import TRANSACTIONS, ensure_topics, topic_identity
from streams.webhooks import webhook_router

_log: Final = structlog.get_logger(__name__)

BODY_LIMITS: Final = {"/": 256 * 1024, "/v1/transactions": BYTES_AT_MOST}
REQUESTS_PER_S: Final = 200.0
BURST: Final = 400.0
STOP_WITHIN_S: Final = 5
_TOPICS_EVERY_S: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the routes stand on; opened by `open_services`."""

    settings: Settings
    clock: Clock
    history: History
    cases: Cases
    customers: Customers
    producer: Producer
    redis: redis.asyncio.Redis
    desk: Desk
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def close_streams(self) -> None:
        """Ends every open event stream; called on the signal, before the server drains."""
        self.closing.set()
        self.desk.close()


@asynccontextmanager
async def open_services(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Services]:
    """Opens what the routes stand on, and closes it again.

    The broker need not be there; the history must.

    Raises:
        Unavailable: PostgreSQL cannot be reached.
        ValueError: an address or the master key is not set.
    """
    if not (settings.postgres_url and settings.redis_url and settings.kafka_servers and settings.master_key):
        raise ValueError("the web process needs postgres_url, redis_url, kafka_servers and master_key")
    master_key = base64.b64decode(settings.master_key.get_secret_value())
    client = redis.asyncio.Redis.from_url(settings.redis_url)
    async with (
        await History.open(
            settings.postgres_url, master_key=master_key, clock=clock, redis_url=settings.redis_url
        ) as history,
        Producer(settings.kafka_servers, client_id="ringback-web") as producer,
        client,
    ):
        cases = Cases(history, clock)
        customers = Customers(history, clock, master_key=master_key)
        accounts = Accounts(history, clock)
        desk = Desk(
            history=history, cases=cases, customers=customers, accounts=accounts, settings=settings, clock=clock
        )
        await desk.prepare()
        yield Services(
            settings=settings,
            clock=clock,
            history=history,
            cases=cases,
            customers=customers,
            producer=producer,
            redis=client,
            desk=desk,
        )


def create_app(services: Services) -> FastAPI:
    """The application with every route of the web process, behind its entrance."""
    settings = services.settings
    feed_key = settings.feed_key.get_secret_value() if settings.feed_key else None
    app = FastAPI(title="Ringback", version="1", docs_url=None, redoc_url=None, separate_input_output_schemas=False)
    app.state.services = services
    install_problems(app)
    app.include_router(
        feed_router(
            services.producer,
            feed_key=feed_key,
            clock=services.clock,
            resend=Resend(settings.redis_url or "", settings.partitions),
            allow_card_numbers=settings.allow_card_numbers,
        )
    )
    app.include_router(health_router(_checks(services)))
    app.include_router(
        webhook_router(
            history=services.history,
            cases=services.cases,
            customers=services.customers,
            settings=settings,
            clock=services.clock,
        )
    )
    app.include_router(desk_router(services.desk))
    app.add_middleware(
        Entrance,
        rate=RateLimit(REQUESTS_PER_S, BURST),
        closing=services.closing,
        body_limits=BODY_LIMITS,
        keys=frozenset({key_digest(feed_key)} if feed_key else ()),
        secure=settings.web_url.startswith("https://"),
    )
    return app


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then ends the event streams, answers what is begun, and returns."""
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    async with open_services(settings) as services:
        config = uvicorn.Config(
            create_app(services),
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=STOP_WITHIN_S,
            lifespan="off",
        )
        server = _Server(config)

        def stop() -> None:
            services.close_streams()
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        beside = [
            asyncio.create_task(_keep_topics(settings), name="topics"),
            asyncio.create_task(_read_models(services), name="read-models"),
        ]
        try:
            await server.serve()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


class _Server(uvicorn.Server):
    """Uvicorn, told when to stop by us, and telling whoever started the process when it listens."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            telemetry.ready()


async def _read_models(services: Services) -> None:
    key = services.settings.master_key
    master_key = base64.b64decode(key.get_secret_value()) if key else b""
    await ProjectionRunner(services.history, projections(master_key)).run()


async def _keep_topics(settings: Settings) -> None:
    """Makes the topics where they are missing: at the start, and after a broker has lost them."""
    away = False
    while True:
        try:
            made = await asyncio.to_thread(ensure_topics, settings.kafka_servers or "", settings)
            if made:
                _log.info("topics made", topics=made)
            away = False
        except BrokerAway:
            if not away:
                _log.warning("broker away")
            away = True
        await asyncio.sleep(_TOPICS_EVERY_S)


def _checks(services: Services) -> dict[str, Any]:
    async def postgres() -> None:
        async with services.history.transaction() as connection:
            await connection.execute("SELECT 1")

    async def cache() -> None:
        await services.redis.ping()

    async def broker() -> None:
        servers = services.settings.kafka_servers or ""
        await asyncio.to_thread(topic_identity, servers, TRANSACTIONS, timeout_s=1.5)

    return {"postgres": postgres, "redis": cache, "broker": broker}
