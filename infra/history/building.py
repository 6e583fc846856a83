"""Building a read model beside the one that serves, and the takeover in one transaction.

What is built has its tables, and a checkpoint of its own, in a schema of its own, ``views_building_NAME``. One process
builds at a time (an advisory lock that goes with its connection); one that dies leaves what it has done, and the next
goes on there. Readers see the old rows to the last moment and the new ones from the next on: the tables change their
schema, nothing is copied.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import psycopg
from psycopg import sql

from infra.history.errors import CheckpointMoved
from infra.history.leadership import Holder, leading
from infra.history.read_model import (
    VIEWS,
    Progress,
    Projection,
    begin,
    checkpoint,
    drop_tables,
    make_tables,
    search_in,
    serving,
)
from infra.history.store import Connection, History
from infra.metrics import READ_MODEL_TO_BUILD

_BATCH: Final = 1_000
_PROGRESS: Final = "ringback_progress"
_LOCK_WITHIN: Final = "250ms"
"""As long do readers stand behind a takeover that waits for one of them: then it steps back, and tries again."""
_PAUSE_S: Final = 0.5


async def upgrade(history: History, projection: Projection, progress: Progress | None = None) -> None:
    """Builds this version and takes over, if an older one serves; does nothing otherwise.

    Raises:
        Unavailable: retryable; it goes on where it was.
    """
    if (await serving(history, projection))[0] >= projection.version:
        return
    async with leading(history.postgres_url, _lock(projection)) as leadership:
        version, _ = await begin(history, projection)
        if version < projection.version:
            await _build(history, projection, leadership.check, progress)


async def rebuild(
    history: History,
    projection: Projection,
    progress: Progress | None = None,
    *,
    afresh: bool = False,
    waiting: Callable[[Holder], None] | None = None,
) -> int:
    """Derives the rows again from the first event, beside the ones that serve, and takes over.

    Readers and a running :class:`ProjectionRunner` go on meanwhile. What an interrupted build of this version has done
    is kept, unless ``afresh``. Older code brings its own, older version back so. Whoever else builds it is waited for,
    and ``waiting`` is told of it.

    Returns:
        the position that the rows are of.

    Raises:
        Unavailable: retryable; it goes on where it was.
    """
    async with leading(history.postgres_url, _lock(projection), waiting) as leadership:
        await begin(history, projection)
        if afresh:
            async with history.transaction() as conn:
                await _drop_schema(conn, projection)
        return await _build(history, projection, leadership.check, progress)


def building_schema(projection: Projection) -> str:
    """Where the version that does not serve yet has its tables."""
    return f"views_building_{projection.name}"


def _lock(projection: Projection) -> str:
    return f"building.{projection.name}"


async def _build(history: History, projection: Projection, check: Callable[[], None], progress: Progress | None) -> int:
    position = await _found(history, projection)
    while True:
        check()
        head = (await history.head()).position
        READ_MODEL_TO_BUILD.labels(projection.name).set(head - position)
        if progress is not None:
            progress(position, head)
        if head - position > _BATCH:
            position = await _advance(history, projection, position)
            continue
        reached, done = await _take_over(history, projection, position)
        if done:
            READ_MODEL_TO_BUILD.labels(projection.name).set(0)
            if progress is not None:
                progress(reached, max(reached, head))
            return reached
        position = reached
        await asyncio.sleep(_PAUSE_S)  # a reader holds the old tables; those who stood behind us are let through


async def _found(history: History, projection: Projection) -> int:
    """How far an interrupted build has come; makes the tables anew where there is none, or of another version."""
    async with history.transaction() as conn:
        schema = building_schema(projection)
        cursor = await conn.execute("SELECT to_regclass(%s)", (f'"{schema}".{_PROGRESS}',))
        if await cursor.fetchone() != (None,):
            version, position = await _progress(conn, projection)
            if version == projection.version:
                return position
        await _drop_schema(conn, projection)
        await conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        await make_tables(conn, projection, schema)
        table = sql.Identifier(schema, _PROGRESS)
        await conn.execute(sql.SQL("CREATE TABLE {} (version integer, position bigint)").format(table))
        await conn.execute(sql.SQL("INSERT INTO {} VALUES (%s, 0)").format(table), (projection.version,))
        return 0


async def _advance(history: History, projection: Projection, position: int) -> int:
    batch = await history.read(after=position, limit=_BATCH)
    async with history.transaction() as conn:
        await _expect(conn, projection, position)
        await search_in(conn, building_schema(projection))
        for recorded in batch:
            await projection.apply(conn, recorded)
        return await _note_progress(conn, projection, batch[-1].position if batch else position)


async def _take_over(history: History, projection: Projection, position: int) -> tuple[int, bool]:
    """Applies the rest, and puts the tables in the place of those that serve; answers how far, and whether it did."""
    rest = await history.read(after=position, limit=_BATCH)
    async with history.transaction() as conn:
        await _expect(conn, projection, position)
        _, live = await checkpoint(conn, projection)  # held until the end: nobody else applies anything
        await search_in(conn, building_schema(projection))
        while True:
            for recorded in rest:
                await projection.apply(conn, recorded)
                position = recorded.position
            if position >= live:  # readers never see a row go back in time
                break
            rest = await history.read(after=position, limit=_BATCH)
        await _note_progress(conn, projection, position)
        try:
            async with conn.transaction():
                await conn.execute(f"SET LOCAL lock_timeout = '{_LOCK_WITHIN}'".encode())
                await _swap(conn, projection)
                await conn.execute(
                    "UPDATE views.checkpoints SET version = %s, position = %s WHERE name = %s",
                    (projection.version, position, projection.name),
                )
        except psycopg.errors.LockNotAvailable:
            return position, False
    return position, True


async def _swap(conn: Connection, projection: Projection) -> None:
    await drop_tables(conn, projection)
    for table in projection.tables:
        await conn.execute(
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
                sql.Identifier(building_schema(projection), table), sql.Identifier(VIEWS)
            )
        )
    await _drop_schema(conn, projection)


async def _expect(conn: Connection, projection: Projection, position: int) -> None:
    if await _progress(conn, projection) != (projection.version, position):
        raise CheckpointMoved(f"the build of {projection.name} was moved from {position} by another")


async def _progress(conn: Connection, projection: Projection) -> tuple[int, int]:
    table = sql.Identifier(building_schema(projection), _PROGRESS)
    row = await (await conn.execute(sql.SQL("SELECT version, position FROM {} FOR UPDATE").format(table))).fetchone()
    return (row[0], row[1]) if row else (0, 0)


async def _note_progress(conn: Connection, projection: Projection, position: int) -> int:
    table = sql.Identifier(building_schema(projection), _PROGRESS)
    await conn.execute(sql.SQL("UPDATE {} SET position = %s").format(table), (position,))
    return position


async def _drop_schema(conn: Connection, projection: Projection) -> None:
    schema = sql.Identifier(building_schema(projection))
    await conn.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
