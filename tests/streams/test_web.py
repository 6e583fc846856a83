"""The web process as a whole, on real servers."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from infra.settings import Settings
from streams.rate import RateLimit
from streams.topics import ensure_topics
from streams.web import create_app, open_base, open_services


@pytest.fixture
async def web(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    await asyncio.to_thread(ensure_topics, settings.kafka_servers or "", settings)
    async with (
        open_base(settings) as base,
        open_services(base) as services,
        httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url="http://web.test") as client,
    ):
        yield client


async def test_every_part_answers_on_one_port(web: httpx.AsyncClient, settings: Settings) -> None:
    key = settings.feed_key.get_secret_value() if settings.feed_key else ""

    assert (await web.get("/healthz")).json() == {"status": "alive"}
    assert (await web.get("/readyz")).json()["checks"] == {"postgres": "ok", "redis": "ok", "broker": "ok"}
    assert b"ringback_http_requests_total" in (await web.get("/metrics")).content
    assert (await web.get("/openapi.json")).json()["openapi"].startswith("3.1")
    assert (await web.get("/")).status_code == 303
    assert (await web.post("/webhooks/twilio/sms")).status_code == 403
    resend = await web.get("/v1/transactions/resend", headers={"Authorization": f"Bearer {key}"})
    assert resend.json() == {"from": None, "gaps": []}


async def test_every_answer_has_an_id_and_headers_that_forbid_scripts_of_others(web: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/sign-in", "/nowhere"):
        answer = await web.get(path, headers={"X-Request-ID": "mine-1"})
        assert answer.headers["X-Request-ID"] == "mine-1"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_body_beyond_its_routes_limit_is_refused_as_a_problem(web: httpx.AsyncClient) -> None:
    async def unsaid() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 10_000

    for body in (b"x" * 400_000, unsaid()):
        answer = await web.post("/sign-in", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status_code == 413
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_readiness_names_what_is_away(settings: Settings, free_port: int) -> None:
    without = settings.model_copy(update={"kafka_servers": f"127.0.0.1:{free_port}"})
    async with (
        open_base(without) as base,
        open_services(base) as services,
        httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url="http://web.test") as client,
    ):
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["postgres"] == "ok"
    assert answer.json()["checks"]["broker"] != "ok"


def test_a_caller_above_the_rate_waits_and_another_does_not() -> None:
    now_s = 0.0
    rate = RateLimit(2, 3, now_s=lambda: now_s)

    assert [rate.take("one") for _ in range(4)] == [0, 0, 0, 1]
    assert rate.take("two") == 0
    now_s = 0.6
    assert rate.take("one") == 0
