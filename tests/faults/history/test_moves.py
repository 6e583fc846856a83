"""What docs say of moving things: an old range to another tablespace, the keys to a database of their own."""

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra.clock import utc_now
from infra.history.errors import KeysElsewhere
from infra.history.store import History, StreamWrite
from infra.history.verify import verify
from infra.servers.home import server_account
from infra.servers.postgres import programs
from tests.databases import database
from tests.faults.history.ground import Postgres
from tests.infra.history.conftest import Make, note
from tests.infra.history.ranges import small_ranges

__all__ = ["note"]

pytestmark = pytest.mark.faults

DOCS = Path(__file__).parents[3] / "docs"
RANGE = 100


@pytest.fixture
def cold() -> Iterator[Path]:
    """A folder that the server's account owns, on whatever is the cold storage here."""
    folder = Path(tempfile.mkdtemp(prefix="ringback-cold-", dir="/tmp"))
    if (account := server_account()) is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def block(page: str, begins: str) -> str:
    """The first fenced block of the page that has this text."""
    blocks: list[str] = re.findall(r"^ *```\w+\n(.*?)^ *```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
    return next(found for found in blocks if begins in found)


def run(program: str, *arguments: str, cwd: Path, given: str = "", **environment: str) -> None:
    """One of PostgreSQL's own programs, or a shell that finds them."""
    path = f"{programs()}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603 -- what the page says
        [program, *arguments],
        cwd=cwd,
        input=given,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def appended(history: History, note: Make, events: int) -> None:
    for number in range(events // 10):
        await history.append(StreamWrite(f"case-{number}", [note() for _ in range(10)]))


@pytest.mark.timeout(120)
async def test_an_old_range_lies_in_another_tablespace_and_everything_is_read_and_written_as_before(
    postgres: Postgres, history: History, note: Make, cold: Path
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as owner:
        await small_ranges(owner, RANGE)
        await appended(history, note, 3 * RANGE)
        before = await history.read_stored(after=0, limit=1_000)
        said = block("history.md", "CREATE TABLESPACE").replace("/mnt/cold/history", str(cold))
        psql = str(programs() / "psql")
        await asyncio.to_thread(run, psql, "-v", "ON_ERROR_STOP=1", "-f", "-", postgres.url, cwd=cold, given=said)
        cursor = await owner.execute(
            "SELECT count(*), bool_and(t.spcname = 'cold')"
            " FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
            " WHERE c.relname = 'events_000000000001' OR c.oid IN"
            " (SELECT indexrelid FROM pg_index WHERE indrelid = 'history.events_000000000001'::regclass)"
        )
        assert await cursor.fetchone() == (5, True)
        await appended(history, note, 2 * RANGE)
        assert await history.read_stored(after=0, limit=3 * RANGE) == before
        assert len(await history.read_stream("case-0")) == 20
        assert (await verify(history)).intact
        await owner.execute("ALTER TABLE history.events_000000000001 SET TABLESPACE pg_default")
        assert (await verify(history)).intact


@pytest.mark.timeout(120)
async def test_the_keys_move_to_a_database_of_their_own_and_nothing_of_them_stays(
    postgres: Postgres, folder: Path, master_key: bytes, note: Make
) -> None:
    async with await History.open(postgres.url, master_key=master_key, clock=utc_now) as history:
        await history.append(StreamWrite("case-1", [note(), note(subject="erased")]))
        await history.destroy_keys(["erased"])
        lookup = history.lookup_key
    with database(postgres.url, "keys") as keys_url:
        with pytest.raises(KeysElsewhere, match="pg_dump --schema=keys"):
            await History.open(postgres.url, master_key=master_key, clock=utc_now, keys_postgres_url=keys_url)
        said = block("running.md", "pg_dump --schema=keys")
        await asyncio.to_thread(
            run,
            "/bin/sh",
            "-ec",
            said,
            cwd=folder,
            RINGBACK_POSTGRES_URL=postgres.url,
            RINGBACK_KEYS_POSTGRES_URL=keys_url,
        )
        options = {"clock": utc_now, "keys_postgres_url": keys_url}
        async with await History.open(postgres.url, master_key=master_key, **options) as history:  # type: ignore[arg-type] # two kinds of options
            read = await history.read_stream("case-1")
            assert [one.erased for one in read] == [False, True]
            await history.append(StreamWrite("case-1", [note(subject=secrets.token_hex(4))]))
            assert history.lookup_key == lookup
            assert (await verify(history)).intact
        with psycopg.connect(postgres.url) as conn:
            assert conn.execute("SELECT to_regnamespace('keys')").fetchone() == (None,)
        with pytest.raises(KeysElsewhere):
            await History.open(postgres.url, master_key=master_key, clock=utc_now)
