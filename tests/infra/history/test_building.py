"""A read model that is built beside the one that serves, and takes its place."""

import asyncio
from contextlib import suppress

import psycopg
import pytest

from infra.history import building, leadership
from infra.history.building import building_schema, rebuild, upgrade
from infra.history.errors import HistoryError
from infra.history.event import Event, Recorded
from infra.history.leadership import Holder, leading
from infra.history.projection import NewerServes, ProjectionRunner, catch_up, prepare
from infra.history.read_model import serving
from infra.history.store import Connection, History, StreamWrite
from infra.metrics import REGISTRY
from tests.infra.history.conftest import Make
from tests.infra.history.notes import Counted
from tests.infra.history.running import running


class Sums:
    """Adds up; version 2 has another column and a second table."""

    name = "sums"

    def __init__(self, version: int = 1) -> None:
        self.version = version
        self.tables: tuple[str, ...] = ("sums",) if version == 1 else ("sums", "sums_seen")
        self.ddl = "CREATE TABLE sums (stream text PRIMARY KEY, total integer NOT NULL);" + (
            "" if version == 1 else "CREATE TABLE sums_seen (n integer); CREATE INDEX sums_seen_by_n ON sums_seen (n)"
        )

    async def apply(self, conn: Connection, recorded: Recorded[Event]) -> None:
        if isinstance(recorded.event, Counted):
            await conn.execute(
                "INSERT INTO sums AS s VALUES (%s, %s)"
                " ON CONFLICT (stream) DO UPDATE SET total = s.total + excluded.total",
                (recorded.stream, recorded.event.number * self.version),
            )
            if self.version > 1:
                await conn.execute("INSERT INTO sums_seen VALUES (%s)", (recorded.event.number,))


class Halting(Sums):
    """Dies when it comes to a number."""

    def __init__(self, version: int, at: int) -> None:
        super().__init__(version)
        self.at = at
        self.applied: list[int] = []

    async def apply(self, conn: Connection, recorded: Recorded[Event]) -> None:
        if isinstance(recorded.event, Counted):
            if recorded.event.number == self.at:
                raise LookupError("killed here")
            self.applied.append(recorded.event.number)
        await super().apply(conn, recorded)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_BATCH", 3)
    monkeypatch.setattr(building, "_PAUSE_S", 0.01)


async def count(history: History, note: Make, *numbers: int) -> None:
    for number in numbers:
        await history.append(StreamWrite("count", [note(Counted(number=number))]))


async def total(history: History) -> int:
    async with history.pool.connection() as conn:
        row = await (await conn.execute("SELECT sum(total) FROM views.sums")).fetchone()
    return int(row[0] or 0) if row else 0


def lag() -> float | None:
    return REGISTRY.get_sample_value("ringback_read_model_lag_events", {"read_model": "sums"})


