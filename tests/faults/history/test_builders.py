"""A read model's builder killed again and again: who comes next goes on, and ends with what an undisturbed one has."""

import asyncio
import base64
import sys
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from infra.clock import utc_now
from infra.history.building import building_schema, rebuild
from infra.history.event import NewEvent
from infra.history.store import History, StreamWrite
from tests.faults.detection.run import seed
from tests.faults.history.builder import Totals
from tests.faults.history.ground import Postgres
from tests.infra.history.notes import Counted

pytestmark = pytest.mark.faults

KILLS = 5
EVENTS = 1_200


async def append(history: History) -> None:
    for stream in range(12):
        new = [
            NewEvent(event=Counted(number=number), event_id=uuid4(), occurred_at=utc_now(), actor="system:test")
            for number in range(EVENTS // 12)
        ]
        await history.append(StreamWrite(f"count-{stream}", new))


async def asked(history: History, query: str) -> list[tuple[Any, ...]]:
    async with history.pool.connection() as conn:
        return await (await conn.execute(query.encode())).fetchall()


async def come(history: History) -> int:
    """How far the build has come that is under way; 0 where none is."""
    progress = f"{building_schema(Totals())}.ringback_progress"
    if await asked(history, f"SELECT to_regclass('{progress}')::text") == [(None,)]:
        return 0
    return int((await asked(history, f"SELECT position FROM {progress}"))[0][0])  # noqa: S608 -- our own table


async def builder(postgres: Postgres, master_key: bytes) -> asyncio.subprocess.Process:
    key = base64.b64encode(master_key).decode()
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.faults.history.builder", postgres.url, key)


@pytest.mark.timeout(300)
async def test_a_builder_that_is_killed_is_followed_by_one_that_goes_on_and_ends_with_the_same_rows(
    postgres: Postgres, history: History, master_key: bytes
) -> None:
    random = Random(seed())
    await append(history)
    await rebuild(history, Totals())
    undisturbed = await asked(history, "SELECT * FROM views.totals ORDER BY 1")
    before = 0
    for _ in range(KILLS):
        process = await builder(postgres, master_key)
        async with asyncio.timeout(60):
            while await come(history) <= before + random.randrange(80):
                assert process.returncode is None, "the builder ended before it was killed"
                await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
        now = await come(history)
        assert before < now < EVENTS, "what was done is lost, or all was done"
        before = now
        assert await asked(history, "SELECT * FROM views.totals ORDER BY 1") == undisturbed, "the old rows do not serve"
    process = await builder(postgres, master_key)
    async with asyncio.timeout(120):
        assert await process.wait() == 0
    assert await asked(history, "SELECT * FROM views.totals ORDER BY 1") == undisturbed
    seen = await asked(history, "SELECT position FROM views.totals_seen ORDER BY 1")
    assert seen == [(position,) for position in range(1, EVENTS + 1)], "an event was applied twice, or passed over"
