"""Where the customers' keys lie: the tables of keys.sql, in the history's database or in one of their own.

In a database of their own, the making of a key and the append that uses it are two transactions: the key first. A key
whose append never came seals nothing and harms nobody; an event whose key is not committed cannot be.
"""

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.resources import files
from uuid import UUID, uuid4

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from infra.history.box import KEY_BYTES
from infra.history.errors import KeysElsewhere, SchemaTooNew, SchemaTooOld
from infra.history.masters import MasterKeys

TABLES_VERSION = 1
_LOCK = 0x52_49_4E_4B
"""Advisory lock of whoever makes the tables."""

INSTALLATION = "installation/"
"""So begin the subjects that are no customers."""

Connection = AsyncConnection[TupleRow]


class WrappedKey(msgspec.Struct, frozen=True):
    """A key as it is stored; ``wrapped`` and ``master_id`` are None once it is destroyed."""

    key_id: UUID
    subject: str
    wrapped: bytes | None
    master_id: str | None


class KeyCounts(msgspec.Struct, frozen=True):
    """How many customers' keys there are, by the name of the master key that wraps them; how many are destroyed."""

    by_master: dict[str, int]
    destroyed: int


class KeyStore:
    """Reads and changes the keys' tables.

    Args:
        own: connections to the keys' own database; None where they lie in the history's.
    """

    def __init__(self, own: AsyncConnectionPool[Connection] | None) -> None:
        self._own = own

    @asynccontextmanager
    async def at(self, conn: Connection) -> AsyncIterator[Connection]:
        """A connection to where the keys are: the given one to the history, or one of their own."""
        if self._own is None:
            yield conn
            return
        async with self._own.connection() as own:
            yield own

    async def prepare(self, conn: Connection) -> None:
        """Creates the tables, or finds them made; several processes may start at once.

        Raises:
            SchemaTooNew, SchemaTooOld: another version of Ringback has been here; nothing is changed.
            KeysElsewhere: the history has events, and its keys are in another database than this one.
        """
        await self._check_place(conn)
        async with self.at(conn) as place, place.transaction():
            await place.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            cursor = await place.execute(
                "SELECT to_regnamespace('keys') IS NOT NULL, to_regclass('keys.tables_version') IS NOT NULL"
            )
            made, versioned = await cursor.fetchone() or (False, False)
            if not made:
                await _check_empty(conn)
                await place.execute(files("infra.history").joinpath("keys.sql").read_bytes())
                return
            found = 0
            if versioned:
                cursor = await place.execute("SELECT max(version) FROM keys.tables_version")
                row = await cursor.fetchone()
                found = (row[0] if row else None) or 0
            if found > TABLES_VERSION:
                raise SchemaTooNew(f"the keys' tables are of version {found}; this Ringback knows {TABLES_VERSION}")
            if found < TABLES_VERSION:
                raise SchemaTooOld(
                    "the keys' tables were made by a Ringback before its first release, and there is no migration."
                    " Nothing was changed. Begin with an empty database"
                )

    async def _check_place(self, conn: Connection) -> None:
        """Looks whether keys lie beside the events though the settings name another database for them."""
        if self._own is None:
            return
        cursor = await conn.execute("SELECT to_regclass('keys.customer_keys') IS NOT NULL")
        row = await cursor.fetchone()
        if row and row[0]:
            raise KeysElsewhere(
                "RINGBACK_KEYS_POSTGRES_URL is set, and the customers' keys lie in the history's database. Move them"
                " while nothing runs (pg_dump --schema=keys, psql) and drop the schema there; or unset it"
            )

    async def current_master(self, conn: Connection) -> str | None:
        """The name of the master key that wraps what is made now; None before the first key is made."""
        async with self.at(conn) as place:
            cursor = await place.execute("SELECT master_id FROM keys.masters WHERE current")
            row = await cursor.fetchone()
        return str(row[0]) if row else None

    async def find(self, conn: Connection, key_ids: Collection[UUID]) -> list[WrappedKey]:
        """The keys with these ids, as far as there are any."""
        async with self.at(conn) as place:
            cursor = await place.execute(
                "SELECT key_id, subject, wrapped, master_id FROM keys.customer_keys WHERE key_id = ANY (%s)",
                (list(key_ids),),
            )
            return [WrappedKey(*row) for row in await cursor.fetchall()]

    async def living(self, conn: Connection, subject: str) -> WrappedKey | None:
        """The subject's key; None where there is none, or every one is destroyed."""
        async with self.at(conn) as place:
            return await _living(place, subject)

    async def make(self, conn: Connection, subject: str, masters: MasterKeys) -> WrappedKey:
        """The subject's living key; a new one, committed when this returns, where there is none.

        Raises:
            WrongMasterKey: the settings do not give the master key that wraps what is made now.
        """
        key_id, key = uuid4(), secrets.token_bytes(KEY_BYTES)
        async with self.at(conn) as place:
            while True:
                if (found := await _living(place, subject)) is not None:
                    return found
                async with place.transaction():
                    # Held until the commit: a rotation that makes another master key the current one waits for it.
                    master = await _current_for_use(place, masters)
                    wrapped = masters.wrap(master, key_id, subject, key)
                    # Waits for another writer's uncommitted key of this subject, and then finds it above.
                    cursor = await place.execute(
                        "INSERT INTO keys.customer_keys (key_id, subject, wrapped, master_id, created_at)"
                        " VALUES (%s, %s, %s, %s, clock_timestamp())"
                        " ON CONFLICT (subject) WHERE wrapped IS NOT NULL DO NOTHING",
                        (key_id, subject, wrapped, master),
                    )
                if cursor.rowcount == 1:
                    return WrappedKey(key_id, subject, wrapped, master)

    async def destroy(self, conn: Connection, subjects: Sequence[str]) -> list[UUID]:
        """Destroys the living keys of these subjects, committed when this returns; answers which there were.

        The rows stay, without the keys, as the proof. Once the transaction is over the old rows are vacuumed away.
        """
        async with self.at(conn) as place:
            cursor = await place.execute(
                "UPDATE keys.customer_keys SET wrapped = NULL, master_id = NULL, destroyed_at = clock_timestamp()"
                " WHERE subject = ANY (%s) AND wrapped IS NOT NULL RETURNING key_id",
                (list(subjects),),
            )
            destroyed = [row[0] for row in await cursor.fetchall()]
            if destroyed:
                await place.execute("VACUUM keys.customer_keys")
        return destroyed

    async def destroyed_at(self, conn: Connection, subjects: Sequence[str]) -> datetime | None:
        """When the newest destroyed key of these subjects was destroyed; None where none was."""
        async with self.at(conn) as place:
            cursor = await place.execute(
                "SELECT max(destroyed_at) FROM keys.customer_keys WHERE subject = ANY (%s)", (list(subjects),)
            )
            row = await cursor.fetchone()
        return row[0] if row else None

    async def living_among(self, conn: Connection, subjects: Sequence[str]) -> list[str]:
        """Those of the subjects that have a living key."""
        async with self.at(conn) as place:
            cursor = await place.execute(
                "SELECT subject FROM keys.customer_keys WHERE subject = ANY (%s) AND wrapped IS NOT NULL"
                " ORDER BY subject",
                (list(subjects),),
            )
            return [str(row[0]) for row in await cursor.fetchall()]

    async def counts(self, conn: Connection) -> KeyCounts:
        """How many keys there are."""
        async with self.at(conn) as place:
            cursor = await place.execute(
                "SELECT master_id, count(*) FROM keys.customer_keys WHERE NOT starts_with(subject, %s)"
                " GROUP BY master_id",
                (INSTALLATION,),
            )
            rows = dict(await cursor.fetchall())
        return KeyCounts({name: count for name, count in rows.items() if name is not None}, rows.get(None, 0))


