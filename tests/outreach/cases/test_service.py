"""Cases and customers on the real history: races, repeats, and the read models behind them."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from infra.clock import utc_now
from infra.history.errors import Conflict
from infra.history.event import Event, Recorded
from infra.history.projection import catch_up, rebuild
from infra.history.store import History
from outreach.cases import cases_view, contacts_view, due, queue
from outreach.cases import commands as c
from outreach.cases.errors import Refused
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from outreach.projections import projections
from tests.outreach.cases.given import alert, intend

KEY = secrets.token_bytes(32)
SOKHA = CustomerMessage(
    customer_id="sokha",
    name="Sokha Chan",
    phone="+1 (415) 555-2671",
    language="km",
    cards=[CardRef(card_id="card-sokha-visa", last_four="4821")],
)
WAITS = dict.fromkeys(due.DueKind, timedelta(seconds=0))


@pytest.fixture
async def history(postgres_url: str) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=KEY, clock=utc_now) as opened:
        yield opened


@pytest.fixture
async def cases(history: History) -> Cases:
    return Cases(history, utc_now)


@pytest.fixture
async def customers(history: History) -> Customers:
    found = Customers(history, utc_now, master_key=KEY)
    await found.record(SOKHA, "customers:1")
    return found


async def types(history: History, *names: str) -> list[Recorded[Event]]:
    return await history.read(after=0, limit=5000, types=names)


@pytest.mark.usefixtures("customers")
async def test_eight_alerts_at_once_are_one_case_and_one_message(history: History, cases: Cases) -> None:
    named = await asyncio.gather(*(cases.receive_alert(alert(number)) for number in range(8)))
    assert len(set(named)) == 1
    assert len(await types(history, "case.alert-joined")) == 8
    assert len(await types(history, "contact.requested")) == 1
    assert len(await types(history, "card.action-requested")) == 1


@pytest.mark.usefixtures("customers")
async def test_the_same_alerts_again_and_shuffled_add_nothing(history: History, cases: Cases) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    messages = [alert(number) for number in range(6)]
    for message in messages:
        await cases.receive_alert(message)
    before = await history.head()
    random.Random(seed).shuffle(messages)
    await asyncio.gather(*(cases.receive_alert(message) for message in messages))
    assert await history.head() == before


@pytest.mark.usefixtures("customers")
async def test_after_the_end_of_a_case_a_new_alert_opens_another(history: History, cases: Cases) -> None:
    first = await cases.receive_alert(alert())
    await cases.receive_alert(alert(status="withdrawn"))
    second = await cases.receive_alert(alert(2))
    assert first != second
    assert len(await types(history, "customer.case-released")) == 1


async def test_shadow_alerts_and_withdrawals_of_nothing_make_no_case(history: History, cases: Cases) -> None:
    assert await cases.receive_alert(alert(mode="shadow")) is None
    assert await cases.receive_alert(alert(status="withdrawn")) is None
    assert (await history.head()).position == 0


async def test_the_case_of_an_unknown_card_is_given_to_its_owner(history: History, cases: Cases) -> None:
    named = await cases.receive_alert(alert())
    assert not await types(history, "contact.requested")
    owner = Customers(history, utc_now, master_key=KEY)
    await owner.record(SOKHA, "customers:1")
    assert await cases.adopt("card-sokha-visa", "sokha", cause="customers:1") == named
    assert await cases.adopt("card-sokha-visa", "sokha", cause="customers:1") is None
    assert len(await types(history, "contact.requested")) == 1
    assert await cases.receive_alert(alert(2)) == named
    assert await cases.receive_alert(alert()) == named


@pytest.mark.usefixtures("customers")
async def test_the_same_cause_again_changes_nothing(cases: Cases) -> None:
    case_id = await cases.receive_alert(alert())
    assert case_id
    take = c.TakeTask(operator="dara")
    done = await cases.handle(case_id, take, actor="operator:dara", cause="click-1")
    assert [event.wire_name for event in done.events] == ["case.task-taken"]
    back = c.ReturnTask(operator="dara", reason="released")
    await cases.handle(case_id, back, actor="operator:dara", cause="click-2")
    again = await cases.handle(case_id, take, actor="operator:dara", cause="click-1")
    assert not again.events
    assert again.state.task is not None
    assert not again.state.task.taken_by


@pytest.mark.usefixtures("customers")
async def test_of_two_who_expect_the_same_version_one_is_told(cases: Cases) -> None:
    case_id = await cases.receive_alert(alert())
    assert case_id
    _, version = await cases.load(case_id)
    take = c.TakeTask(operator="dara")
    await cases.handle(case_id, take, actor="operator:dara", cause="a", expected=version)
    with pytest.raises(Conflict):
        await cases.handle(case_id, take, actor="operator:dara", cause="b", expected=version)
    with pytest.raises(Refused):
        await cases.handle(case_id, c.TakeTask(operator="vanna"), actor="operator:vanna", cause="c")


async def test_the_read_models_say_what_happened_and_a_rebuild_says_the_same(
    history: History, cases: Cases, customers: Customers
) -> None:
    case_id = await cases.receive_alert(alert())
    assert case_id
    state, _ = await cases.load(case_id)
    contact = next(iter(state.contacts))
    hold = next(iter(state.actions))
    await cases.handle(case_id, intend(contact, "sms", "alert"), actor="system:contact", cause="1")
    accept = c.AcceptContact(contact_id=contact, provider_id="SM1")
    await cases.handle(case_id, accept, actor="system:contact", cause="2")
    await cases.handle(case_id, c.TakeTask(operator="dara"), actor="operator:dara", cause="3")
    models = projections(KEY)
    await catch_up(history, models)

    async def seen() -> list[Any]:
        async with history.transaction() as conn:
            waits = await due.overdue(conn, utc_now(), WAITS)
            return [
                await queue.waiting(conn),
                await queue.summary(conn),
                {(row.kind, row.subject_id, row.operator) for row in waits},
                await contacts_view.newest_to(conn, "sokha"),
                await contacts_view.by_provider_id(conn, "SM1"),
                await contacts_view.count_since(conn, "sokha", utc_now() - contacts_view.THREE_DAYS),
                await cases_view.by_code(conn, state.case_code.lower()),
                await cases_view.newest(conn, open_only=True),
            ]

    first = await seen()
    (task,) = first[0]
    assert (task.reason, task.taken_by, task.language) == ("call_customer", "dara", "km")
    assert state.task
    assert first[2] == {
        ("silence", contact, ""),
        ("delivery", contact, ""),
        ("card-answer", hold, ""),
        ("hand-over", state.task.task_id, "dara"),
    }
    assert first[5] == 1
    for model in models:
        await rebuild(history, model)
    assert await seen() == first
    assert await customers.with_phone("+14155552671") == ["sokha"]
    assert await customers.with_phone("+14155550000") == []


async def test_a_customer_is_recorded_once_and_can_stop_a_channel(history: History, customers: Customers) -> None:
    before = await history.head()
    await customers.record(SOKHA, "customers:2")
    assert await history.head() == before
    await customers.opt_out("sokha", "sms", "STOP", "reply-1")
    await customers.opt_out("sokha", "sms", "stop please", "reply-2")
    profile = await customers.profile("sokha")
    assert profile is not None
    assert profile.opted_out == {"sms"}
    assert (profile.phone, profile.cards) == ("+14155552671", {"card-sokha-visa": "4821"})
    await customers.opt_in("sokha", "sms", "reply-3")
    profile = await customers.profile("sokha")
    assert profile is not None
    assert not profile.opted_out
    assert await customers.owner("card-sokha-visa") == "sokha"
    assert await customers.profile("nobody") is None


async def test_the_case_of_a_card_command_is_found(cases: Cases, customers: Customers) -> None:
    assert await customers.owner("card-sokha-visa")
    case_id = await cases.receive_alert(alert())
    assert case_id
    state, _ = await cases.load(case_id)
    assert await cases.case_of_action("card-sokha-visa", next(iter(state.actions))) == case_id
    assert await cases.case_of_action("card-sokha-visa", "nobody") is None


@pytest.mark.usefixtures("customers")
async def test_the_use_of_a_blocked_card_reopens_its_last_case_and_names_it_again(
    history: History, cases: Cases
) -> None:
    case_id = await cases.receive_alert(alert())
    assert case_id
    says: list[c.Command] = [
        c.TakeTask(operator="dara"),
        c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara"),
        c.WrapUp(operator="dara", topics=[]),
    ]
    for number, command in enumerate(says):
        await cases.handle(case_id, command, actor="operator:dara", cause=f"click-{number}")
    used = alert(2, rule="blocked_card_used", against=None)
    assert await cases.receive_alert(used) == case_id
    assert await cases.receive_alert(used) == case_id
    assert len(await types(history, "case.reopened")) == 1
    assert len(await types(history, "customer.case-named")) == 2
    assert await cases.receive_alert(alert(3)) == case_id
    state, _ = await cases.load(case_id)
    assert state.resolution == ""


@pytest.mark.usefixtures("customers")
async def test_the_use_of_a_blocked_card_that_never_had_a_case_opens_one(cases: Cases) -> None:
    other = await cases.receive_alert(alert(card_id="card-of-sokha-too"))
    used = alert(2, rule="blocked_card_used", against=None, card_id="card-that-nobody-owns")
    assert await cases.receive_alert(used) not in {None, other}
