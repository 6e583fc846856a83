"""``/healthz``, ``/readyz`` and ``/metrics``: whether the process lives, whether it can serve, and its figures."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from infra.metrics import exposition
from infra.problems import Problem

Check = Callable[[], Awaitable[None]]
"""Does nothing if what it looks at works, and raises if not."""

WITHIN_S: Final = 2.0


_MEANINGS: Final = {
    "Unavailable": "cannot be reached",
    "OperationalError": "cannot be reached",
    "ConnectionError": "cannot be reached",
    "BrokerAway": "cannot be reached",
    "TopicMissing": "the topic transactions is missing",
}


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    """The three routes. A check that takes longer than ``WITHIN_S`` has failed.

    ``/readyz?only=broker`` asks for one of them (or several, repeated): the feed stands on the broker alone, so
    whoever routes its requests need not stop when PostgreSQL is away.

    Args:
        checks: what the process stands on, by name.
    """
    router = APIRouter(tags=["operation"])

    @router.get("/healthz", summary="The process lives")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="What it stands on can be reached, or why not")
    async def ready(only: Annotated[list[str], Query()] = []) -> JSONResponse:  # noqa: B006 - never changed; FastAPI reads it
        if unknown := sorted(set(only) - set(checks)):
            raise Problem(
                422, "no-such-check", "There is no such check", f"{unknown[0][:40]!r}: {', '.join(checks)} are there"
            )
        looked_at = [name for name in checks if not only or name in only]
        found = await asyncio.gather(*(_look(checks[name]) for name in looked_at))
        said = dict(zip(looked_at, found, strict=True))
        good = all(each == "ok" for each in found)
        document = {"status": "ready" if good else "not ready", "checks": said}
        return JSONResponse(document, status_code=200 if good else 503)

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(await asyncio.to_thread(exposition), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


async def _look(check: Check) -> str:
    try:
        async with asyncio.timeout(WITHIN_S):
            await check()
    except TimeoutError:
        return f"no answer within {WITHIN_S:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason that is asked for
        name = type(error).__name__  # the message may hold an address or a password
        return _MEANINGS.get(name, name)
    return "ok"
