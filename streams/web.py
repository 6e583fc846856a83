"""The web process: the feed, the webhooks, the desk, health and figures, on one port."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import psycopg
import redis.asyncio
import structlog
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.clock import Clock, utc_now
from infra.history.errors import Unavailable
from infra.history.opening import open_history
from infra.history.projection import ProjectionRunner
from infra.history.store import History
from infra.problems import install_problems
from infra.redis_client import redis_client
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
from streams.health import Check, health_router
from streams.producer import Producer
from streams.rate import RateLimit
from streams.serving import Server
from streams.topics import TRANSACTIONS, ensure_topics, topic_identity
from streams.waiting import waiting_router
from streams.webhooks import webhook_router

_log: Final = structlog.get_logger(__name__)

BODY_LIMITS: Final = {"/": 256 * 1024, "/v1/transactions": BYTES_AT_MOST}
STOP_WITHIN_S: Final = 5
_TOPICS_EVERY_S: Final = 2.0
_HISTORY_AGAIN_S: Final = 1.0
_WHOLE_WITHIN_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Base:
    """What the feed stands on, and the process with it; opened by `open_base`."""

    settings: Settings
    clock: Clock
    producer: Producer
    redis: redis.asyncio.Redis
    rate: RateLimit
    closing: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the webhooks and the desk stand on beside the base; opened by `open_services`."""

    base: Base
    history: History
    cases: Cases
    customers: Customers
    desk: Desk


@asynccontextmanager
async def open_base(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Base]:
    """Opens what the feed stands on, and closes it again; neither broker nor Redis need be there.

    Raises:
        ValueError: an address or the master key is not set.
    """
    if not (settings.postgres_url and settings.redis_url and settings.kafka_servers and settings.master_key):
        raise ValueError("the web process needs postgres_url, redis_url, kafka_servers and master_key")
    per_s = settings.http_requests_per_s
    async with (
        Producer(settings.kafka_servers, client_id="ringback-web") as producer,
        redis_client(settings.redis_url) as client,
    ):
        rate = RateLimit(per_s, max(1.0, 2 * per_s))
        yield Base(settings=settings, clock=clock, producer=producer, redis=client, rate=rate)


@asynccontextmanager
async def open_services(base: Base) -> AsyncIterator[Services]:
    """Opens the history and what stands on it, and closes it again.

    Raises:
        Unavailable: PostgreSQL cannot be reached.
    """
    settings, clock = base.settings, base.clock
    async with await open_history(settings, clock) as history:
        cases = Cases(history, clock, reopen_within=settings.reopen_within)
        customers = Customers(history, clock, master_key=history.lookup_key)
        accounts = Accounts(history, clock)
        desk = Desk(
            history=history, cases=cases, customers=customers, accounts=accounts, settings=settings, clock=clock
        )
        await desk.prepare()
        yield Services(base=base, history=history, cases=cases, customers=customers, desk=desk)


def create_app(services: Services) -> FastAPI:
    """The application with every route of the web process, behind its entrance."""

    async def postgres() -> None:
        async with services.history.transaction() as connection:
            await connection.execute("SELECT 1")

    app = _fed_app(services.base, postgres)
    app.include_router(
        webhook_router(
            history=services.history,
            cases=services.cases,
            customers=services.customers,
            settings=services.base.settings,
            clock=services.base.clock,
        )
    )
    app.include_router(desk_router(services.desk))
    return app


def create_waiting_app(base: Base) -> FastAPI:
    """What is served while PostgreSQL has not been reached yet: the feed, health and figures; 503 on all else."""

    async def postgres() -> None:
        raise Unavailable("not reached since the start of the process")

    app = _fed_app(base, postgres)
    app.include_router(waiting_router())
    return app


