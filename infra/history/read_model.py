"""What a read model is: tables derived from the history, and how far along the history they are.

A read model names no schema in its statements. Where it serves, its tables are in the schema ``views``; a version that
is built beside it has the same tables in a schema of its own (building.py), and the search path says which are meant.
"""

from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from psycopg import sql

from infra.history.errors import CheckpointMoved, HistoryError
from infra.history.event import Event, Recorded
from infra.history.store import Connection, History

VIEWS: Final = "views"

Progress = Callable[[int, int], None]
"""Told the position that is applied, and the one to reach."""


class NewerServes(HistoryError):
    """A newer version of the read model serves already: this code leaves it alone. Permanent for this process."""


@runtime_checkable
class Projection(Protocol):
    """How events become rows.

    Attributes:
        name: stable; the checkpoint is kept under it.
        version: raised whenever ``ddl`` or ``apply`` changes: the rows are then derived again from the first event.
        ddl: makes the tables and their indexes (several statements, no parameters, no schema named).
        tables: the names of all tables that ``ddl`` makes.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 -- described above, as the next three
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def ddl(self) -> str: ...  # noqa: D102
    @property
    def tables(self) -> tuple[str, ...]: ...  # noqa: D102

    async def apply(self, conn: Connection, recorded: Recorded[Event], /) -> None:
        """Changes the rows for one event, and nothing else: no clock, no other source, no schema named."""
        ...


async def applied(conn: Connection, name: str) -> int:
    """The position up to which the read model of that name has come; 0 where it has not begun."""
    cursor = await conn.execute("SELECT position FROM views.checkpoints WHERE name = %s", (name,))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def serving(history: History, projection: Projection) -> tuple[int, int]:
    """(version, position) of the tables that serve now; (0, 0) where none do.

    Raises:
        Unavailable: retryable.
    """
    async with history.transaction() as conn:
        cursor = await conn.execute(
            "SELECT version, position FROM views.checkpoints WHERE name = %s", (projection.name,)
        )
        row = await cursor.fetchone()
    return (row[0], row[1]) if row else (0, 0)


async def checkpoint(conn: Connection, projection: Projection) -> tuple[int, int]:
    """(version, position) of what serves, locked until the transaction ends.

    Raises:
        CheckpointMoved: there is none any more.
    """
    cursor = await conn.execute(
        "SELECT version, position FROM views.checkpoints WHERE name = %s FOR UPDATE", (projection.name,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise CheckpointMoved(f"the read model {projection.name} has no checkpoint any more")
    return row[0], row[1]


async def begin(history: History, projection: Projection) -> tuple[int, int]:
    """Makes the tables where none have ever served; answers (version, position) of what serves then.

    Raises:
        HistoryError: ``ddl`` makes other tables than are declared.
        Unavailable: retryable.
    """
    async with history.transaction() as conn:
        # Two processes may come here at once, each for the first time.
        await conn.execute("INSERT INTO views.checkpoints VALUES (%s, 0, 0) ON CONFLICT DO NOTHING", (projection.name,))
        version, position = await checkpoint(conn, projection)
        if version:
            return version, position
        await drop_tables(conn, projection)
        await make_tables(conn, projection, VIEWS)
        await conn.execute(
            "UPDATE views.checkpoints SET version = %s, position = 0 WHERE name = %s",
            (projection.version, projection.name),
        )
    return projection.version, 0


async def make_tables(conn: Connection, projection: Projection, schema: str) -> None:
    """Makes the tables in a schema, and notes on each whose it is, so that it can be dropped by a later version.

    Raises:
        HistoryError: one that is declared was not made there.
    """
    await search_in(conn, schema)
    await conn.execute(projection.ddl.encode())
    for table in projection.tables:
        cursor = await conn.execute("SELECT to_regclass(%s)", (f'"{schema}"."{table}"',))
        if await cursor.fetchone() == (None,):
            raise HistoryError(
                f"the read model {projection.name} declares the table {table} and does not make it in {schema}:"
                " its statements must make every table that it declares, and name no schema"
            )
        await conn.execute(
            sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(schema, table), sql.Literal(_note(projection)))
        )
    await search_in(conn, VIEWS)


async def drop_tables(conn: Connection, projection: Projection) -> None:
    """Drops whatever serves under the read model's name, tables of earlier versions included."""
    cursor = await conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'views'::regnamespace AND relkind = 'r'"
        " AND (obj_description(oid, 'pg_class') = %s OR relname = ANY (%s)) ORDER BY relname",
        (_note(projection), list(projection.tables)),
    )
    for (table,) in await cursor.fetchall():
        await conn.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(VIEWS, table)))


async def search_in(conn: Connection, schema: str) -> None:
    """Until the transaction ends, a table without a schema is one of these."""
    await conn.execute(sql.SQL("SET LOCAL search_path = {}, public").format(sql.Identifier(schema)))


def _note(projection: Projection) -> str:
    return f"Read model {projection.name}."
