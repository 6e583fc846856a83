"""An erased customer: nothing personal can be read, nobody is written to, and the history is as whole as before."""

import secrets
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg import sql

from infra.clock import utc_now
from infra.history.building import rebuild
from infra.history.event import Event, NewEvent, Recorded
from infra.history.projection import catch_up
from infra.history.store import History, StreamWrite
from infra.history.verify import verify
from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.due import DueKind, overdue
from outreach.cases.service import Cases
from outreach.contact.composing import Bank
from outreach.contact.events import StrayReceived
from outreach.contact.incoming import stray_stream
from outreach.contact.ledger import Ledger
from outreach.customers.service import CardRef, CustomerMessage, Customers, customer_stream
from outreach.desk.case_view import case_view
from outreach.erasure import Done, Erasure, ErasureRefused
from outreach.projections import projections
from tests.leaks import leaks
from tests.outreach.cases.given import alert, intend

KEY = secrets.token_bytes(32)
CARD = "card-sokha-visa"
SOKHA = CustomerMessage(
    customer_id="sokha",
    name="Sokha Chan",
    phone="+14155552671",
    email="sokha.chan@example.com",
    language="km",
    consents=["sms", "email"],
    cards=[CardRef(card_id=CARD, last_four="4821")],
)
SECRETS = ("Sokha", "Chan", "4155552671", "sokha.chan", "4821", "Paris is far")


@pytest.fixture
async def history(postgres_url: str) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=KEY, clock=utc_now) as opened:
        yield opened


@pytest.fixture
def cases(history: History) -> Cases:
    return Cases(history, utc_now)


@pytest.fixture
async def customers(history: History) -> Customers:
    found = Customers(history, utc_now, master_key=history.lookup_key)
    await found.record(SOKHA, "customers:1")
    return found


@pytest.fixture
def erasure(history: History, cases: Cases) -> Erasure:
    return Erasure(history, cases, utc_now)


@pytest.fixture
async def case_id(cases: Cases, customers: Customers) -> str:
    """An open case whose message was sent; somebody else has the other one."""
    other = CustomerMessage(
        customer_id="dara", name="Dara Keo", phone="+14155550000", cards=[CardRef(card_id="card-2")]
    )
    await customers.record(other, "customers:2")
    await cases.receive_alert(alert(9, card_id="card-2"))
    named = await cases.receive_alert(alert())
    assert named
    state, _ = await cases.load(named)
    contact = next(iter(state.contacts))
    await cases.handle(named, intend(contact, "sms", "alert"), actor="system:contact", cause="1")
    await cases.handle(named, c.AcceptContact(contact_id=contact, provider_id="SM1"), actor="x", cause="2")
    return named


async def erased(erasure: Erasure, **options: Any) -> Done:
    plan = await erasure.plan("sokha")
    return await erasure.carry_out(plan, reason="request 17", actor="operator:mina", closing=True, **options)


async def everything_readable(history: History) -> str:
    read = await history.read(after=0, limit=5000)
    return "\n".join(str(one) for one in read if one.subject != "dara")


async def read_models(history: History) -> dict[str, list[Any]]:
    rows = {}
    async with history.transaction() as conn:
        for projection in projections(history.lookup_key):
            for table in projection.tables:
                name = sql.Identifier("views", table.removeprefix("views."))
                cursor = await conn.execute(sql.SQL("SELECT * FROM {} t ORDER BY t::text").format(name))
                rows[table] = await cursor.fetchall()
    return rows


async def types(history: History, stream: str) -> list[str]:
    return [type(one.event).wire_name for one in await history.read_stream(stream)]


async def test_the_plan_counts_what_becomes_unreadable(erasure: Erasure, case_id: str) -> None:
    plan = await erasure.plan("sokha")
    assert plan.unreadable == {
        "card.assigned": 1,
        "case.alert-joined": 1,
        "contact.intended": 1,
        "customer.recorded": 1,
    }
    assert (plan.open_cases, plan.cards, plan.subjects) == ((case_id,), (CARD,), ("sokha",))
    assert not plan.needless