def _fed_app(base: Base, postgres: Check) -> FastAPI:
    settings = base.settings
    feed_key = settings.feed_key.get_secret_value() if settings.feed_key else None
    app = FastAPI(title="Ringback", version="1", docs_url=None, redoc_url=None, separate_input_output_schemas=False)
    install_problems(app)
    app.include_router(
        feed_router(
            base.producer,
            feed_key=feed_key,
            clock=base.clock,
            resend=Resend(settings.redis_url or ""),
            allow_card_numbers=settings.allow_card_numbers,
        )
    )
    app.include_router(health_router(_checks(base, postgres)))
    app.add_middleware(
        Entrance,
        rate=base.rate,
        closing=base.closing,
        body_limits=BODY_LIMITS,
        keys=frozenset({key_digest(feed_key)} if feed_key else ()),
        secure=settings.web_url.startswith("https://"),
    )
    return app


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then ends the event streams, answers what is begun, and returns.

    With PostgreSQL away it serves the feed, and the rest as soon as PostgreSQL is there.

    Raises:
        HistoryError: the history is there and cannot be used, for example because the master key is another.
    """
    uvloop.run(_serve(settings))


class _Served:
    """The application that is served at the moment."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.whole = asyncio.Event()
        self.close_streams: Callable[[], None] = lambda: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def _serve(settings: Settings) -> None:
    async with open_base(settings) as base:
        served = _Served(create_waiting_app(base))
        server = Server(
            served,
            host=settings.http_host,
            port=settings.http_port,
            stop_within_s=STOP_WITHIN_S,
            timeout_keep_alive=30,
        )

        def stop() -> None:
            base.closing.set()
            served.close_streams()
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        topics = asyncio.create_task(_keep_topics(settings), name="topics")
        history = asyncio.create_task(_keep_history(base, served), name="history")
        history.add_done_callback(lambda _: stop())
        try:
            await _history_or_none(base, served, history)
            if not base.closing.is_set():
                await server.serve()
        finally:
            for task in (topics, history):
                task.cancel()
            ended = await asyncio.gather(topics, history, return_exceptions=True)
        if isinstance(ended[1], Exception):
            raise ended[1]


async def _history_or_none(base: Base, served: _Served, history: asyncio.Task[None]) -> None:
    """Waits for the whole application, so that an ordinary start shows nobody half of it; not with PostgreSQL away."""
    try:
        connection = await psycopg.AsyncConnection.connect(base.settings.postgres_url or "", connect_timeout=3)
        await connection.close()
    except psycopg.Error:
        return
    whole = asyncio.create_task(served.whole.wait())
    stopped = asyncio.create_task(base.closing.wait())
    await asyncio.wait({whole, stopped, history}, timeout=_WHOLE_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    whole.cancel()
    stopped.cancel()


async def _keep_history(base: Base, served: _Served) -> None:
    """Opens the history as soon as it can be reached, puts the whole application in, and runs the read models."""
    waiting = False
    while True:
        try:
            async with open_services(base) as services:
                if waiting:
                    _log.info("postgres reached; serving everything")
                served.app = create_app(services)
                served.close_streams = services.desk.close
                served.whole.set()
                await _read_models(services)
        except Unavailable:
            if served.whole.is_set():
                raise
            if not waiting:
                _log.warning("postgres away; serving the feed alone")
            waiting = True
        await asyncio.sleep(_HISTORY_AGAIN_S)


async def _read_models(services: Services) -> None:
    """Runs the read models until it is cancelled.

    In a task of their own: when PostgreSQL ends under a driver that is being cancelled, the cancellation may come out
    at the top, and must not end more than them.
    """
    while True:
        runner = ProjectionRunner(services.history, projections(services.history.lookup_key))
        run = asyncio.create_task(runner.run(), name="read-models")
        try:
            await asyncio.wait({run})
        finally:
            run.cancel()
            (ended,) = await asyncio.gather(run, return_exceptions=True)
        _log.warning("read models ended; beginning again", error=type(ended).__name__)
        await asyncio.sleep(_HISTORY_AGAIN_S)


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


def _checks(base: Base, postgres: Check) -> dict[str, Check]:
    async def cache() -> None:
        await base.redis.ping()

    async def broker() -> None:
        servers = base.settings.kafka_servers or ""
        await asyncio.to_thread(topic_identity, servers, TRANSACTIONS, timeout_s=1.5)

    return {"postgres": postgres, "redis": cache, "broker": broker}
