"""PostgreSQL, watched while a command works with it: one that is stopped takes connections and says nothing, for ever.

No statement is given a time: verifying, exporting and building may take hours. What counts is whether the server still
answers somebody who asks for nothing.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from infra.history.cancellation import end
from infra.history.errors import Unavailable

SILENT_FOR_S: Final = 30
"""As long may it say nothing. Only seconds in which this process runs count: one that is suspended finds no fault."""

_LOOK_EVERY_S: Final = 5.0
_TICK_S: Final = 1.0
_END_WITHIN_S: Final = 15.0
"""A thread that waits inside the driver cannot be told to end: then the process ends with it."""


@asynccontextmanager
async def answering(*urls: str) -> AsyncIterator[None]:
    """Breaks the block off once one of these PostgreSQL servers has said nothing for ``SILENT_FOR_S``.

    Raises:
        Unavailable: it was broken off; the message says which server, and what to do.
    """
    task = asyncio.current_task()
    silent: list[str] = []

    def break_off(url: str) -> None:
        silent.append(_told(url))
        last = threading.Timer(_END_WITHIN_S, _leave, [silent[0]])
        last.daemon = True
        last.start()
        if task is not None:
            task.cancel()

    async def watch(url: str) -> None:
        await asyncio.sleep(_LOOK_EVERY_S)
        while await _answers(url):  # noqa: ASYNC110 -- a server is looked after, not a task
            await asyncio.sleep(_LOOK_EVERY_S)
        if not silent:
            break_off(url)

    watching = [asyncio.create_task(watch(url), name="postgres-answers") for url in urls]
    try:
        yield
    except asyncio.CancelledError:
        if silent:
            raise Unavailable(silent[0]) from None
        raise
    finally:
        await end(*watching)


def place_of(url: str) -> str:
    """Where PostgreSQL is looked for: host, port and database, and nothing that is secret."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "the address of the settings"
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    return f"{host}:{parts.get('port') or 5432}/{parts.get('dbname') or parts.get('user') or ''}"


async def _answers(url: str) -> bool:
    """Whether it says anything: that it has no room for another connection is an answer."""
    asked = asyncio.create_task(_ask(url))
    try:
        for _ in range(SILENT_FOR_S):
            await asyncio.wait({asked}, timeout=_TICK_S)
            if asked.done():
                return True
        return False
    finally:
        asked.cancel()


async def _ask(url: str) -> None:
    with suppress(psycopg.Error):  # an error is an answer; nothing is asked beyond the greeting
        conn = await psycopg.AsyncConnection.connect(
            url, autocommit=True, application_name="ringback asks", connect_timeout=SILENT_FOR_S * 2
        )
        await conn.close()


def _told(url: str) -> str:
    return (
        f"PostgreSQL at {place_of(url)} takes connections and has said nothing for {SILENT_FOR_S} s: it is stopped, or"
        " has no processor left. What was committed stands. Look after its process; `ringback doctor` says when it"
        " answers, then run this again"
    )


def _leave(why: str) -> None:
    sys.stderr.write(f"ringback: {why}\n")
    sys.stderr.flush()
    os._exit(1)
