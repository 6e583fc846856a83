"""A worker whose clock is wrong, and a server whose clock was set back: moments still follow the positions."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.clock import utc_now
from infra.history.store import History
from tests.faults.history.ground import Postgres
from tests.faults.history.load import Load

pytestmark = pytest.mark.faults

HOUR = timedelta(hours=1)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
async def test_a_worker_whose_clock_is_an_hour_off_moves_no_moment(
    postgres: Postgres, history: History, load: Load, master_key: bytes, off: timedelta
) -> None:
    def wrong() -> datetime:
        return utc_now() + off

    began = datetime.now(UTC)
    async with await History.open(postgres.url, master_key=master_key, clock=wrong) as elsewhere, asyncio.timeout(60):
        writers = [asyncio.create_task(load.write(history, n)) for n in range(3)]
        writers += [asyncio.create_task(load.write(elsewhere, n, clock=wrong)) for n in range(3, 6)]
        while load.told.written < 500:  # noqa: ASYNC110 -- the writers are what is waited for
            await asyncio.sleep(0.02)
        load.stopping = True
        await asyncio.gather(*writers)
    await load.judge(history)
    assert began - timedelta(seconds=1) <= load.told.moments[0]
    assert load.told.moments[-1] <= datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.timeout(120)
async def test_a_server_whose_clock_is_set_back_records_no_earlier_than_before(
    postgres: Postgres, history: History, load: Load
) -> None:
    ahead = datetime.now(UTC) + HOUR
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as owner:
        # As if the newest event had been recorded by a clock that was an hour ahead and has been put right since.
        await owner.execute("UPDATE history.head SET recorded_at = %s", (ahead,))
    async with asyncio.timeout(60):
        writers = [asyncio.create_task(load.write(history, n)) for n in range(3)]
        while load.told.written < 100:  # noqa: ASYNC110 -- the writers are what is waited for
            await asyncio.sleep(0.02)
        load.stopping = True
        await asyncio.gather(*writers)
    await load.judge(history)
    assert set(load.told.moments) == {ahead}
