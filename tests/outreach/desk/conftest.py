"""A desk on a real PostgreSQL, served by a real uvicorn in the test's own loop."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright
from pydantic import SecretStr

from infra.history.cancellation import end
from infra.history.projection import ProjectionRunner, catch_up
from infra.history.store import History
from infra.problems import install_problems
from infra.settings import Settings
from outreach.cases.cases_view import CaseList
from outreach.cases.due import Due
from outreach.cases.queue import Queue
from outreach.cases.service import Cases
from outreach.customers.phones import Phones
from outreach.customers.service import Customers
from outreach.desk.accounts import SUPERVISOR, Accounts
from outreach.desk.routes import Desk, desk_router
from tests.outreach.desk.browsing import ARGUMENTS, installed_chromium, signed_in
from tests.outreach.desk.story import PASSWORD, Story, some_time_ago
from tests.ticking import Ticking

MASTER_KEY = bytes(range(32))

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""argon2 with little memory: the tests are about who may sign in, not about how long guessing takes."""


@pytest.fixture
def clock() -> Ticking:
    return some_time_ago(60)


@pytest.fixture
async def history(postgres_url: str, clock: Ticking) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=MASTER_KEY, clock=clock) as opened:
        await catch_up(opened, [Queue(), CaseList(), Due(), Phones(MASTER_KEY)])
        yield opened


@pytest.fixture
def desk_settings(postgres_url: str, tmp_path: Path) -> Settings:
    key = SecretStr(base64.b64encode(MASTER_KEY).decode())
    return Settings(home=tmp_path, postgres_url=postgres_url, master_key=key)


@pytest.fixture
async def desk(history: History, desk_settings: Settings, clock: Ticking) -> AsyncIterator[Desk]:
    accounts = Accounts(history, clock, hasher=CHEAP)
    made = Desk(
        history=history,
        cases=Cases(history, clock),
        customers=Customers(history, clock, master_key=MASTER_KEY),
        accounts=accounts,
        settings=desk_settings,
        clock=clock,
    )
    await made.prepare()
    await accounts.create("dara", PASSWORD, display_name="Dara Keo", actor="system:test")
    await accounts.create("mina", PASSWORD, display_name="Mina Roth", actor="system:test")
    await accounts.create("vera", PASSWORD, display_name="Vera Lind", role=SUPERVISOR, actor="system:test")
    yield made
    made.close()


@pytest.fixture
def story(desk: Desk, clock: Ticking) -> Story:
    return Story(desk.cases, desk.customers, clock)


@pytest.fixture
def app(desk: Desk) -> FastAPI:
    made = FastAPI()
    install_problems(made)
    made.include_router(desk_router(desk))
    return made


@asynccontextmanager
async def browser_like(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as client:
        yield client


@pytest.fixture
async def anybody(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is not signed in."""
    async with browser_like(app) as client:
        yield client


async def read_models(history: History) -> None:
    """Brings the read models up to now."""
    await catch_up(history, [Queue(), CaseList(), Due(), Phones(MASTER_KEY)])


async def sign_in(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/sign-in", data={"name": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text


@pytest.fixture
async def dara(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that Dara has signed in."""
    async with browser_like(app) as client:
        await sign_in(client, "dara")
        yield client


@pytest.fixture
async def mina(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that Mina has signed in."""
    async with browser_like(app) as client:
        await sign_in(client, "mina")
        yield client


@pytest.fixture
async def vera(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that Vera, a supervisor, has signed in."""
    async with browser_like(app) as client:
        await sign_in(client, "vera")
        yield client


@pytest.fixture
async def projected(history: History) -> AsyncIterator[None]:
    """The read models follow the history, as the casework role makes them."""
    running = asyncio.create_task(ProjectionRunner(history, [Queue(), CaseList(), Due(), Phones(MASTER_KEY)]).run())
    yield
    await end(running)


@pytest.fixture
async def address(app: FastAPI, desk: Desk, projected: None, free_port: int) -> AsyncIterator[str]:  # noqa: ARG001 - followed while it serves
    """Where a browser reaches the desk."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=free_port,
        log_level="warning",
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=3,  # as in production: a browser may keep a request under way
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - uvicorn says it by a flag
            await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{free_port}"
    desk.close()
    server.should_exit = True
    await serving


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=installed_chromium(), args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture
async def page(browser: Browser, address: str) -> Page:
    """Dara at the queue."""
    return await signed_in(await browser.new_context(viewport={"width": 1440, "height": 900}), address)
