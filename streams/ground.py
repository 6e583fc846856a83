"""What every role that works on the history stands on: the master key, and the history once it can be reached."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from infra.clock import Clock
from infra.history.errors import Unavailable
from infra.history.opening import open_history
from infra.history.store import History
from infra.settings import Settings

log = structlog.get_logger(__name__)

_PAUSE_S = 0.5


def master_key(settings: Settings) -> bytes:
    """The 32 bytes of the master key.

    Raises:
        ValueError: there is none, or it is no base64.
    """
    if settings.master_key is None:
        raise ValueError("RINGBACK_MASTER_KEY is not set")
    try:
        return base64.b64decode(settings.master_key.get_secret_value(), validate=True)
    except binascii.Error as error:
        raise ValueError("RINGBACK_MASTER_KEY is no base64") from error


@asynccontextmanager
async def opened_history(settings: Settings, clock: Clock) -> AsyncIterator[History]:
    """The history, open; waits as long as PostgreSQL is away.

    Raises:
        HistoryError: it can be reached and cannot be used.
    """
    while True:
        try:
            history = await open_history(settings, clock)
        except Unavailable as error:
            log.warning("the history is away", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_S)
            continue
        async with history:
            yield history
        return
