"""One leader for a name, over all processes: a PostgreSQL advisory lock held by a connection of its own.

The lock goes with the connection: a killed leader is followed within a quarter of a second, a stopped one (which
says nothing to its server any more) within ten seconds.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple

import psycopg

from infra.history.cancellation import Cancellation, end
from infra.history.errors import Unavailable

_RETRY_S = 0.25
_HEARTBEAT_S = 1.0
_SILENT_FOR = "10s"
"""PostgreSQL ends a leader's connection that has been silent for so long (``idle_session_timeout``)."""


_HOLDER: Final = """
SELECT l.pid, a.backend_start, coalesce(host(a.client_addr), '')
FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = %s
"""


class Holder(NamedTuple):
    """Who leads, as PostgreSQL knows it.

    Attributes:
        session: the process id of its session there.
        since: when that session began; None where PostgreSQL does not tell us.
        address: from where it is connected; empty: from PostgreSQL's own machine.
    """

    session: int
    since: datetime | None
    address: str


class Leadership:
    """What a leader holds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lost = False

    def check(self) -> None:
        """Does nothing as long as the lock is held, as far as is known here.

        Raises:
            Unavailable: the lock's connection is lost; another may lead by now. Lead again.
        """
        if self._lost:
            raise Unavailable(f"the leadership of {self.name} is lost: its connection ended")

    async def _beat(self, conn: psycopg.AsyncConnection) -> None:
        try:
            while True:
                await asyncio.sleep(_HEARTBEAT_S)
                await conn.execute("SELECT 1")
        except psycopg.Error:
            self._lost = True


@asynccontextmanager
async def leading(
    postgres_url: str, name: str, waiting: Callable[[Holder], None] | None = None
) -> AsyncIterator[Leadership]:
    """Waits until nobody else leads ``name``, then leads it until the block ends.

    Args:
        postgres_url: where the lock is.
        name: what is led.
        waiting: told of each holder that is waited for, once.

    Raises:
        Unavailable: PostgreSQL cannot be reached, or went away while waiting.
    """
    lock_id = int.from_bytes(hashlib.sha256(f"ringback.lead.{name}".encode()).digest()[:8], "big", signed=True)
    leadership = Leadership(name)
    conn: psycopg.AsyncConnection | None = None
    cancellation = Cancellation()
    try:
        conn = await psycopg.AsyncConnection.connect(
            postgres_url,
            autocommit=True,
            application_name=f"ringback lead {name}"[:63],
            options=f"-c idle_session_timeout={_SILENT_FOR}",
        )
        told: Holder | None = None
        while not await _taken(conn, lock_id):
            if waiting is not None and (holder := await _holder(conn, lock_id)) not in (None, told):
                told = holder
                waiting(holder)
            await asyncio.sleep(_RETRY_S)
        cancellation.check()
    except BaseException as error:
        if conn is not None:
            await conn.close()
        if isinstance(error, psycopg.Error):
            cancellation.check()
            raise Unavailable(f"PostgreSQL is away, nobody can lead {name}: {error}") from error
        raise
    beat = asyncio.create_task(leadership._beat(conn), name=f"lead-{name}")  # noqa: SLF001 -- the two are one concept
    try:
        yield leadership
    finally:
        try:
            await end(beat)
        finally:
            await conn.close()


async def _taken(conn: psycopg.AsyncConnection, lock_id: int) -> bool:
    cursor = await conn.execute("SELECT pg_try_advisory_lock(%s)", (lock_id,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def _holder(conn: psycopg.AsyncConnection, lock_id: int) -> Holder | None:
    row = await (await conn.execute(_HOLDER, (lock_id,))).fetchone()
    return Holder(*row) if row else None
