"""Customers' keys: destroyed for good, wrapped by another master key while others work, and apart from the events."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from infra.clock import utc_now
from infra.history.errors import HistoryError, KeysElsewhere, SchemaTooOld, WrongMasterKey
from infra.history.event import Recorded
from infra.history.masters import MasterKeys, master_id
from infra.history.rotation import rotate
from infra.history.store import History, StreamWrite
from infra.servers import Addresses
from tests.databases import database
from tests.infra.history.conftest import Make
from tests.infra.history.notes import NoteTaken


def texts(read: list[Recorded[Any]]) -> list[str]:
    return [one.event.text for one in read if isinstance(one.event, NoteTaken)]


@pytest.fixture
def keys_url(servers: Addresses) -> Iterator[str]:
    """Another empty database, for the keys alone."""
    with database(servers.postgres_url, "keys") as url:
        yield url


@pytest.fixture
async def apart(postgres_url: str, keys_url: str, master_key: bytes) -> AsyncIterator[History]:
    async with await History.open(
        postgres_url, master_key=master_key, clock=utc_now, keys_postgres_url=keys_url
    ) as opened:
        yield opened


async def test_a_destroyed_key_leaves_its_row_without_the_key(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(), note(subject="dara")]))
    assert len((await history.destroy_keys(["sokha", "nobody"])).keys) == 1
    assert (await history.destroy_keys(["sokha"])).keys == ()
    async with history.keys() as (keys, conn):
        assert await keys.store.destroyed_at(conn, ["sokha"]) is not None
        assert await keys.store.living_among(conn, ["sokha", "dara", "nobody"]) == ["dara"]
    assert [read.erased for read in await history.read_stream("case-1")] == [True, False]


async def test_another_process_forgets_a_destroyed_key_as_soon_as_redis_says_so(
    note: Make, postgres_url: str, redis_url: str, master_key: bytes
) -> None:
    options: dict[str, Any] = {"master_key": master_key, "clock": utc_now, "redis_url": redis_url}
    async with (
        await History.open(postgres_url, **options) as desk,
        await History.open(postgres_url, **options) as shell,
    ):
        await desk.append(StreamWrite("case-1", [note()]))
        assert texts(await desk.read_stream("case-1")) == ["It was not me"]
        assert (await shell.destroy_keys(["sokha"])).told
        async with asyncio.timeout(10):
            while texts(await desk.read_stream("case-1")) != [""]:
                await shell.wake.forget_keys()  # it may not have listened yet
                await asyncio.sleep(0.01)
        await desk.append(StreamWrite("case-1", [note()]))
        assert texts(await shell.read_stream("case-1")) == ["", "It was not me"]


async def test_a_rotation_wraps_every_key_anew_and_touches_no_event(
    history: History, note: Make, postgres_url: str, master_key: bytes
) -> None:
    for name in range(7):
        await history.append(StreamWrite(f"case-{name}", [note(subject=f"customer-{name}")]))
    await history.destroy_keys(["customer-3"])
    before = await history.read_stored(after=0)
    new = secrets.token_bytes(32)
    async with await History.open(
        postgres_url, master_key=new, previous_master_keys=[master_key], clock=utc_now
    ) as both:
        lookup_key = both.lookup_key
        told: list[tuple[int, int]] = []
        rotated = await rotate(both, lambda done, of: told.append((done, of)))
        assert (rotated.master, rotated.replaced) == (master_id(new), master_id(master_key))
        assert told[0] == (0, 7)  # six customers and the installation's own
        assert told[-1] == (7, 7)
        assert (await rotate(both)).rewrapped == 0
    async with await History.open(postgres_url, master_key=new, clock=utc_now) as after:
        assert after.lookup_key == lookup_key
        assert texts(await after.read(after=0)) == ["It was not me"] * 3 + [""] + ["It was not me"] * 3
        assert await after.read_stored(after=0) == before
        async with after.keys() as (keys, conn):
            assert (await keys.store.counts(conn)).by_master == {master_id(new): 6}


async def test_workers_write_and_read_with_both_master_keys_before_while_and_after_they_change(
    history: History, note: Make, postgres_url: str, master_key: bytes
) -> None:
    new = secrets.token_bytes(32)
    async with (
        await History.open(postgres_url, master_key=new, previous_master_keys=[master_key], clock=utc_now) as first,
        await History.open(postgres_url, master_key=new, previous_master_keys=[master_key], clock=utc_now) as second,
    ):
        await first.append(StreamWrite("case-1", [note(subject="before")]))
        assert texts(await history.read_stream("case-1")) == ["It was not me"]  # which has the old one alone
        done, warm = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            number = 0
            last = 5
            while number < last:
                number += 1
                await second.append(StreamWrite(f"case-w{number}", [note(subject=f"while-{number}")]))
                first._keys.forget()
                assert texts(await first.read_stream(f"case-w{number}")) == ["It was not me"]
                if number == last:
                    warm.set()
                    last += 0 if done.is_set() else 1

        async def change() -> None:
            await warm.wait()
            await rotate(first)
            done.set()

        async with asyncio.timeout(20):
            await asyncio.gather(work(), change())
        assert (await rotate(first)).rewrapped == 0  # nothing was wrapped by the old one after the change
    async with await History.open(postgres_url, master_key=new, clock=utc_now) as after:
        assert set(texts(await after.read(after=0))) == {"It was not me"}


async def test_a_rotation_that_was_broken_off_goes_on(
    history: History, note: Make, postgres_url: str, master_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.history.rotation._BATCH", 2)
    for name in range(5):
        await history.append(StreamWrite(f"case-{name}", [note(subject=f"customer-{name}")]))

    class BrokenOffError(Exception):
        pass

    def break_off(done: int, _of: int) -> None:
        if done:
            raise BrokenOffError

    new = secrets.token_bytes(32)
    async with await History.open(
        postgres_url, master_key=new, previous_master_keys=[master_key], clock=utc_now
    ) as both:
        with pytest.raises(BrokenOffError):
            await rotate(both, break_off)
        both._keys.forget()
        assert texts(await both.read(after=0)) == ["It was not me"] * 5
        assert (await rotate(both)).rewrapped == 4


async def test_a_process_that_was_not_given_the_new_master_key_is_told_what_to_do(
    history: History, note: Make, postgres_url: str, master_key: bytes
) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    new = secrets.token_bytes(32)
    with pytest.raises(WrongMasterKey, match="RINGBACK_PREVIOUS_MASTER_KEYS"):
        await History.open(postgres_url, master_key=new, clock=utc_now)
    async with await History.open(
        postgres_url, master_key=new, previous_master_keys=[master_key], clock=utc_now
    ) as both:
        await rotate(both)
    with pytest.raises(WrongMasterKey, match=master_id(new)):
        await history.append(StreamWrite("case-2", [note(subject="dara")]))
    with pytest.raises(WrongMasterKey, match="RINGBACK_MASTER_KEY"):
        await History.open(postgres_url, master_key=master_key, clock=utc_now)


def test_a_previous_master_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(HistoryError, match="32"):
        MasterKeys(bytes(32), [b"short"])


async def test_keys_in_a_database_of_their_own_leave_none_beside_the_events(
    apart: History, note: Make, postgres_url: str, keys_url: str
) -> None:
    await apart.append(StreamWrite("case-1", [note()]))
    apart._keys.forget()
    assert texts(await apart.read_stream("case-1")) == ["It was not me"]
    for url, there in ((postgres_url, False), (keys_url, True)):
        async with await psycopg.AsyncConnection.connect(url) as conn:
            row = await (await conn.execute("SELECT to_regclass('keys.customer_keys') IS NOT NULL")).fetchone()
            assert row == (there,)


async def test_a_key_whose_append_failed_is_used_by_the_next_one(apart: History, note: Make) -> None:
    await apart.append(StreamWrite("case-1", [note(subject="dara")]))
    taken = note()
    with pytest.raises(HistoryError):
        await apart.append(StreamWrite("case-1", [taken], 7))
    async with apart.keys() as (keys, conn):
        key = await keys.store.living(conn, "sokha")
    await apart.append(StreamWrite("case-1", [taken], 1))
    stored = await apart.read_stored(after=1)
    assert key is not None
    assert [one.key_id for one in stored] == [key.key_id]


async def test_a_backup_of_the_events_does_not_bring_an_erased_customer_back(
    note: Make, servers: Addresses, postgres_url: str, keys_url: str, master_key: bytes
) -> None:
    options: dict[str, Any] = {"master_key": master_key, "clock": utc_now, "keys_postgres_url": keys_url}
    async with await History.open(postgres_url, **options) as first:
        await first.append(StreamWrite("case-1", [note(), note(subject="dara")]))
    backup = f"backup_{secrets.token_hex(6)}"
    with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
        original = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
        connection.execute(f'CREATE DATABASE "{backup}" TEMPLATE "{original}"'.encode())
    restored_url = servers.postgres_url.replace("/ringback?", f"/{backup}?", 1)
    try:
        async with await History.open(postgres_url, **options) as living:
            await living.destroy_keys(["sokha"])
        async with await History.open(restored_url, **options) as restored:
            assert texts(await restored.read_stream("case-1")) == ["", "It was not me"]
    finally:
        with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{backup}" WITH (FORCE)'.encode())


async def test_keys_that_lie_elsewhere_than_the_settings_say_are_missed_before_anything_is_written(
    history: History, note: Make, postgres_url: str, keys_url: str, master_key: bytes
) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    with pytest.raises(KeysElsewhere, match="pg_dump"):
        await History.open(postgres_url, master_key=master_key, clock=utc_now, keys_postgres_url=keys_url)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as conn:
        await conn.execute("DROP SCHEMA keys CASCADE")
    for url in (keys_url, None):
        with pytest.raises(KeysElsewhere, match="restore"):
            await History.open(postgres_url, master_key=master_key, clock=utc_now, keys_postgres_url=url)


async def test_keys_of_a_version_before_the_first_release_are_refused(
    postgres_url: str, keys_url: str, master_key: bytes
) -> None:
    async with await psycopg.AsyncConnection.connect(keys_url, autocommit=True) as conn:
        await conn.execute("CREATE SCHEMA keys")
    with pytest.raises(SchemaTooOld, match="keys"):
        await History.open(postgres_url, master_key=master_key, clock=utc_now, keys_postgres_url=keys_url)
