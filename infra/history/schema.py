"""Makes the history's schemas where they are missing, once, whoever starts first."""

from importlib.resources import files

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from infra.history.errors import SchemaTooNew, SchemaTooOld

SCHEMA_VERSION = 2
"""The version of the tables that this code reads and writes."""

_FILES = ("schema.sql", "append.sql")
_LOCK = 0x52_49_4E_47
"""Advisory lock of whoever makes the schemas."""


async def ensure_schema(conn: AsyncConnection[TupleRow]) -> None:
    """Creates the tables, or finds them made; several processes may start at once.

    Raises:
        SchemaTooNew: a newer version of Ringback has been here.
        SchemaTooOld: an older one has; nothing is changed.
    """
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        await conn.execute("CREATE TABLE IF NOT EXISTS public.ringback_schema (version integer PRIMARY KEY)")
        cursor = await conn.execute("SELECT max(version) FROM public.ringback_schema")
        row = await cursor.fetchone()
        found = (row[0] if row else None) or 0
        if found > SCHEMA_VERSION:
            raise SchemaTooNew(f"the history's tables are of version {found}; this Ringback knows {SCHEMA_VERSION}")
        if 0 < found < SCHEMA_VERSION:
            raise SchemaTooOld(
                f"the history's tables are of version {found}, made by a Ringback before its first release; this one"
                f" keeps version {SCHEMA_VERSION}, and there is no migration between them. Nothing was changed. Begin"
                " with an empty database (RINGBACK_POSTGRES_URL) or, where the servers are embedded, an empty home"
                " (RINGBACK_HOME); the Ringback that made these tables still reads them"
            )
        if found == SCHEMA_VERSION:
            return
        for file in _FILES:
            await conn.execute(files("infra.history").joinpath(file).read_bytes())
        await conn.execute("INSERT INTO public.ringback_schema VALUES (%s)", (SCHEMA_VERSION,))
