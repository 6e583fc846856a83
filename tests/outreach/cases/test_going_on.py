"""A case that is over goes on, or another one does: never an alert that stands where nobody looks."""

import random
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from infra.clock import utc_now
from infra.history.store import History
from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.errors import Refused
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from tests.outreach.cases.given import Story, alert, names, received
from tests.outreach.cases.racing import race
from tests.ticking import Ticking

KEY = secrets.token_bytes(32)
CARD = "card-sokha-visa"


@pytest.fixture
def now() -> Ticking:
    return Ticking(utc_now())


@pytest.fixture
async def history(postgres_url: str, now: Ticking) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=KEY, clock=now) as opened:
        yield opened


@pytest.fixture
async def customers(history: History, now: Ticking) -> Customers:
    made = Customers(history, now, master_key=KEY)
    await owns(made, "sokha", CARD, "card-2")
    return made


@pytest.fixture
async def cases(history: History, now: Ticking, customers: Customers) -> Cases:
    del customers  # Sokha is recorded
    return Cases(history, now, reopen_within=timedelta(days=30))


async def owns(customers: Customers, customer_id: str, *cards: str) -> None:
    message = CustomerMessage(
        customer_id=customer_id, name=customer_id, cards=[CardRef(card_id=card) for card in cards]
    )
    await customers.record(message, f"{customer_id} has {cards}")


async def withdrawn(cases: Cases) -> str:
    """A case whose only alert was taken back."""
    case_id = await cases.receive_alert(alert())
    assert case_id
    await cases.receive_alert(alert(status="withdrawn", raised_by="explains-it"))
    assert (await cases.load(case_id))[0].resolution == "withdrawn"
    return case_id


async def open_case(customers: Customers, customer_id: str = "sokha") -> str:
    profile = await customers.profile(customer_id)
    assert profile is not None
    return profile.open_case


AGAIN = alert(raised_by="unexplains-it", status="revised")


async def test_what_stands_after_all_reopens_its_case(cases: Cases, customers: Customers) -> None:
    case_id = await withdrawn(cases)
    assert await cases.receive_alert(AGAIN) == case_id
    state, _ = await cases.load(case_id)
    assert not state.resolution
    assert state.task is not None
    assert state.held(CARD)
    assert await open_case(customers) == case_id


async def test_where_another_case_is_open_it_joins_that_one(cases: Cases, customers: Customers) -> None:
    first = await withdrawn(cases)
    second = await cases.receive_alert(alert(2))
    assert await cases.receive_alert(AGAIN) == second
    assert await cases.receive_alert(AGAIN) == second
    state, _ = await cases.load(second or "")
    assert set(state.alerts) == {"alert-1", "alert-2"}
    assert (await cases.load(first))[0].resolution == "withdrawn"
    assert await open_case(customers) == second


async def test_after_too_long_it_opens_a_new_one(cases: Cases, customers: Customers, now: Ticking) -> None:
    first = await withdrawn(cases)
    now.now += timedelta(days=31)
    second = await cases.receive_alert(AGAIN)
    assert second not in {None, first}
    assert await cases.receive_alert(AGAIN) == second
    assert await open_case(customers) == second


async def test_a_blocked_card_that_is_used_too_late_opens_a_new_case(cases: Cases, now: Ticking) -> None:
    first = await withdrawn(cases)
    now.now += timedelta(days=31)
    assert await cases.receive_alert(alert(2, rule="blocked_card_used", against=None)) != first


async def test_an_operator_reopens_a_case_and_no_second_one_beside_an_open_one(cases: Cases, now: Ticking) -> None:
    first = await withdrawn(cases)
    reopen = c.ReopenCase(operator="boss", note="she wrote a letter")
    done = await cases.handle(first, reopen, actor="operator:boss", cause="click-1")
    assert names(done.events) == ["case.reopened", "case.task-created reopened"]
    assert await cases.receive_alert(alert(2)) == first
    await cases.handle(first, c.TakeTask(operator="boss"), actor="operator:boss", cause="click-2")
    await cases.receive_alert(alert(2, status="withdrawn"))
    await cases.handle(first, c.WrapUp(operator="boss", topics=[]), actor="operator:boss", cause="click-3")
    second = await cases.receive_alert(alert(3))
    assert second != first
    with pytest.raises(Refused, match="too_late"):
        await cases.handle(first, reopen, actor="operator:boss", cause="click-4")
    now.now += timedelta(days=31)
    await cases.receive_alert(alert(3, status="withdrawn"))
    with pytest.raises(Refused, match="too_late"):
        await cases.handle(first, reopen, actor="operator:boss", cause="click-5")


