"""Read models: tables in the schema ``views`` that are derived from the history and can always be derived again.

A projection's rows and its checkpoint change in one transaction, so each event is applied exactly once. One process
runs them at a time; another takes over when it ends.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import structlog
from psycopg import sql

from infra.history.cancellation import Cancellation, end
from infra.history.errors import CheckpointMoved, HistoryError, Unavailable
from infra.history.event import Event, Recorded
from infra.history.leadership import Leadership, leading
from infra.history.store import Connection, History
from infra.metrics import READ_MODEL_LAG

_BATCH = 500
_RETRY_S = 1.0
_RETRY_AT_MOST_S = 30.0

log = structlog.get_logger(__name__)

Progress = Callable[[int, int], None]
"""Told the position that is applied, and the one to reach."""


@runtime_checkable
class Projection(Protocol):
    """How events become rows.

    Attributes:
        name: stable; the checkpoint is kept under it.
        version: raised whenever ``ddl`` or ``apply`` changes: the rows are then derived again from the first event.
        ddl: makes the tables (several statements, no parameters).
        tables: their names, with or without the schema ``views``.
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
        """Changes the rows for one event, and nothing else: no clock, no other source."""
        ...


async def applied(conn: Connection, name: str) -> int:
    """The position up to which the projection of that name has come; 0 where it has not begun."""
    cursor = await conn.execute("SELECT position FROM views.checkpoints WHERE name = %s", (name,))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


class ProjectionRunner:
    """Keeps projections up with the history."""

    def __init__(self, history: History, projections: Sequence[Projection]) -> None:
        names = [projection.name for projection in projections]
        if len(set(names)) != len(names):
            raise HistoryError(f"two projections have one name: {', '.join(sorted(names))}")
        self._history = history
        self._projections = tuple(projections)

    async def run(self) -> None:
        """Waits for the leadership, then applies events as they come, until it is cancelled.

        A projection that fails is logged and tried again, ever more rarely; the others go on.
        """
        name = "projections." + ",".join(sorted(projection.name for projection in self._projections))
        while True:
            try:
                async with leading(self._history.postgres_url, name) as leadership:
                    await self._all(leadership)
            except Unavailable as away:
                log.warning("projections wait for PostgreSQL", error=type(away).__name__)
            await asyncio.sleep(_RETRY_S)

    async def _all(self, leadership: Leadership) -> None:
        """Keeps all up until the first one fails; raises what it raised."""
        # No TaskGroup: before Python 3.13 it leaves its own task looking cancelled when a child fails.
        tasks = [
            asyncio.create_task(self._keep_up(projection, leadership), name=f"projection-{projection.name}")
            for projection in self._projections
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(*tasks)

    async def _keep_up(self, projection: Projection, leadership: Leadership) -> None:
        retry_s = _RETRY_S
        cancellation = Cancellation()
        while True:
            leadership.check()
            try:
                position = await prepare(self._history, projection)
                while True:
                    leadership.check()
                    hints = self._history.wake.heard()
                    applied = await step(self._history, projection, position)
                    retry_s = _RETRY_S
                    behind = (await self._history.head()).position - applied if applied != position else 0
                    READ_MODEL_LAG.labels(projection.name).set(behind)
                    if applied == position:
                        await self._history.wake.wait(hints)
                    position = applied
            except Unavailable:
                raise
            except CheckpointMoved as moved:
                cancellation.check()
                log.warning(
                    "projection moved by another, goes on from there", projection=projection.name, why=str(moved)
                )
            except Exception as error:  # noqa: BLE001 -- one wrong read model must not stop the others: logged, retried
                cancellation.check()
                # Neither its message nor a trace: a database's error may quote personal data.
                log.error(  # noqa: TRY400
                    "projection failed", projection=projection.name, error=type(error).__name__, retry_s=retry_s
                )
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, _RETRY_AT_MOST_S)


async def catch_up(history: History, projections: Sequence[Projection]) -> int:
    """Applies everything that is in the history now, and returns; for tests and one-off commands.

    Returns:
        the position that all of them have reached at least.
    """
    reached = (await history.head()).position
    for projection in projections:
        position = await prepare(history, projection)
        while (applied := await step(history, projection, position)) != position:
            position = applied
    return reached


async def prepare(history: History, projection: Projection) -> int:
    """Makes the tables if they are missing or of another version (then empty again); returns the checkpoint."""
    async with history.transaction() as conn:
        # Two processes may come here at once, each for the first time.
        await conn.execute("INSERT INTO views.checkpoints VALUES (%s, 0, 0) ON CONFLICT DO NOTHING", (projection.name,))
        version, position = await _checkpoint(conn, projection)
        if version == projection.version:
            return position
        await _make_tables(conn, projection)
        await conn.execute(
            "UPDATE views.checkpoints SET version = %s, position = 0 WHERE name = %s",
            (projection.version, projection.name),
        )
        return 0


async def step(history: History, projection: Projection, position: int) -> int:
    """Applies the next events after a position, in one transaction with the checkpoint; returns the new one.

    Raises:
        CheckpointMoved: the checkpoint is not where it was left, or the tables are of another version.
    """
    batch = await history.read(after=position, limit=_BATCH)
    if not batch:
        return position
    async with history.transaction() as conn:
        if await _checkpoint(conn, projection) != (projection.version, position):
            raise CheckpointMoved(f"the projection {projection.name} was moved from {position} by another")
        for recorded in batch:
            await projection.apply(conn, recorded)
        await conn.execute(
            "UPDATE views.checkpoints SET position = %s WHERE name = %s", (batch[-1].position, projection.name)
        )
    return batch[-1].position


async def rebuild(history: History, projection: Projection, progress: Progress | None = None) -> int:
    """Derives a projection's rows again from the first event; readers see the old rows until it is done.

    A running :class:`ProjectionRunner` waits meanwhile, and goes on after it.

    Returns:
        the position that the rows are of.
    """
    await prepare(history, projection)
    head = (await history.head()).position
    position = 0
    async with history.transaction() as conn:
        await _checkpoint(conn, projection)  # held until the end: nobody else applies anything
        for table in projection.tables:
            await conn.execute(sql.SQL("DELETE FROM {}").format(_identifier(table)))
        while position < head:
            for recorded in await history.read(after=position, limit=min(_BATCH, head - position)):
                await projection.apply(conn, recorded)
                position = recorded.position
            if progress is not None:
                progress(position, head)
        await conn.execute("UPDATE views.checkpoints SET position = %s WHERE name = %s", (position, projection.name))
    return position


async def _checkpoint(conn: Connection, projection: Projection) -> tuple[int, int]:
    """(version, position), locked until the transaction ends."""
    cursor = await conn.execute(
        "SELECT version, position FROM views.checkpoints WHERE name = %s FOR UPDATE", (projection.name,)
    )
    row = await cursor.fetchone()
    if row is None:
        raise CheckpointMoved(f"the projection {projection.name} has no checkpoint any more")
    return row[0], row[1]


async def _make_tables(conn: Connection, projection: Projection) -> None:
    for table in projection.tables:
        await conn.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(_identifier(table)))
    await conn.execute(projection.ddl.encode())


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier("views", table.removeprefix("views."))
