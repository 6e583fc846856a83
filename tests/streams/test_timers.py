"""Timers on the real history: silence moves on, a quiet operator's task returns, an open page keeps it."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from infra.clock import utc_now
from infra.history.projection import catch_up
from infra.history.store import History
from infra.settings import Settings
from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.commands import Command
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from outreach.desk.presence import Presence
from outreach.projections import projections
from streams.timers import Timers
from tests.outreach.cases.given import alert, intend
from tests.ticking import Ticking

KEY = secrets.token_bytes(32)


@pytest.fixture
def now() -> Ticking:
    return Ticking(utc_now())


@pytest.fixture
async def history(postgres_url: str, now: Ticking) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=KEY, clock=now) as opened:
        yield opened


@pytest.fixture
async def case(history: History, now: Ticking) -> tuple[Cases, str]:
    """A case whose SMS is accepted and whose task Dara has."""
    await Customers(history, now, master_key=KEY).record(
        CustomerMessage(customer_id="sokha", name="Sokha", cards=[CardRef(card_id="card-sokha-visa")]), "m-1"
    )
    cases = Cases(history, now)
    case_id = await cases.receive_alert(alert())
    assert case_id
    state, _ = await cases.load(case_id)
    contact = next(iter(state.contacts))
    done: list[Command] = [
        intend(contact, "sms", "alert"),
        c.AcceptContact(contact_id=contact, provider_id="SM1"),
        c.TakeTask(operator="dara"),
    ]
    for cause, command in enumerate(done):
        await cases.handle(case_id, command, actor="operator:dara", cause=f"c-{cause}")
    await catch_up(history, projections(KEY))
    return cases, case_id


@pytest.fixture
def timers(history: History, case: tuple[Cases, str], now: Ticking) -> Timers:
    settings = Settings(silence_after=timedelta(minutes=15), hand_over_after=timedelta(minutes=60))
    return Timers(history, case[0], settings, now)


async def test_nothing_fires_before_its_time_and_each_thing_once(
    timers: Timers, case: tuple[Cases, str], now: Ticking
) -> None:
    assert await timers.fire() == 0
    now.now += timedelta(minutes=16)
    assert await timers.fire() == 1
    assert await timers.fire() == 0
    state, _ = await case[0].load(case[1])
    assert [one.channel for one in state.contacts.values()] == ["sms", "email"]


async def test_a_quiet_operators_task_returns_to_the_queue(
    timers: Timers, case: tuple[Cases, str], now: Ticking
) -> None:
    now.now += timedelta(minutes=61)
    assert await timers.fire() == 2
    state, _ = await case[0].load(case[1])
    assert state.task is not None
    assert not state.task.taken_by


async def test_an_open_page_is_a_sign_of_life(
    timers: Timers, case: tuple[Cases, str], history: History, now: Ticking
) -> None:
    presence = Presence(history, now)
    await presence.prepare()
    now.now += timedelta(minutes=50)
    await presence.touch("dara", case[1])
    now.now += timedelta(minutes=20)
    assert await timers.fire() == 1
    state, _ = await case[0].load(case[1])
    assert state.task is not None
    assert state.task.taken_by == "dara"


async def test_before_the_read_models_are_made_nothing_is_overdue(history: History, now: Ticking) -> None:
    assert await Timers(history, Cases(history, now), Settings(), now).fire() == 0


async def test_three_days_of_a_case_in_a_second(case: tuple[Cases, str], history: History, now: Ticking) -> None:
    """Silence, a quiet operator, a promise missed, another one kept, under workers that start anew every hour."""
    cases, case_id = case
    settings = Settings(silence_after=timedelta(minutes=15), hand_over_after=timedelta(minutes=60))
    begun = now.now

    async def act(command: Command) -> None:
        await cases.handle(case_id, command, actor="operator:dara", cause=f"{type(command).__name__} {now.now}")

    while now.now < begun + timedelta(days=3):
        hours = (now.now - begun) // timedelta(hours=1)
        if hours == 2:
            await act(c.TakeTask(operator="dara"))
            await act(c.PromiseCall(operator="dara", at=begun + timedelta(hours=24)))
        if hours == 30:
            await act(c.TakeTask(operator="dara"))
            await act(c.PromiseCall(operator="dara", at=begun + timedelta(hours=48, minutes=5)))
        if hours == 48:
            await act(c.TakeTask(operator="dara"))
            await act(c.StartCall(operator="dara", call_id="out"))
            await act(c.AnswerCall())
            await act(c.EndCall())
        await catch_up(history, projections(KEY))
        for _ in range(2):  # two workers, each started anew
            await Timers(history, cases, settings, now).fire()
        now.now += timedelta(hours=1)
    told = [one for one in await cases.timeline(case_id) if one.actor == "system:casework"]
    fired = [
        (one.event.wire_name, (one.occurred_at - begun) // timedelta(hours=1))
        for one in told
        if isinstance(one.event, e.SilenceNoted | e.TaskReturned | e.CallBackDue | e.CallBackMissed)
    ]
    assert fired == [
        ("contact.silence-noted", 1),
        ("case.task-returned", 1),
        ("contact.call-back-due", 24),
        ("contact.call-back-missed", 25),
        ("case.task-returned", 49),
    ]


async def test_what_came_due_while_nobody_ran_is_done_at_the_start(
    case: tuple[Cases, str], history: History, now: Ticking
) -> None:
    now.now += timedelta(days=9)
    settings = Settings(silence_after=timedelta(minutes=15), hand_over_after=timedelta(minutes=60))
    assert await Timers(history, case[0], settings, now).fire() == 2
    await catch_up(history, projections(KEY))
    assert await Timers(history, case[0], settings, now).fire() == 0