async def test_somebody_who_never_was_is_not_erased(erasure: Erasure) -> None:
    for nobody in ("nobody", "installation/look-ups"):
        with pytest.raises(ErasureRefused, match="no customer"):
            await erasure.plan(nobody)


async def test_a_customer_with_an_open_case_is_not_erased_unless_it_is_closed(
    history: History, erasure: Erasure, case_id: str
) -> None:
    before = await history.head()
    with pytest.raises(ErasureRefused, match=case_id):
        await erasure.carry_out(await erasure.plan("sokha"), reason="request 17", actor="operator:mina")
    assert await history.head() == before


@pytest.mark.parametrize("reason", ["", "She asked; her name is CHAN", "x" * 201])
async def test_a_reason_must_be_fit_to_stay(erasure: Erasure, case_id: str, reason: str) -> None:
    assert case_id
    with pytest.raises(ErasureRefused):
        await erasure.carry_out(await erasure.plan("sokha"), reason=reason, actor="operator:mina", closing=True)


async def test_nothing_personal_can_be_read_and_the_chain_is_whole(
    history: History, erasure: Erasure, case_id: str
) -> None:
    before, events = await everything_readable(history), (await history.head()).position
    assert leaks(SECRETS, before) == [*SECRETS]
    done = await erased(erasure)
    after = await everything_readable(history)
    assert leaks(SECRETS, after) == []
    assert done.keys == 1
    assert (await verify(history)).intact
    read = await history.read(after=0, limit=5000)
    assert len(read) == (await history.head()).position > events
    assert {one.erased for one in read if one.subject == "dara"} == {False}
    assert case_id in {one.stream.removeprefix("case-") for one in read if one.erased}


async def test_the_history_says_who_erased_and_why(history: History, erasure: Erasure, case_id: str) -> None:
    await erased(erasure)
    begun, ended = [one for one in await history.read_stream(customer_stream("sokha")) if "eras" in one.event.wire_name]
    assert (begun.event.reason, begun.actor) == ("request 17", "operator:mina")  # type: ignore[attr-defined] # an ErasureBegun
    assert (ended.event.reason, ended.actor) == ("request 17", "operator:mina")  # type: ignore[attr-defined] # a CustomerErased
    assert (await types(history, f"case-{case_id}"))[-1] == "case.customer-erased"


async def test_read_models_lose_her_and_a_rebuild_gives_the_same_rows(
    history: History, erasure: Erasure, customers: Customers, case_id: str
) -> None:
    models = projections(history.lookup_key)
    await catch_up(history, models)
    assert await customers.with_phone("+14155552671") == ["sokha"]
    await erased(erasure)
    await catch_up(history, models)
    assert await customers.with_phone("+14155552671") == []
    rows = await read_models(history)
    assert [row for row in rows["phones"] if "sokha" in row] == []
    assert [row for row in rows["queue_languages"] if "sokha" in row] == []
    assert [row for name in ("contacts", "contacts_cases", "queue") for row in rows[name] if case_id in row] == []
    for model in models:
        await rebuild(history, model)
    assert await read_models(history) == rows


async def test_nothing_is_waited_for_any_more_but_the_card_system(
    history: History, erasure: Erasure, cases: Cases, case_id: str
) -> None:
    await cases.handle(case_id, c.TakeTask(operator="dara"), actor="operator:dara", cause="3")
    await erased(erasure)
    await catch_up(history, projections(history.lookup_key))
    async with history.transaction() as conn:
        waits = await overdue(conn, utc_now() + timedelta(days=9), dict.fromkeys(DueKind, timedelta(0)))
    assert {row.kind for row in waits if row.case_id == case_id} == {DueKind.CARD_ANSWER}


