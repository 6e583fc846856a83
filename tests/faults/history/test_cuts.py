"""The connection cut between the commit and its answer: who asks again with the same ids learns what happened."""

import asyncio

import pytest

from infra.clock import utc_now
from infra.history.store import History
from tests.faults.history.ground import Postgres
from tests.faults.history.load import Load
from tests.faults.history.proxy import Proxy

pytestmark = pytest.mark.faults

CUTS = 30


@pytest.mark.timeout(300)
async def test_a_writer_whose_answer_is_lost_learns_what_happened(
    postgres: Postgres, history: History, load: Load, master_key: bytes
) -> None:
    random = load.random
    end: list[int] = []
    async with Proxy(postgres.socket) as proxy:
        url = f"postgresql://ringback@127.0.0.1:{proxy.port}/ringback?sslmode=disable&gssencmode=disable"
        async with await History.open(url, master_key=master_key, clock=utc_now) as far, asyncio.timeout(200):
            reader = asyncio.create_task(load.read(history, lambda: end[0] if end else None))
            writers = [asyncio.create_task(load.write(far, n)) for n in range(6)]
            for cut in range(1, CUTS + 1):
                await asyncio.sleep(random.uniform(0.0, 0.1))
                # Of an append by itself its answer is the commit's; of one with something within, COMMIT is sent after.
                proxy.swallow_next(random.choice((b"system:", b"COMMIT")))
                while proxy.cut < cut:  # noqa: ASYNC110 -- the proxy is what is waited for
                    await asyncio.sleep(0.01)
            load.stopping = True
            await asyncio.gather(*writers)
            end.append((await history.head()).position)
            await reader
    await load.judge(history)
    print(f"{load.told.written} events, {load.told.unavailable} unavailable, {load.told.repeated} repeated", flush=True)
    assert load.told.repeated, "no answer was lost after its commit: the run shows nothing"
