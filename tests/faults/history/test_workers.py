"""Two casework workers that both believe the partition is theirs: each alert is in one case, each customer has one."""

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest

from infra.clock import utc_now
from infra.history.errors import Unavailable
from infra.history.registry import register
from infra.history.store import History
from infra.history.verify import verify
from outreach.cases import events as case_events
from outreach.cases.alert import Alert
from outreach.cases.errors import Busy
from outreach.cases.events import AlertJoined, CaseOpened
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from tests.faults.detection.run import seed
from tests.faults.history.ground import Postgres
from tests.outreach.cases.given import alert

pytestmark = pytest.mark.faults

CUSTOMERS = 12
ALERTS = 120
KILLS = 4


async def receive(cases: Cases, alerts: list[Alert], random: Random) -> None:
    """As the worker of a partition does: in order, each again until the history took it."""
    for each in alerts:
        while True:
            try:
                await cases.receive_alert(each)
                break
            except (Unavailable, Busy):
                await asyncio.sleep(random.uniform(0, 0.05))


@pytest.mark.timeout(300)
async def test_two_workers_with_the_same_partition_open_one_case_a_customer(
    postgres: Postgres, history: History, master_key: bytes
) -> None:
    random = Random(seed())
    register(case_events)
    customers = Customers(history, utc_now, master_key=history.lookup_key)
    for n in range(CUSTOMERS):
        message = CustomerMessage(
            customer_id=f"customer-{n}", name=f"Customer {n}", cards=[CardRef(card_id=f"card-{n}")]
        )
        await customers.record(message, f"message-{n}")
    alerts = [alert(n, card_id=f"card-{random.randrange(CUSTOMERS)}") for n in range(ALERTS)]
    async with await History.open(postgres.url, master_key=master_key, clock=utc_now) as elsewhere:
        workers = [
            asyncio.create_task(receive(Cases(store, utc_now), alerts, random)) for store in (history, elsewhere)
        ]
        for _ in range(KILLS):
            await asyncio.wait(workers, timeout=random.uniform(0.1, 0.5), return_when=asyncio.FIRST_EXCEPTION)
            postgres.kill_backend(random)
        async with asyncio.timeout(120):
            await asyncio.gather(*workers)
    owners = Counter(recorded.subject for recorded in await all_of(history, CaseOpened))
    joined = Counter(recorded.event.alert_id for recorded in await all_of(history, AlertJoined))
    assert owners == {f"customer-{int(each.card_id.removeprefix('card-'))}": 1 for each in alerts}
    assert joined == {each.alert_id: 1 for each in alerts}
    assert (await verify(history)).intact


async def all_of(history: History, kind: Any) -> list[Any]:
    return await history.read(after=0, limit=100_000, types=[kind.wire_name])
