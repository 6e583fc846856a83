"""Workers that race for the same customers, under a seed; and what has to be true when they are done."""

import asyncio
import random
from collections import Counter

from infra.clock import utc_now
from infra.history.event import Event, Recorded
from infra.history.store import History
from outreach.cases import events as e
from outreach.cases.alert import Alert
from outreach.cases.errors import Busy
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from tests.outreach.cases.given import alert


async def race(history: History, key: bytes, *, seed: int, customers: int, alerts: int, workers: int) -> None:
    """Gives the alerts, some of them twice, to the workers in an order that the seed makes, and counts the cases."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    recorded = Customers(history, utc_now, master_key=key)
    owned = [f"c-{number}" for number in range(customers)]
    late = set(chance.sample(owned, customers // 10))  # become known in the middle of it
    for customer in owned:
        if customer not in late:
            await recorded.record(_customer(customer), f"said {customer}")
    told = [_alert(number, owned[number % customers], chance) for number in range(alerts)]
    waiting: list[Alert | str] = [*told, *chance.sample(told, alerts // 5), *late]
    chance.shuffle(waiting)

    async def work() -> None:
        cases = Cases(history, utc_now)
        while waiting:
            await _do(cases, recorded, waiting.pop())
            await asyncio.sleep(chance.random() * 0.002)

    async with asyncio.TaskGroup() as running:
        for _ in range(workers):
            running.create_task(work())
    await _count(history, owned, told)


async def _do(cases: Cases, customers: Customers, what: Alert | str) -> None:
    while True:
        try:
            if isinstance(what, Alert):
                await cases.receive_alert(what)
            else:
                await customers.record(_customer(what), f"said {what}")
                for number in (1, 2):
                    await cases.adopt(f"{what}-card-{number}", what, cause=f"said {what}")
        except Busy:  # as from a topic: the message is taken up again
            continue
        return


async def _count(history: History, owned: list[str], told: list[Alert]) -> None:
    joined = await _read(history, e.AlertJoined.wire_name)
    resolved = {
        one.stream
        for one in await _read(history, e.CaseResolved.wire_name)
        if isinstance(one.event, e.CaseResolved) and one.event.resolution == "joined"
    }
    opened = [one for one in await _read(history, e.CaseOpened.wire_name) if one.stream not in resolved]
    owners = {one.stream: one.event.customer_id for one in opened if isinstance(one.event, e.CaseOpened)}
    for one in await _read(history, e.OwnerFound.wire_name):
        if isinstance(one.event, e.OwnerFound):
            owners[one.stream] = one.event.customer_id
    assert Counter(owners.values()) == Counter(owned), "one open case for each customer"
    standing = [one.event.alert_id for one in joined if isinstance(one.event, e.AlertJoined) and one.stream in owners]
    assert Counter(standing) == Counter(one.alert_id for one in told), "each alert is in one of them, once"


async def _read(history: History, name: str) -> list[Recorded[Event]]:
    found: list[Recorded[Event]] = []
    while batch := await history.read(after=found[-1].position if found else 0, limit=5000, types=[name]):
        found += batch
    return found


def _customer(customer: str) -> CustomerMessage:
    cards = [CardRef(card_id=f"{customer}-card-{number}") for number in (1, 2)]
    return CustomerMessage(customer_id=customer, name=customer, cards=cards)


def _alert(number: int, customer: str, chance: random.Random) -> Alert:
    return alert(number, card_id=f"{customer}-card-{chance.choice((1, 2))}")
