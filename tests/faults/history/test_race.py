"""Sixteen writers against readers, for a minute: no hole, and nobody is passed by an event that commits late."""

import asyncio
import os
from random import Random

import pytest

from infra.clock import utc_now
from infra.history.store import History
from tests.faults.detection.run import seed
from tests.faults.history.ground import Postgres
from tests.faults.history.load import Load
from tests.infra.history.ranges import small_ranges

pytestmark = pytest.mark.faults

SECONDS = float(os.environ.get("RINGBACK_FAULT_SECONDS") or 60)


@pytest.mark.timeout(600)
async def test_sixteen_writers_race_readers_for_a_minute(
    postgres: Postgres, history: History, master_key: bytes
) -> None:
    load = Load(Random(seed()))
    await load.prepare(history)
    async with history.pool.connection() as conn:
        await small_ranges(conn, 1_000)
    async with (
        await History.open(postgres.url, master_key=master_key, clock=utc_now) as second,
        await History.open(postgres.url, master_key=master_key, clock=utc_now) as reading,
    ):
        end: list[int] = []
        reader = asyncio.create_task(load.read(reading, lambda: end[0] if end else None))
        writers = [asyncio.create_task(load.write((history, second)[n % 2], n)) for n in range(16)]
        await asyncio.wait(writers, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        load.stopping = True
        await asyncio.gather(*writers)
        end.append((await history.head()).position)
        async with asyncio.timeout(120):
            await reader
    await load.judge(history)
    print(f"{load.told.written} events in {SECONDS:g} s", flush=True)
