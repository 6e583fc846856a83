"""The tables: made once, grown by ranges, and refused when they are not of this version."""

import asyncio

import psycopg
import pytest

from infra.clock import utc_now
from infra.history.errors import SchemaTooNew, SchemaTooOld
from infra.history.schema import SCHEMA_VERSION
from infra.history.store import History, StreamWrite
from tests.infra.history.conftest import Make
from tests.infra.history.ranges import small_ranges


async def ranges(conn: psycopg.AsyncConnection) -> list[str]:
    cursor = await conn.execute(
        "SELECT relid::text FROM pg_partition_tree('history.events') WHERE isleaf ORDER BY relid::text"
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def test_ranges_are_made_ahead_by_whoever_appends(
    history: History, note: Make, tampering: psycopg.AsyncConnection
) -> None:
    await small_ranges(tampering, 10)
    await history.append(StreamWrite("case-1", [note() for _ in range(8)]))
    assert await ranges(tampering) == ["history.events_000000000001"]
    await history.append(StreamWrite("case-1", [note()]))
    assert await ranges(tampering) == ["history.events_000000000001", "history.events_000000000011"]
    await history.append(StreamWrite("case-1", [note() for _ in range(25)]))
    assert len(await ranges(tampering)) == 4
    assert [read.version for read in await history.read_stream("case-1")] == list(range(1, 35))


async def test_writers_who_race_over_the_end_of_a_range_make_it_once(
    history: History, note: Make, postgres_url: str, master_key: bytes, tampering: psycopg.AsyncConnection
) -> None:
    await small_ranges(tampering, 5)
    async with await History.open(postgres_url, master_key=master_key, clock=utc_now) as other, asyncio.timeout(30):
        await asyncio.gather(
            *(store.append(StreamWrite(f"case-{n}", [note(), note()])) for n in range(12) for store in (history, other))
        )
    assert [read.position for read in await history.read(after=0)] == list(range(1, 49))


async def test_a_range_can_be_moved_to_other_storage_while_it_is_read(
    history: History, note: Make, tampering: psycopg.AsyncConnection
) -> None:
    await small_ranges(tampering, 4)
    await history.append(StreamWrite("case-1", [note() for _ in range(6)]))
    # pg_global is the only other tablespace that a new server has, and it takes no tables; the default may be named.
    await tampering.execute("ALTER TABLE history.events_000000000001 SET TABLESPACE pg_default")
    assert len(await history.read_stream("case-1")) == 6


async def test_a_range_is_append_only_by_itself_too(history: History, note: Make, postgres_url: str) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as owner:
        for change in ("UPDATE history.events_000000000001 SET actor = ''", "DELETE FROM history.events_000000000001"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                await owner.execute(change.encode())


@pytest.mark.parametrize(
    ("version", "refusal"), [(SCHEMA_VERSION - 1, SchemaTooOld), (SCHEMA_VERSION + 1, SchemaTooNew)]
)
async def test_tables_of_another_version_are_refused_and_left_alone(
    postgres_url: str, master_key: bytes, version: int, refusal: type[Exception]
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as conn:
        await conn.execute("CREATE TABLE public.ringback_schema (version integer PRIMARY KEY)")
        await conn.execute("INSERT INTO public.ringback_schema VALUES (%s)", (version,))
        with pytest.raises(refusal, match=f"version {version}"):
            await History.open(postgres_url, master_key=master_key, clock=utc_now)
        cursor = await conn.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'history'")
        assert await cursor.fetchone() == (0,)


async def test_an_old_home_is_told_what_to_do(postgres_url: str, master_key: bytes) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as conn:
        await conn.execute("CREATE TABLE public.ringback_schema (version integer PRIMARY KEY)")
        await conn.execute("INSERT INTO public.ringback_schema VALUES (1)")
    with pytest.raises(SchemaTooOld, match=r"(?s)Nothing was changed.*RINGBACK_HOME"):
        await History.open(postgres_url, master_key=master_key, clock=utc_now)
