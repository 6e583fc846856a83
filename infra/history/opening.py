"""The history as the settings name it: where it is, where its keys are, and what opens them."""

import base64
import binascii

from infra.clock import Clock
from infra.history.errors import HistoryError
from infra.history.store import History
from infra.settings import Settings


class UnusableMasterKey(HistoryError):
    """A master key is missing from the settings, or is no base64 of 32 bytes."""


async def open_history(settings: Settings, clock: Clock, *, pool_size: int = 8, readable: bool = True) -> History:
    """Opens the history of these settings.

    Args:
        settings: with a ``postgres_url``.
        clock: ages the keys that are held in memory.
        pool_size: at most so many connections.
        readable: whether personal data is read or written; otherwise no master key is needed.

    Raises:
        UnusableMasterKey: a master key is wanted, and is missing or malformed.
        HistoryError: as :meth:`History.open` says; Unavailable among them is retryable.
    """
    return await History.open(
        settings.postgres_url or "",
        master_key=_newest(settings) if readable else None,
        previous_master_keys=_previous(settings) if readable else (),
        keys_postgres_url=settings.keys_postgres_url,
        clock=clock,
        redis_url=settings.redis_url,
        pool_size=pool_size,
    )


def _newest(settings: Settings) -> bytes:
    if settings.master_key is None:
        raise UnusableMasterKey("RINGBACK_MASTER_KEY is not set")
    return _decoded("RINGBACK_MASTER_KEY", settings.master_key.get_secret_value())


def _previous(settings: Settings) -> list[bytes]:
    given = settings.previous_master_keys.get_secret_value() if settings.previous_master_keys else ""
    return [_decoded("RINGBACK_PREVIOUS_MASTER_KEYS", one) for one in given.replace(",", " ").split()]


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise UnusableMasterKey(f"{name} holds something that is no base64") from None
