"""Keeping read models up with the history.

A projection's rows and its checkpoint change in one transaction, so each event is applied exactly once. One process
runs them at a time; another takes over when it ends. A version that is newer than the one that serves is built beside
it (building.py), whoever leads.
"""

import asyncio
from collections.abc import Sequence

import structlog

from infra.history.building import rebuild, upgrade
from infra.history.cancellation import Cancellation, end
from infra.history.errors import CheckpointMoved, HistoryError, Unavailable
from infra.history.leadership import Leadership, leading
from infra.history.read_model import NewerServes, Progress, Projection, applied, begin, checkpoint, serving
from infra.history.store import History
from infra.metrics import READ_MODEL_LAG

__all__ = [
    "NewerServes",
    "Progress",
    "Projection",
    "ProjectionRunner",
    "applied",
    "catch_up",
    "prepare",
    "rebuild",
    "step",
]

_BATCH = 500
_RETRY_S = 1.0
_RETRY_AT_MOST_S = 30.0

log = structlog.get_logger(__name__)


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

        A projection that fails is logged and tried again, ever more rarely; the others go on. Where an older version
        serves, this one is built at once, though another process leads and keeps the older one up meanwhile.
        """
        upgrades = [
            asyncio.create_task(self._upgrade(projection), name=f"build-{projection.name}")
            for projection in self._projections
        ]
        try:
            await self._lead()
        finally:
            await end(*upgrades)

    async def _lead(self) -> None:
        name = "projections." + ",".join(sorted(projection.name for projection in self._projections))
        while True:
            try:
                async with leading(self._history.postgres_url, name) as leadership:
                    await self._all(leadership)
            except Unavailable as away:
                log.warning("projections wait for PostgreSQL", error=type(away).__name__)
            await asyncio.sleep(_RETRY_S)

    async def _upgrade(self, projection: Projection) -> None:
        cancellation = Cancellation()
        while True:
            try:
                version, _ = await serving(self._history, projection)
                if not 0 < version < projection.version:
                    return
                log.info(
                    "read model is built beside", read_model=projection.name, serves=version, built=projection.version
                )
                await upgrade(self._history, projection)
                log.info("read model has taken over", read_model=projection.name, version=projection.version)
            except Exception as error:  # noqa: BLE001 -- as below: logged without its message, and tried again
                cancellation.check()
                log.error("read model cannot be built", read_model=projection.name, error=type(error).__name__)  # noqa: TRY400
                await asyncio.sleep(_RETRY_AT_MOST_S)

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
                await self._tell_lag(projection)
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, _RETRY_AT_MOST_S)

    async def _tell_lag(self, projection: Projection) -> None:
        """How far a read model that stands still is behind."""
        _, position = await serving(self._history, projection)
        READ_MODEL_LAG.labels(projection.name).set((await self._history.head()).position - position)


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
    """Makes the tables where there are none, and builds them beside where an older version serves.

    Returns:
        the checkpoint of what serves then.

    Raises:
        NewerServes: a newer version serves, and stays.
        Unavailable: retryable.
    """
    while True:
        version, position = await begin(history, projection)
        if version == projection.version:
            return position
        if version > projection.version:
            raise NewerServes(
                f"version {version} of the read model {projection.name} serves; this is {projection.version}"
            )
        await upgrade(history, projection)


async def step(history: History, projection: Projection, position: int) -> int:
    """Applies the next events after a position, in one transaction with the checkpoint; returns the new one.

    Raises:
        CheckpointMoved: the checkpoint is not where it was left, or the tables are of another version.
    """
    batch = await history.read(after=position, limit=_BATCH)
    if not batch:
        return position
    async with history.transaction() as conn:
        if await checkpoint(conn, projection) != (projection.version, position):
            raise CheckpointMoved(f"the projection {projection.name} was moved from {position} by another")
        for recorded in batch:
            await projection.apply(conn, recorded)
        await conn.execute(
            "UPDATE views.checkpoints SET position = %s WHERE name = %s", (batch[-1].position, projection.name)
        )
    return batch[-1].position
