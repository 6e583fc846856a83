"""PostgreSQL killed again and again under load."""

import asyncio
import os

import pytest

from infra.clock import utc_now
from infra.history.store import History
from tests.faults.history.ground import Postgres
from tests.faults.history.load import Load

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("RINGBACK_FAULT_KILLS") or 20)
WRITERS = 8


@pytest.mark.timeout(900)
async def test_postgresql_killed_twenty_times_under_load_loses_and_doubles_nothing(
    postgres: Postgres, history: History, load: Load, master_key: bytes
) -> None:
    random = load.random
    end: list[int] = []
    # Two processes' worth of writers, and a reader with connections of its own.
    async with (
        await History.open(postgres.url, master_key=master_key, clock=utc_now) as second,
        await History.open(postgres.url, master_key=master_key, clock=utc_now) as reading,
    ):
        reader = asyncio.create_task(load.read(reading, lambda: end[0] if end else None))
        writers = [asyncio.create_task(load.write((history, second)[n % 2], n)) for n in range(WRITERS)]
        for _ in range(KILLS):
            before = load.told.written
            await asyncio.sleep(random.uniform(0.0, 1.0))
            if random.random() < 0.5:
                postgres.kill_server()
                await postgres.restart()
            else:
                postgres.kill_backend(random)
            async with asyncio.timeout(60):
                while load.told.written <= before:
                    await asyncio.sleep(0.02)
                    for task in writers:
                        if task.done():
                            task.result()
        load.stopping = True
        async with asyncio.timeout(120):
            await asyncio.gather(*writers)
            end.append((await history.head()).position)
            await reader
    await load.judge(history)
    print(f"{load.told.written} events, {load.told.unavailable} unavailable, {load.told.repeated} repeated", flush=True)
    assert load.told.unavailable