async def schemas(history: History) -> int:
    async with history.pool.connection() as conn:
        cursor = await conn.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'views\\_building%%'")
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def until_total(history: History, expected: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(psycopg.errors.UndefinedTable):
                if await total(history) == expected:
                    return
            await asyncio.sleep(0.02)


async def test_the_old_version_serves_until_the_new_one_is_built(history: History, note: Make) -> None:
    await count(history, note, *range(1, 8))
    await catch_up(history, [Sums()])
    with pytest.raises(LookupError):
        await upgrade(history, Halting(2, at=5))
    assert (await total(history), await serving(history, Sums())) == (28, (1, 7))
    await upgrade(history, Sums(2))
    assert (await total(history), await serving(history, Sums(2)), await schemas(history)) == (56, (2, 7), 0)


async def test_an_interrupted_build_goes_on_where_it_was(history: History, note: Make) -> None:
    await count(history, note, *range(1, 11))
    await catch_up(history, [Sums()])
    with pytest.raises(LookupError):
        await upgrade(history, Halting(2, at=8))
    second = Halting(2, at=99)
    await upgrade(history, second)
    assert (second.applied, await total(history)) == ([7, 8, 9, 10], 110)


async def test_a_rebuild_can_begin_afresh(history: History, note: Make) -> None:
    await count(history, note, *range(1, 11))
    with pytest.raises(LookupError):
        await rebuild(history, Halting(1, at=8))
    again = Halting(1, at=99)
    await rebuild(history, again, afresh=True)
    assert (again.applied, await total(history)) == ([*range(1, 11)], 55)


async def test_a_running_runner_is_not_stopped_by_a_rebuild_and_loses_nothing(history: History, note: Make) -> None:
    await count(history, note, *range(1, 6))
    async with running(ProjectionRunner(history, [Sums()])):
        await until_total(history, 15)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(rebuild(history, Sums()))
            tasks.create_task(count(history, note, *range(6, 21)))
        await until_total(history, 210)
        await count(history, note, 100)
        await until_total(history, 310)


async def test_a_version_that_is_deployed_beside_the_old_one_takes_over_while_that_leads(
    history: History, note: Make
) -> None:
    await count(history, note, 1, 2, 3)
    async with running(ProjectionRunner(history, [Sums(1)])):
        await until_total(history, 6)
        async with running(ProjectionRunner(history, [Sums(2)])):
            await until_total(history, 12)
    async with running(ProjectionRunner(history, [Sums(2)])):
        await count(history, note, 4)
        await until_total(history, 20)


async def test_two_processes_that_build_at_once_build_once(history: History, note: Make) -> None:
    await count(history, note, *range(1, 10))
    await catch_up(history, [Sums()])
    both = [Halting(2, at=99), Halting(2, at=99)]
    await asyncio.gather(*(upgrade(history, each) for each in both))
    assert (sorted(len(each.applied) for each in both), await total(history)) == ([0, 9], 90)


async def test_a_rebuild_that_waits_for_another_tells_once_for_whom_and_since_when(
    history: History, note: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await count(history, note, 1, 2)
    monkeypatch.setattr(leadership, "_RETRY_S", 0.01)
    look, looked, told = leadership._holder, asyncio.Semaphore(0), list[Holder]()

    async def looking(conn: psycopg.AsyncConnection, lock_id: int) -> Holder | None:
        looked.release()
        return await look(conn, lock_id)

    monkeypatch.setattr(leadership, "_holder", looking)
    async with leading(history.postgres_url, "building.sums"):
        waiting = asyncio.create_task(rebuild(history, Sums(), waiting=told.append))
        async with asyncio.timeout(20):
            for _ in range(3):
                await looked.acquire()
        async with history.pool.connection() as conn:
            cursor = await conn.execute(
                "SELECT pid, backend_start, '' FROM pg_stat_activity"
                " WHERE application_name = 'ringback lead building.sums' ORDER BY backend_start LIMIT 1"
            )
            holder = Holder(*(await cursor.fetchone() or ()))
    assert await waiting == 2
    assert told == [holder]


async def test_two_rebuilds_at_once_end_in_the_same_rows(history: History, note: Make) -> None:
    await count(history, note, *range(1, 10))
    await asyncio.gather(*(rebuild(history, Sums()) for _ in range(2)))
    assert (await total(history), await schemas(history)) == (45, 0)


async def test_older_code_leaves_a_newer_version_alone_unless_it_is_told_to_rebuild(
    history: History, note: Make
) -> None:
    await count(history, note, 1, 2)
    await catch_up(history, [Sums(2)])
    with pytest.raises(NewerServes, match="version 2"):
        await prepare(history, Sums(1))
    await rebuild(history, Sums(1))
    assert (await total(history), await prepare(history, Sums(1))) == (3, 2)


async def test_tables_that_only_the_old_version_had_go_with_it(history: History, note: Make) -> None:
    await count(history, note, 1)
    await catch_up(history, [Sums(2)])
    await rebuild(history, Sums(1))
    async with history.pool.connection() as conn:
        row = await (await conn.execute("SELECT to_regclass('views.sums_seen')")).fetchone()
    assert row == (None,)


async def test_a_reader_in_the_middle_of_the_old_rows_is_not_cut_off(history: History, note: Make) -> None:
    await count(history, note, 1, 2)
    await catch_up(history, [Sums()])
    async with history.transaction() as reader:
        await reader.execute("SELECT * FROM views.sums")
        built = asyncio.create_task(rebuild(history, Sums()))
        done, _ = await asyncio.wait([built], timeout=0.6)
        assert not done
        async with asyncio.timeout(5):  # whoever comes meanwhile reads too
            assert await total(history) == 3
    await built
    assert await total(history) == 3


async def test_indexes_come_along(history: History, note: Make) -> None:
    await count(history, note, 1)
    await rebuild(history, Sums(2))
    async with history.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'views' AND tablename LIKE 'sums%%'"
        )
        assert {row[0] for row in await cursor.fetchall()} == {"sums_pkey", "sums_seen_by_n"}


async def test_a_table_that_names_its_schema_is_refused(history: History) -> None:
    wrong = Sums(2)
    wrong.ddl = "CREATE TABLE views.sums (n integer); CREATE TABLE views.sums_seen (n integer)"
    await catch_up(history, [Sums()])
    with pytest.raises((HistoryError, psycopg.errors.DuplicateTable)):
        await upgrade(history, wrong)
    assert building_schema(wrong) == "views_building_sums"


async def test_the_lag_of_a_read_model_that_fails_is_told(history: History, note: Make) -> None:
    await count(history, note, 1, 2, 3)
    async with running(ProjectionRunner(history, [Halting(1, at=1)])):
        async with asyncio.timeout(15):
            while lag() != 3:  # noqa: ASYNC110 -- a metric is waited for
                await asyncio.sleep(0.02)