async def _check_empty(conn: Connection) -> None:
    cursor = await conn.execute("SELECT position > 0 FROM history.head")
    row = await cursor.fetchone()
    if row and row[0]:
        raise KeysElsewhere(
            "the history has events, and there are no tables for the customers' keys where RINGBACK_KEYS_POSTGRES_URL"
            " (or, where it is unset, RINGBACK_POSTGRES_URL) leads: set it right, or restore them from their backup."
            " Where every key is lost for good, begin without (infra/history/keys.sql): all is read as erased"
        )


async def _living(place: Connection, subject: str) -> WrappedKey | None:
    cursor = await place.execute(
        "SELECT key_id, subject, wrapped, master_id FROM keys.customer_keys WHERE subject = %s AND wrapped IS NOT NULL",
        (subject,),
    )
    row = await cursor.fetchone()
    return WrappedKey(*row) if row else None


async def _current_for_use(place: Connection, masters: MasterKeys) -> str:
    """The current master key's name, locked until the transaction ends; the settings' newest where there is none."""
    while True:
        cursor = await place.execute("SELECT master_id FROM keys.masters WHERE current FOR SHARE")
        if row := await cursor.fetchone():
            return str(row[0])
        await place.execute(
            "INSERT INTO keys.masters (master_id, current) VALUES (%s, true) ON CONFLICT DO NOTHING",
            (masters.newest_id,),
        )