async def test_a_message_that_was_asked_for_does_not_go_out(
    history: History, erasure: Erasure, cases: Cases, customers: Customers
) -> None:
    case_id = await cases.receive_alert(alert())
    assert case_id
    (contact,) = (await cases.load(case_id))[0].contacts
    await erased(erasure)
    await customers.record(SOKHA, "customers:3")  # even where somebody new could be reached
    bank = Bank(name="Bank", phone="+1", default_language="en", channels=frozenset({"sms", "email"}))

    async def done(_conn: Any) -> None:
        return

    ledger = Ledger(history, cases, customers, bank, utc_now)
    assert await ledger.intend(case_id, contact, cause="request", within=done) is None
    assert "contact.intended" not in await types(history, f"case-{case_id}")


async def test_twice_is_harmless(erasure: Erasure, case_id: str) -> None:
    assert case_id
    await erased(erasure)
    plan = await erasure.plan("sokha")
    assert plan.needless
    assert plan.erased_at is not None
    assert plan.unreadable == {}


class BrokenOffError(Exception):
    """The process is gone."""


@pytest.mark.parametrize("after", range(5))
async def test_broken_off_anywhere_it_is_ended_by_running_it_again(
    history: History, erasure: Erasure, case_id: str, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    left = after

    def unless_over(step: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                raise BrokenOffError
            left -= 1
            return await step(*args, **kwargs)

        return counted

    with monkeypatch.context() as patched:
        patched.setattr(history, "append", unless_over(history.append))
        patched.setattr(history, "destroy_keys", unless_over(history.destroy_keys))
        with pytest.raises(BrokenOffError):
            await erased(erasure)
    assert not (await erasure.plan("sokha")).needless
    await erased(erasure)
    assert (await erasure.plan("sokha")).needless
    happened = await types(history, customer_stream("sokha"))
    assert (happened.count("customer.erasure-begun"), happened.count("customer.erased")) == (1, 1)
    assert (await types(history, f"case-{case_id}")).count("case.customer-erased") == 1
    assert leaks(SECRETS, await everything_readable(history)) == []


async def test_what_came_in_between_is_told_and_goes_with_the_next_run(
    erasure: Erasure, cases: Cases, case_id: str
) -> None:
    plan = await erasure.plan("sokha")
    await cases.handle(case_id, c.EraseCustomer(closing=True), actor="operator:mina", cause="by hand")
    another = await cases.receive_alert(alert(2))
    assert another != case_id
    done = await erasure.carry_out(plan, reason="request 17", actor="operator:mina", closing=True)
    assert done.unfinished
    assert (await erasure.plan("sokha")).open_cases == (another,)
    assert not (await erased(erasure)).unfinished


async def test_what_the_bank_wrote_before_is_not_recorded_again(
    history: History, erasure: Erasure, customers: Customers
) -> None:
    written_at = utc_now()
    await erased(erasure)
    before = await history.head()
    await customers.record(SOKHA, "customers:99", written_at=written_at)
    assert await history.head() == before
    assert await customers.profile("sokha") is None


async def test_who_comes_back_is_a_new_person_with_a_new_key(
    history: History, erasure: Erasure, customers: Customers, cases: Cases, case_id: str
) -> None:
    elsewhere = Customers(history, utc_now, master_key=history.lookup_key)
    old = {one.key_id for one in await history.read_stored(after=0) if one.subject == "sokha"} - {None}
    await erased(erasure)
    position = (await history.head()).position
    await elsewhere.record(SOKHA, "customers:100", written_at=utc_now() + timedelta(seconds=1))
    new = {one.key_id for one in await history.read_stored(after=position)} - {None}
    assert len(new) == 1
    assert not new & old
    profile = await customers.profile("sokha")
    assert profile is not None
    assert (profile.name, profile.open_case) == ("Sokha Chan", "")
    assert await cases.receive_alert(alert(2)) != case_id
    seen = await history.read_stream(f"case-{case_id}")
    state, version = await cases.load(case_id)
    view = case_view(state, version, seen, None, operator="dara", now=utc_now(), bank="Bank")
    assert view.who.name.startswith("Erased on ")
    assert view.erased_at is not None


async def test_another_process_that_remembers_the_old_key_writes_the_new_person_with_a_new_one(
    history: History, erasure: Erasure, postgres_url: str, case_id: str
) -> None:
    assert case_id
    async with await History.open(postgres_url, master_key=KEY, clock=utc_now) as casework:  # no Redis tells it
        customers = Customers(casework, utc_now, master_key=casework.lookup_key)
        await customers.opt_out("sokha", "email", "STOP", "reply-1")
        await erased(erasure)
        await customers.record(SOKHA, "customers:100")
        history.forget_key("sokha")
        (recorded,) = (await history.read_stream(customer_stream("sokha")))[-1:]
        assert not recorded.erased
        profile = await customers.profile("sokha")
        assert profile is not None
        assert profile.opted_out == {"email"}  # whoever wanted nothing more is not written to as somebody new


async def test_what_is_said_late_of_an_old_alert_makes_no_new_case_and_keeps_nothing(
    history: History, erasure: Erasure, cases: Cases, case_id: str
) -> None:
    (hold,) = (await cases.load(case_id))[0].actions
    await erased(erasure)
    assert await cases.receive_alert(alert(status="revised", severity="high", raised_by="late")) == case_id
    assert await cases.receive_alert(alert()) == case_id
    assert await cases.case_of_action(CARD, hold) == case_id
    report = c.ReportDelivery(
        contact_id=next(iter((await cases.load(case_id))[0].contacts)),
        provider_id="SM1",
        status="delivered",
        raw={"To": "+14155552671"},
    )
    await cases.handle(case_id, report, actor="provider:twilio", cause="late")
    assert leaks(SECRETS, await everything_readable(history)) == []


async def test_a_new_alert_for_the_card_is_nobodys_until_the_bank_says_whose(
    erasure: Erasure, cases: Cases, customers: Customers, case_id: str
) -> None:
    await erased(erasure)
    assert await customers.owner(CARD) is None
    fresh = await cases.receive_alert(alert(2, rule="card_blocked_used"))
    assert fresh
    assert fresh != case_id
    state, _ = await cases.load(fresh)
    assert (state.customer_id, state.task is not None and state.task.reason) == ("", "unknown_owner")
    await customers.record(SOKHA, "customers:100")
    assert await cases.adopt(CARD, "sokha", cause="customers:100") == fresh


async def test_what_was_recorded_before_anybody_knew_whose_it_was_goes_too(
    history: History, erasure: Erasure, cases: Cases
) -> None:
    await cases.receive_alert(alert())
    customers = Customers(history, utc_now, master_key=history.lookup_key)
    await customers.record(SOKHA, "customers:1")
    await cases.adopt(CARD, "sokha", cause="customers:1")
    stray = StrayReceived(
        provider_id="SM9", channel="sms", answered=True, sender="+14155552671", text="I am Sokha Chan"
    )
    stream = stray_stream(history.lookup_key, "+14155552671")
    new = NewEvent(event=stray, event_id=uuid4(), occurred_at=utc_now(), actor="unknown", subject=stream)
    await history.append(StreamWrite(stream, [new]))
    assert set((await erasure.plan("sokha")).subjects) == {"sokha", f"unowned.{CARD}", stream}
    await erased(erasure)
    assert leaks(SECRETS, await everything_readable(history)) == []


async def test_the_case_page_says_erased_and_shows_no_hole(
    history: History, erasure: Erasure, cases: Cases, case_id: str
) -> None:
    await erased(erasure)
    seen: list[Recorded[Event]] = await history.read_stream(f"case-{case_id}")
    state, version = await cases.load(case_id)
    view = case_view(state, version, seen, None, operator="dara", now=utc_now(), bank="Bank")
    assert view.resolution == "Closed: the customer was erased"
    assert {contact.body for contact in view.contacts if contact.state == "accepted by the provider"} <= {"erased"}
    assert [contact.body for contact in view.contacts if contact.body] == ["erased"]
    lines = {line.wire_name: line for line in view.timeline}
    assert lines[e.AlertJoined.wire_name].detail == "erased"
    assert "erased" in lines[e.CustomerOfCaseErased.wire_name].text
    assert view.payments == []