async def test_a_late_denial_goes_on_with_the_case_or_is_a_task_on_it(cases: Cases, customers: Customers) -> None:
    first = await cases.receive_alert(alert())
    assert first
    contact = next(iter((await cases.load(first))[0].contacts.values()))
    told = Story(received()).intend()
    assert told.contact_id == contact.contact_id
    await cases.handle(first, told, actor="system:contact", cause="1")
    for number, meaning in enumerate(("genuine", "fraud")):
        reply = c.ReceiveReply(reply_id=f"r-{number}", channel="sms", meaning=meaning, text="…")  # type: ignore[arg-type]
        await cases.handle(first, reply, actor="customer", cause=f"reply-{number}")
    assert await open_case(customers) == first


async def test_two_customers_on_one_account_stay_two(cases: Cases, customers: Customers) -> None:
    await owns(customers, "dara", "card-dara")
    assert await cases.receive_alert(alert()) != await cases.receive_alert(alert(2, card_id="card-dara"))


async def test_the_case_of_a_card_that_moves_stays_and_new_alerts_go_to_the_new_owner(
    cases: Cases, customers: Customers
) -> None:
    hers = await cases.receive_alert(alert())
    await owns(customers, "dara", CARD)
    his = await cases.receive_alert(alert(2))
    assert his != hers
    assert await cases.receive_alert(alert(severity="high", status="revised", raised_by="late")) == hers
    assert await cases.receive_alert(alert(status="withdrawn", raised_by="later")) == hers
    state, _ = await cases.load(hers or "")
    assert state.customer_id == "sokha"
    assert await cases.case_of_action(CARD, next(iter(state.actions))) == hers
    profile = await customers.profile("sokha")
    assert profile is not None
    assert CARD not in profile.cards
    assert await open_case(customers, "dara") == his


async def test_the_case_of_an_unknown_card_joins_the_open_case_of_whoever_owns_it(
    cases: Cases, customers: Customers, history: History
) -> None:
    unowned = await cases.receive_alert(alert(1, card_id="card-new"))
    await cases.receive_alert(alert(1, card_id="card-new", status="revised", severity="low", raised_by="told-anew"))
    await cases.receive_alert(alert(3, card_id="card-new"))
    await cases.receive_alert(alert(3, card_id="card-new", status="withdrawn"))
    hers = await cases.receive_alert(alert(2))
    await owns(customers, "sokha", CARD, "card-new")
    assert await cases.adopt("card-new", "sokha", cause="customers:9") == hers
    assert await cases.adopt("card-new", "sokha", cause="customers:9") is None
    state, _ = await cases.load(hers or "")
    assert {one.alert_id: one.severity for one in state.standing} == {"alert-1": "low", "alert-2": "medium"}
    over, _ = await cases.load(unowned or "")
    assert (over.resolution, over.task) == ("joined", None)
    assert await cases.receive_alert(alert(1, card_id="card-new", severity="high", raised_by="late")) == hers
    assert len(await history.read(after=0, limit=500, types=[e.CaseOpened.wire_name])) == 2


async def test_a_successors_repetition_of_what_was_raised_and_withdrawn_moves_nothing(
    cases: Cases, history: History
) -> None:
    await withdrawn(cases)
    before = await history.head()
    again = alert().raised_at + timedelta(seconds=9)
    await cases.receive_alert(alert(raised_at=again))
    await cases.receive_alert(alert(status="withdrawn", raised_by="explains-it", raised_at=again))
    assert await history.head() == before


async def test_a_word_of_the_customers_may_raise_an_alert_again(cases: Cases) -> None:
    case_id = await withdrawn(cases)
    word = alert(arrived_at=None, raised_at=alert().raised_at + timedelta(minutes=9))
    assert await cases.receive_alert(word) == case_id
    assert (await cases.load(case_id))[0].standing


async def test_workers_that_race_for_a_few_customers_open_one_case_for_each(history: History) -> None:
    await race(history, KEY, seed=random.randrange(10**9), customers=10, alerts=50, workers=8)
