"""The history: an append-only event store on PostgreSQL.

Positions are contiguous and are taken under one lock that is held until the commit, so a reader that has seen a
position has seen everything before it. The same event ids appended again are recognised, whatever happened to the
first answer.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from types import TracebackType
from typing import Self, Unpack
from uuid import UUID

import psycopg
from prometheus_client import Counter
from psycopg_pool import AsyncConnectionPool

from infra.clock import Clock
from infra.history.appending import Batch, write
from infra.history.cancellation import Cancellation
from infra.history.canonical import StoredEvent
from infra.history.errors import HistoryError, Unavailable, WrongMasterKey
from infra.history.event import Event, Recorded
from infra.history.group import GroupAppend
from infra.history.keys import CustomerKeys, Destroyed
from infra.history.keystore import KeyStore
from infra.history.masters import MasterKeys
from infra.history.pool import AWAY, close, connections
from infra.history.reading import Wanted, rows, stream_rows
from infra.history.schema import ensure_schema
from infra.history.sealing import opened_all
from infra.history.wake import Wake
from infra.history.writes import ANY, NO_STREAM, Appended, Connection, Head, StreamWrite, Within
from infra.metrics import HISTORY_APPEND_SECONDS, HISTORY_EVENTS

__all__ = ["ANY", "NO_STREAM", "Appended", "Connection", "Head", "History", "StreamWrite", "Within"]

_OPEN_WITHIN_S = 15.0
_WHY_WITHIN_S = 2


@cache
def _counter(wire_name: str) -> Counter:
    return HISTORY_EVENTS.labels(wire_name)


class History:
    """The event store. One per process; all methods may be used from any task of the loop that opened it.

    Attributes:
        pool: connections for read models, in UTC; each statement commits by itself outside `conn.transaction()`.
        wake: the hints that there is more to read.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        keys: CustomerKeys,
        wake: Wake,
        postgres_url: str,
        *,
        keys_pool: AsyncConnectionPool[Connection] | None = None,
        lookup_key: bytes | None = None,
    ) -> None:
        self.pool = pool
        self.wake = wake
        self.postgres_url = postgres_url
        self._keys = keys
        self._keys_pool = keys_pool
        self._lookup_key = lookup_key
        self._group = GroupAppend(self._connection, keys)

    @classmethod
    async def open(
        cls,
        postgres_url: str,
        *,
        master_key: bytes | None,
        clock: Clock,
        redis_url: str | None = None,
        pool_size: int = 8,
        previous_master_keys: Sequence[bytes] = (),
        keys_postgres_url: str | None = None,
    ) -> Self:
        """Connects, and makes the tables if they are missing.

        Args:
            postgres_url: a PostgreSQL connection string, version 14 or newer.
            master_key: 32 bytes that wrap the customers' keys; None where no personal data is read or written.
            clock: ages the keys that are held in memory; events are recorded by the server's clock.
            redis_url: where readers in other processes are woken; without one they poll.
            pool_size: at most so many connections.
            previous_master_keys: those that may still wrap customers' keys, while the master key is replaced.
            keys_postgres_url: the database in which the customers' keys lie; None: that of the history.

        Raises:
            Unavailable: PostgreSQL cannot be reached.
            UnusableAddress: one of the addresses is none.
            WrongMasterKey: the customers' keys are wrapped by another master key.
            SchemaTooNew: a newer Ringback has made the tables.
            SchemaTooOld: an older one has, and there is no way from its tables to these.
        """
        masters = None if master_key is None else MasterKeys(master_key, previous_master_keys)
        pool = connections(postgres_url, pool_size)
        keys_pool = connections(keys_postgres_url, pool_size) if keys_postgres_url else None
        keys = CustomerKeys(KeyStore(keys_pool), masters, clock)
        try:
            for each in (pool, keys_pool):
                if each is not None:
                    await each.open(wait=True, timeout=_OPEN_WITHIN_S)
            async with pool.connection() as conn:
                await ensure_schema(conn)
                await keys.store.prepare(conn)
                await keys.check(conn)
                lookup_key = None if masters is None else await keys.look_ups(conn)
        except BaseException as error:
            await close(pool, keys_pool)
            if isinstance(error, AWAY):
                why = await _why_away(postgres_url, keys_postgres_url) or error
                raise Unavailable(f"PostgreSQL cannot be reached: {why}") from error
            raise
        wake = Wake(redis_url, on_forget=keys.forget)
        await wake.start()
        return cls(pool, keys, wake, postgres_url, keys_pool=keys_pool, lookup_key=lookup_key)

    async def close(self) -> None:
        """Closes every connection; what was appended is committed long since."""
        await self._group.close()
        await self.wake.stop()
        await close(self.pool, self._keys_pool)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def lookup_key(self) -> bytes:
        """The installation's own 32 bytes, for keyed hashes; the same whichever master key wraps it.

        Raises:
            WrongMasterKey: the history was opened without a master key.
        """
        if self._lookup_key is None:
            raise WrongMasterKey("look-ups need RINGBACK_MASTER_KEY")
        return self._lookup_key

    @asynccontextmanager
    async def keys(self) -> AsyncIterator[tuple[CustomerKeys, Connection]]:
        """The customers' keys, with a connection for their methods: to count, rewrap or destroy them.

        Raises:
            Unavailable: PostgreSQL is away, or went away meanwhile.
        """
        async with self._connection() as conn:
            yield self._keys, conn

    async def destroy_keys(self, subjects: Collection[str]) -> Destroyed:
        """Destroys the living keys of these subjects, here and in the memory of every process.

        Others hear of it through Redis at once; one that cannot be told forgets within `keys.FORGOTTEN_AFTER`.

        Raises:
            Unavailable: retryable: what is destroyed already is no longer there.
        """
        async with self.keys() as (keys, conn):
            destroyed = await keys.store.destroy(conn, sorted(subjects))
        self._keys.forget()
        return Destroyed(tuple(destroyed), await self.wake.forget_keys())

    def forget_key(self, subject: str) -> None:
        """Has the subject's key looked up anew by the next append: it has been destroyed, others may not know yet."""
        self._keys.forget_subject(subject)

    async def append(self, *writes: StreamWrite, within: Within | None = None) -> Appended:
        """Appends to all streams or to none, in one transaction, which appends of other tasks may share (group.py).

        Ids are compared before versions: a batch that is recorded whole is a repeat, however the streams have grown.

        Args:
            writes: each stream at most once.
            within: runs in the same transaction, which then is shared with nobody, for a repeat as well; it must not
                append by itself. If it raises, nothing is written.

        Raises:
            Conflict: a stream is not at its expected version.
            PartlyRecorded: some of the events are recorded already, and some are not.
            IdTaken: an id is recorded in another stream or as another type.
            SubjectMissing: personal data without a subject.
            Unavailable: retryable with the same ids; whether this one was committed shows then.
            ValueError: a stream or an id twice, a moment without an offset, or a text of the envelope that PostgreSQL
                would not take.
        """
        batch = Batch(writes)
        with HISTORY_APPEND_SECONDS.time():
            appended = await (self._group.append(batch) if within is None else self._append_with(batch, within))
        if not appended.repeated and batch.events:
            for new in batch.events:
                _counter(new.event.wire_name).inc()
            self.wake.publish(appended.position)
        return appended

    async def _append_with(self, batch: Batch, within: Within) -> Appended:
        async with self._connection() as conn:
            keys = await self._keys.for_writing(conn, batch.subjects)
            self._keys.remember(keys)
            cancellation = Cancellation()
            async with conn.transaction():
                # Before the writers' lock is taken: whoever holds it waits for nobody.
                await within(conn)
                (answer,) = await write(conn, [batch], keys)
                if isinstance(answer, HistoryError):
                    raise answer
                cancellation.check()
        return answer

    async def read_stream(
        self, stream: str, *, after: int = 0, limit: int | None = None, backwards: bool = False
    ) -> list[Recorded[Event]]:
        """The stream's events after a version, in order; empty where there is no such stream.

        Args:
            stream: its name.
            after: the first event is the one behind this version.
            limit: at most so many.
            backwards: from the newest on: with ``limit`` the newest ones.

        Raises:
            WrongMasterKey, Unreadable: personal data does not open, or an event is not where it was written.
            Unavailable: retryable.
        """
        async with self._connection() as conn:
            stored = await stream_rows(conn, stream, after=after, limit=limit, backwards=backwards)
            return await self._opened(conn, stored)

    async def read(self, *, after: int, limit: int = 500, **wanted: Unpack[Wanted]) -> list[Recorded[Event]]:
        """Up to ``limit`` events after a position, in order.

        Args:
            after: the first event is behind this position.
            limit: at most so many.
            wanted: only of these types, this category or this correlation.

        Raises:
            WrongMasterKey, Unreadable: personal data does not open.
            Unavailable: retryable.
            ValueError: more than one of types, category and correlation.
        """
        async with self._connection() as conn:
            stored = await rows(conn, after=after, limit=limit, **wanted)
            return await self._opened(conn, stored)

    async def read_stored(self, *, after: int, limit: int = 500, **wanted: Unpack[Wanted]) -> list[StoredEvent]:
        """As :meth:`read`, but as the rows are stored: personal data stays sealed.

        Raises:
            Unavailable: retryable.
            ValueError: more than one of types, category and correlation.
        """
        async with self._connection() as conn:
            return await rows(conn, after=after, limit=limit, **wanted)

    async def head(self) -> Head:
        """The end of the history as it is committed now.

        Raises:
            Unavailable: retryable.
        """
        async with self._connection() as conn:
            cursor = await conn.execute("SELECT position, hash FROM history.head")
            row = await cursor.fetchone()
        if row is None:
            raise Unavailable("the history's head row is missing; restore the database")
        return Head(*row)

    async def moved(self, prefix: str, *, after: int, up_to: int, limit: int) -> dict[str, int]:
        """The streams whose names begin so and that grew between two positions, each with its newest position there.

        Args:
            prefix: of the streams' names, for example ``case-``.
            after: the first position is the one behind it.
            up_to: the last position.
            limit: at most so many streams, whichever they are.

        Raises:
            Unavailable: retryable.
        """
        async with self._connection() as conn:
            cursor = await conn.execute(
                "SELECT stream, max(position) FROM history.events"
                " WHERE position > %s AND position <= %s AND starts_with(stream, %s) GROUP BY stream LIMIT %s",
                (after, up_to, prefix, limit),
            )
            return {str(stream): int(position) for stream, position in await cursor.fetchall()}

    async def _opened(self, conn: Connection, stored: list[StoredEvent]) -> list[Recorded[Event]]:
        wanted: set[UUID] = {row.key_id for row in stored if row.key_id is not None}
        keys = await self._keys.for_reading(conn, wanted)
        return opened_all(stored, keys)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A transaction on a connection of the pool; committed when the block ends, rolled back when it raises.

        Raises:
            Unavailable: PostgreSQL is away, or went away meanwhile; whether the block was committed is then not known.
        """
        async with self._connection() as conn:
            cancellation = Cancellation()
            async with conn.transaction():
                yield conn
                cancellation.check()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool; each statement commits by itself.

        Raises:
            Unavailable: PostgreSQL is away, or went away meanwhile.
        """
        cancellation = Cancellation()
        try:
            async with self.pool.connection() as conn:
                cancellation.check()
                yield conn
        except AWAY as error:
            cancellation.check()  # it may end as the connection's error, and whoever tries again would live on
            # After a restart of the server all idle connections are dead: the pool looks, so that the next try is good.
            with suppress(*AWAY, asyncio.TimeoutError):
                await self.pool.check()
            raise Unavailable(f"PostgreSQL is away: {error}") from error
        cancellation.check()


async def _why_away(*urls: str | None) -> str:
    """What a connection by itself says: the pool keeps it to itself. Empty where all can be reached by now."""
    for url in filter(None, urls):
        try:
            async with await psycopg.AsyncConnection.connect(url, connect_timeout=_WHY_WITHIN_S):
                pass
        except psycopg.Error as error:
            return str(error).strip()
    return ""
