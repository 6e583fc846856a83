"""A PostgreSQL that is stopped is not waited for without end; one that answers, whatever it says, is."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli import answering as watching
from infra.cli.answering import answering, place_of
from infra.history.errors import Unavailable
from tests.infra.cli.conftest import Ringback


@pytest.fixture(autouse=True)
def left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have ended the process."""
    told: list[str] = []
    monkeypatch.setattr(watching, "SILENT_FOR_S", 3)
    monkeypatch.setattr(watching, "_TICK_S", 0.05)
    monkeypatch.setattr(watching, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(watching, "_END_WITHIN_S", 0.01)
    monkeypatch.setattr(watching, "_leave", told.append)
    return told


@pytest.fixture
def stopped() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"postgresql://me:hush@127.0.0.1:{server.getsockname()[1]}/ringback"


async def test_what_works_with_a_stopped_server_is_broken_off_and_says_which(
    stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(watching, "_leave", lambda why: loop.call_soon_threadsafe(left.put_nowait, why))
    with pytest.raises(Unavailable, match="has said nothing for 3 s") as told:
        async with answering(stopped):
            await asyncio.sleep(3600)
    assert place_of(stopped) in str(told.value)
    assert "hush" not in str(told.value)
    async with asyncio.timeout(10):  # a thread in the driver is not waited for either: the process is ended
        assert await left.get() == str(told.value)


async def test_a_server_that_refuses_is_not_silent(
    free_port: int, left: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask = asyncio.Semaphore(0), watching._ask

    async def asking(url: str) -> None:
        await ask(url)
        asked.release()

    monkeypatch.setattr(watching, "_ask", asking)
    monkeypatch.setattr(watching, "SILENT_FOR_S", 400)
    async with answering(f"postgresql://me@127.0.0.1:{free_port}/ringback"), asyncio.timeout(20):
        for _ in range(3):
            await asked.acquire()
    assert not left


async def test_a_block_that_is_cancelled_by_somebody_else_ends_as_cancelled(postgres_url: str) -> None:
    async def work() -> None:
        async with answering(postgres_url):
            await asyncio.sleep(3600)

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


def test_a_place_is_told_without_its_password() -> None:
    assert place_of("postgresql://me:hush@db.example/cases") == "db.example:5432/cases"
    assert place_of("host=db port=5433 user=me password=hush") == "db:5433/me"
    assert place_of("postgresql://ringback@/ringback?host=/run/postgres") == "/run/postgres:5432/ringback"
    assert "hush" not in place_of("postgresql://me:hush@db:port:5/x y")


def test_a_command_that_cannot_open_says_where_it_looked(
    ringback: Ringback, free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path))
    monkeypatch.setattr("infra.history.store._OPEN_WITHIN_S", 0.2)
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", f"postgresql://me:hush@127.0.0.1:{free_port}/ringback")
    told = ringback("history", "stats").exception
    assert isinstance(told, Unavailable)
    assert f"(127.0.0.1:{free_port}/ringback)" in str(told)
    assert "ringback doctor" in str(told)
