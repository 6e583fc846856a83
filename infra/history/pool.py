"""The connections to PostgreSQL: how they are set, and which errors mean that it is away."""

import logging
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from infra.history.errors import UnusableAddress
from infra.history.writes import Connection

AWAY: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    PoolTimeout,
    PoolClosed,
)
"""What passes by itself: none of it says anything of what was asked."""

_CONNECTION_WITHIN_S: Final = 5.0

_OPTIONS: Final = (
    "-c timezone=UTC -c lock_timeout=15s -c search_path=views,public"
    # A process that is stopped in the middle of an append must not hold the writers' lock for as long as it is stopped.
    " -c idle_in_transaction_session_timeout=10s"
)


def connections(postgres_url: str, size: int) -> AsyncConnectionPool[Connection]:
    """At most so many connections, in UTC, not opened yet; each statement commits by itself.

    Raises:
        UnusableAddress: it is no connection string.
    """
    try:
        conninfo_to_dict(postgres_url)
    except psycopg.ProgrammingError as error:
        raise UnusableAddress(
            f"RINGBACK_POSTGRES_URL (or RINGBACK_KEYS_POSTGRES_URL) is no address of PostgreSQL: {str(error).strip()};"
            " it looks like postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        ) from error
    # That a server is away is said once, by whoever waits for it.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    return AsyncConnectionPool(
        postgres_url,
        # A read alone needs no BEGIN and COMMIT, which are two of its three round trips.
        kwargs={"options": _OPTIONS, "application_name": "ringback", "autocommit": True},
        min_size=1,
        max_size=size,
        timeout=_CONNECTION_WITHIN_S,
        reconnect_timeout=_CONNECTION_WITHIN_S,  # given up soon and begun anew on demand: no long pauses after one
        open=False,
    )


async def close(*pools: AsyncConnectionPool[Connection] | None) -> None:
    """Closes those that there are."""
    for each in pools:
        if each is not None:
            await each.close()
