"""The web process as a process: how it starts, goes on and ends while what it stands on is away."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from infra.cli.connected import as_environment
from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.topics import ensure_topics

WITHIN_S = 60
ROW = {
    "transaction_id": "t-1",
    "card_id": "card-1",
    "occurred_at": "2026-03-14T10:00:00Z",
    "amount": "4.50",
    "currency": "USD",
    "channel": "card_present",
    "entry_mode": "chip",
}


class Web:
    """The process, and a client for it with the feed's key."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.cli.main", "serve"],
                env={**os.environ, **as_environment(settings)},
                stdout=out,
                stderr=out,
            )
        key = settings.feed_key.get_secret_value() if settings.feed_key else ""
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.http_port}", headers={"Authorization": f"Bearer {key}"}, timeout=40
        )

    async def feed(self) -> httpx.Response:
        return await self.client.post("/v1/transactions", json=[ROW])

    async def until(self, what: str, holds: Callable[[], Awaitable[Any]]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                if await holds():
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.log.read_text()}"
            await asyncio.sleep(0.05)

    async def answers(self, path: str, status: int) -> None:
        async def look() -> bool:
            return (await self.client.get(path)).status_code == status

        await self.until(f"{path} answers {status}", look)

    async def finds(self, check: str, state: str) -> None:
        async def look() -> bool:
            return bool((await self.client.get("/readyz")).json()["checks"][check] == state)

        await self.until(f"{check} {state}", look)

    def ended(self) -> int:
        return self.process.wait(WITHIN_S)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[Settings], Web]]:
    started: list[Web] = []

    def begin(settings: Settings) -> Web:
        started.append(Web(settings, tmp_path / f"web-{len(started)}.log"))
        return started[-1]

    yield begin
    for web in started:
        await web.client.aclose()
        web.process.kill()
        web.process.wait()


@pytest.fixture
async def ready(start: Callable[[Settings], Web], settings: Settings) -> Web:
    await asyncio.to_thread(ensure_topics, settings.kafka_servers or "", settings)
    web = start(settings)
    await web.answers("/readyz", 200)
    return web


async def test_a_request_under_way_is_answered_after_sigterm_and_then_the_process_ends(ready: Web) -> None:
    asked_to_end = asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b"["
        yield json.dumps(ROW).encode()
        begun.set()
        await asked_to_end.wait()
        yield b"]"

    begun = asyncio.Event()
    answer = asyncio.create_task(
        ready.client.post("/v1/transactions", content=slow_body(), headers={"Content-Type": "application/json"})
    )
    await begun.wait()
    await ready.answers("/healthz", 200)  # by now the server has the other request as well
    ready.process.send_signal(signal.SIGTERM)
    asked_to_end.set()

    assert (await answer).status_code == 202
    assert await asyncio.to_thread(ready.ended) == 0


async def test_without_postgres_at_the_start_the_feed_is_taken_and_the_rest_says_why_not(
    start: Callable[[Settings], Web], settings: Settings, tmp_path: Path, kafka_servers: str, redis_url: str
) -> None:
    await asyncio.to_thread(ensure_topics, kafka_servers, settings)
    own = EmbeddedServers(tmp_path / "own", which=frozenset({"postgres"}), durable=False)
    with own:
        address = own.addresses.postgres_url
    web = start(settings.model_copy(update={"postgres_url": address, "redis_url": redis_url}))
    await web.answers("/readyz", 503)

    await web.finds("postgres", "cannot be reached")
    await web.answers("/readyz?only=broker", 200)
    assert (await web.feed()).status_code == 202
    page = await web.client.get("/", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert "cannot reach its history" in page.text
    webhook = await web.client.post("/webhooks/twilio/sms")
    assert (webhook.status_code, webhook.json()["type"]) == (503, "urn:ringback:problem:history-away")

    with own:
        assert own.addresses.postgres_url == address
        await web.answers("/sign-in", 200)
        await web.answers("/readyz", 200)

    await web.answers("/readyz", 503)  # and away again
    assert (await web.feed()).status_code == 202
    away = await web.client.get("/v1/cases", headers={"Accept": "application/json"})
    assert away.status_code in {401, 503}
    web.process.terminate()
    assert await asyncio.to_thread(web.ended) == 0


async def test_without_redis_the_feed_is_taken_and_readiness_names_it(
    start: Callable[[Settings], Web], settings: Settings, kafka_servers: str
) -> None:
    await asyncio.to_thread(ensure_topics, kafka_servers, settings)
    web = start(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    await web.answers("/sign-in", 200)

    await web.finds("redis", "cannot be reached")
    assert (await web.feed()).status_code == 202
    resend = await web.client.get("/v1/transactions/resend")
    assert (resend.status_code, resend.headers["Retry-After"]) == (503, "5")


async def test_without_a_broker_nothing_is_acknowledged_and_the_desk_goes_on(
    start: Callable[[Settings], Web], settings: Settings
) -> None:
    web = start(settings.model_copy(update={"kafka_servers": "127.0.0.1:1"}))
    await web.answers("/sign-in", 200)

    answer = await web.feed()

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert [each["result"] for each in answer.json()["results"]] == ["unacknowledged"]
    await web.finds("broker", "cannot be reached")


async def test_the_request_rate_is_a_setting(start: Callable[[Settings], Web], settings: Settings) -> None:
    web = start(settings.model_copy(update={"kafka_servers": "127.0.0.1:1", "http_requests_per_s": 0.001}))
    await web.until("anything is answered", lambda: web.client.get("/healthz"))
    answer = await web.client.get("/healthz")

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 1
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.usefixtures("ready")  # makes the history
async def test_a_history_that_cannot_be_used_ends_the_process_with_its_reason(
    start: Callable[[Settings], Web], settings: Settings
) -> None:
    with psycopg.connect(settings.postgres_url or "") as connection:
        connection.execute("UPDATE public.ringback_schema SET version = 9999")
    web = start(settings.model_copy(update={"http_port": 0}))

    assert await asyncio.to_thread(web.ended) == 1
    assert "9999" in web.log.read_text()
