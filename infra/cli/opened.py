"""The history, opened for one command that runs beside the roles."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.cli.answering import answering, place_of
from infra.cli.connected import connected_settings, master_key
from infra.cli.keys import with_keys
from infra.clock import utc_now
from infra.history.errors import Unavailable
from infra.history.opening import open_history
from infra.history.store import History
from infra.settings import Settings


def history_settings() -> Settings:
    """Settings that name a PostgreSQL; nothing else has to run.

    Raises:
        NothingRunning: the settings name none, and none runs in the home.
    """
    settings = Settings()
    return with_keys(settings, generate=False) if settings.postgres_url else connected_settings(settings)


@asynccontextmanager
async def opened_history(settings: Settings, *, readable: bool = True) -> AsyncIterator[History]:
    """The history of these settings, until the block ends.

    Args:
        settings: with a ``postgres_url``.
        readable: whether personal data is to be read: then the master key has to be there.

    Raises:
        UnusableSetting: the master key is wanted, and is missing or wrong.
        Unavailable: PostgreSQL cannot be reached, or has gone silent since; the message says where it is looked for.
    """
    if readable:
        master_key(settings)
    else:  # who only looks at what is stored wakes nobody, and is not to wait for Redis
        settings = settings.model_copy(update={"redis_url": None})
    urls = [url for url in (settings.postgres_url, settings.keys_postgres_url) if url]
    try:
        history = await open_history(settings, utc_now, pool_size=4, readable=readable)
    except Unavailable as away:
        places = " and ".join(place_of(url) for url in urls)
        raise Unavailable(f"{away} ({places}). `ringback doctor` says what answers") from away
    async with answering(*urls), history:
        yield history
