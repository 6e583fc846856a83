"""Read models: in step with the history, and the same when derived again."""

import asyncio
from contextlib import suppress

import psycopg
import pytest

from infra.history.errors import CheckpointMoved
from infra.history.event import Event, Recorded
from infra.history.projection import ProjectionRunner, catch_up, prepare, rebuild, step
from infra.history.store import Connection, History, StreamWrite
from tests.infra.history.conftest import Make
from tests.infra.history.notes import Counted
from tests.infra.history.running import running


class Totals:
    """Sums what is counted in each stream."""

    name = "totals"
    tables: tuple[str, ...] = ("totals",)
    ddl = "CREATE TABLE totals (stream text PRIMARY KEY, total integer NOT NULL, events integer NOT NULL)"

    def __init__(self, version: int = 1, factor: int = 1) -> None:
        self.version = version
        self.factor = factor

    async def apply(self, conn: Connection, recorded: Recorded[Event]) -> None:
        if isinstance(recorded.event, Counted):
            await conn.execute(
                "INSERT INTO totals AS t VALUES (%s, %s, 1)"
                " ON CONFLICT (stream) DO UPDATE SET total = t.total + excluded.total, events = t.events + 1",
                (recorded.stream, recorded.event.number * self.factor),
            )


class Deaf(Totals):
    """Loses its cancellation, as ``asyncio.wait_for`` did before Python 3.12, and then fails or goes on."""

    def __init__(self, failure: Exception | None) -> None:
        super().__init__()
        self.failure = failure
        self.applying = asyncio.Event()

    async def apply(self, conn: Connection, recorded: Recorded[Event]) -> None:
        self.applying.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        if self.failure is not None:
            raise self.failure
        await super().apply(conn, recorded)


class Broken(Totals):
    name = "broken"
    tables = ()
    ddl = "SELECT 1"

    async def apply(self, conn: Connection, recorded: Recorded[Event]) -> None:
        del conn, recorded
        raise LookupError("no")


async def rows(history: History) -> list[tuple[str, int, int]]:
    async with history.pool.connection() as conn:
        cursor = await conn.execute("SELECT stream, total, events FROM views.totals ORDER BY stream")
        return await cursor.fetchall()


async def count(history: History, note: Make, *numbers: int) -> None:
    for number in numbers:
        await history.append(StreamWrite(f"count-{number % 2}", [note(Counted(number=number))]))


async def until(history: History, expected: list[tuple[str, int, int]]) -> None:
    async with asyncio.timeout(15):
        while True:
            with suppress(Exception):
                if await rows(history) == expected:
                    return
            await asyncio.sleep(0.02)


async def test_rows_follow_the_history_as_it_grows(history: History, note: Make) -> None:
    await count(history, note, 1, 2, 3)
    async with running(ProjectionRunner(history, [Totals()])):
        await until(history, [("count-0", 2, 1), ("count-1", 4, 2)])
        await count(history, note, 4)
        await until(history, [("count-0", 6, 2), ("count-1", 4, 2)])


async def test_a_second_runner_applies_nothing_twice(history: History, note: Make) -> None:
    runners = [ProjectionRunner(history, [Totals()]) for _ in range(2)]
    async with running(runners[0]), running(runners[1]):
        await count(history, note, *range(10))
        await until(history, [("count-0", 20, 5), ("count-1", 25, 5)])


async def test_a_broken_projection_does_not_hold_the_others_up(history: History, note: Make) -> None:
    await count(history, note, 1)
    async with running(ProjectionRunner(history, [Broken(), Totals()])):
        await until(history, [("count-1", 1, 1)])


async def test_a_rebuild_gives_the_same_rows(history: History, note: Make) -> None:
    projection, told = Totals(), list[tuple[int, int]]()
    await count(history, note, *range(9))
    await catch_up(history, [projection])
    before = await rows(history)
    async with history.pool.connection() as conn:
        await conn.execute("UPDATE views.totals SET total = 0")
    reached = await rebuild(history, projection, lambda position, head: told.append((position, head)))
    assert (await rows(history), reached, told) == (before, 9, [(0, 9), (9, 9)])


async def test_after_a_rebuild_it_goes_on_where_that_ended(history: History, note: Make) -> None:
    await count(history, note, 1)
    await rebuild(history, Totals())
    await count(history, note, 3)
    await catch_up(history, [Totals()])
    assert await rows(history) == [("count-1", 4, 2)]


async def test_another_version_is_derived_from_the_first_event(history: History, note: Make) -> None:
    await count(history, note, 1, 3)
    await catch_up(history, [Totals(version=1)])
    await catch_up(history, [Totals(version=2, factor=10)])
    assert await rows(history) == [("count-1", 40, 2)]


async def test_a_runner_that_was_overtaken_applies_nothing(history: History, note: Make) -> None:
    await count(history, note, 1)
    projection = Totals()
    position = await prepare(history, projection)
    await step(history, projection, position)
    with pytest.raises(CheckpointMoved):
        await step(history, projection, position)
    assert await rows(history) == [("count-1", 1, 1)]


async def test_a_runner_ends_whenever_it_is_cancelled(history: History, note: Make) -> None:
    await count(history, note, *range(4))
    for moment in range(120):
        async with history.transaction() as conn:  # as at its first start: connecting, leading and making tables
            await conn.execute("UPDATE views.checkpoints SET version = 0")
        task = asyncio.create_task(ProjectionRunner(history, [Totals(), Broken()]).run())
        await asyncio.sleep(moment / 1500)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled(), f"it lives on after it was cancelled {moment / 1.5:.1f} ms after its start"


@pytest.mark.parametrize("failure", [None, LookupError("no"), psycopg.OperationalError("the query was canceled")])
async def test_a_runner_ends_though_its_cancellation_is_lost_on_the_way(
    history: History, note: Make, failure: Exception | None
) -> None:
    await count(history, note, 1)
    deaf = Deaf(failure)
    task = asyncio.create_task(ProjectionRunner(history, [deaf]).run())
    async with asyncio.timeout(15):
        await deaf.applying.wait()
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
