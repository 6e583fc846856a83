"""A disk that is full, and a database that is read-only: writers are told that it is away, and go on afterwards."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psycopg
import pytest

from infra.clock import utc_now
from infra.history.store import History
from tests.faults.detection.run import seed
from tests.faults.history.ground import Postgres
from tests.faults.history.load import Load

pytestmark = pytest.mark.faults

_DISK_MB = 160


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, in memory; only root may mount one."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(  # noqa: S603 -- a folder of our own
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "ringback-faults", str(disk)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        why = f"no small file system can be mounted here: {mounted.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    disk.chmod(0o755)
    yield disk
    subprocess.run(["/bin/umount", "--lazy", str(disk)], check=True)  # noqa: S603 -- the same


@pytest.mark.timeout(600)
async def test_a_full_disk_loses_nothing_and_is_over_when_there_is_room(small_disk: Path, master_key: bytes) -> None:
    random = Random(seed())
    load = Load(random)
    postgres = Postgres(small_disk / "home")
    ballast = small_disk / "ballast"
    with postgres.servers:
        async with await History.open(postgres.url, master_key=master_key, clock=utc_now) as history:
            await load.prepare(history)
            writers = [asyncio.create_task(load.write(history, n)) for n in range(6)]
            for _ in range(3):
                await written(load, 200)
                fill(ballast)
                before = load.told.unavailable
                async with asyncio.timeout(120):
                    while load.told.unavailable < before + 20:
                        await asyncio.sleep(0.02)
                        fill(ballast)
                ballast.unlink()
                # A log that could not be written ends PostgreSQL itself; whoever runs it starts it again.
                await asyncio.sleep(0.5)
                if not await answers(postgres):
                    await postgres.restart()
                await written(load, 50)
            load.stopping = True
            async with asyncio.timeout(120):
                await asyncio.gather(*writers)
            await load.judge(history)
    print(f"{load.told.written} events, {load.told.unavailable} unavailable, {load.told.repeated} repeated", flush=True)


@pytest.mark.timeout(300)
async def test_a_database_that_is_read_only_is_away_for_writers_and_there_for_readers(
    postgres: Postgres, history: History
) -> None:
    load = Load(Random(seed()))
    await load.prepare(history)
    writers = [asyncio.create_task(load.write(history, n)) for n in range(4)]
    await written(load, 50)
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as owner:
        await owner.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await owner.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(60):
            before = load.told.unavailable
            while load.told.unavailable < before + 8:  # noqa: ASYNC110 -- the writers are what is waited for
                await asyncio.sleep(0.02)
        head = (await history.head()).position
        assert [recorded.position for recorded in await history.read(after=0, limit=head)] == list(range(1, head + 1))
        await owner.execute("SET default_transaction_read_only = off")
        await owner.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await owner.execute("SELECT pg_reload_conf()")
    await written(load, 50)
    load.stopping = True
    async with asyncio.timeout(60):
        await asyncio.gather(*writers)
    await load.judge(history)


async def written(load: Load, more: int) -> None:
    """Returns when so many more events are acknowledged."""
    wanted = load.told.written + more
    async with asyncio.timeout(120):
        while load.told.written < wanted:  # noqa: ASYNC110 -- the writers are what is waited for
            await asyncio.sleep(0.02)


async def answers(postgres: Postgres) -> bool:
    try:
        async with await psycopg.AsyncConnection.connect(postgres.url + "&connect_timeout=2") as conn:
            await conn.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def fill(ballast: Path) -> None:
    """Leaves next to nothing."""
    try:
        with ballast.open("ab") as file:
            while True:
                file.write(bytes(65_536))
    except OSError:
        return
