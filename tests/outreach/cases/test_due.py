"""Each kind of wait through the real table: begun, overdue under its own kind, and over."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from infra.clock import utc_now
from infra.history.projection import catch_up
from infra.history.store import History
from infra.settings import Settings
from outreach.cases import commands as c
from outreach.cases.commands import Command
from outreach.cases.due import Due, DueKind, DueRow, overdue, waits
from outreach.cases.identity import call_back_id
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from tests.outreach.cases.given import alert, intend

KEY = secrets.token_bytes(32)
SETTINGS = Settings()


@pytest.fixture
async def history(postgres_url: str) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=KEY, clock=utc_now) as opened:
        yield opened


class Case:
    """A case of Sokha's, and what is waited for in it."""

    def __init__(self, history: History, cases: Cases, case_id: str) -> None:
        self._history, self._cases, self.case_id = history, cases, case_id
        self._commands = 0

    async def do(self, *commands: Command) -> None:
        for command in commands:
            self._commands += 1
            await self._cases.handle(self.case_id, command, actor="operator:dara", cause=f"do-{self._commands}")

    async def subject(self, kind: DueKind) -> str:
        state, _ = await self._cases.load(self.case_id)
        match kind:
            case DueKind.CARD_ANSWER:
                return next(iter(state.actions))
            case DueKind.PROMISE_DUE | DueKind.PROMISE_MISSED:
                return call_back_id(self.case_id, 1)
            case DueKind.HAND_OVER:
                return state.task.task_id if state.task else ""
            case _:
                return next(iter(state.contacts))

    async def waiting(self, kind: DueKind, *, later: timedelta = timedelta(days=1)) -> list[DueRow]:
        await catch_up(self._history, [Due()])
        async with self._history.transaction() as conn:
            return await overdue(conn, utc_now() + later, waits(SETTINGS), kinds=[kind])


@pytest.fixture
async def case(history: History) -> Case:
    await Customers(history, utc_now, master_key=KEY).record(
        CustomerMessage(customer_id="sokha", name="Sokha", cards=[CardRef(card_id="card-sokha-visa")]), "m-1"
    )
    cases = Cases(history, utc_now)
    case_id = await cases.receive_alert(alert())
    assert case_id
    return Case(history, cases, case_id)


def sent(contact: str) -> list[Command]:
    return [intend(contact, "sms", "alert"), c.AcceptContact(contact_id=contact, provider_id="SM1")]


def promised() -> list[Command]:
    return [
        c.TakeTask(operator="dara"),
        c.PromiseCall(operator="dara", at=utc_now() + timedelta(hours=3)),
    ]


@pytest.mark.parametrize("kind", list(DueKind))
async def test_each_kind_is_waited_for_and_is_over(case: Case, kind: DueKind) -> None:
    named = await case.subject(kind)
    begin: dict[DueKind, list[Command]] = {
        DueKind.OUTCOME: sent(named)[:1],
        DueKind.DELIVERY: sent(named),
        DueKind.SILENCE: sent(named),
        DueKind.CARD_ANSWER: [c.SendCardAction(command_id=named, attempt=1)],
        DueKind.HAND_OVER: [c.TakeTask(operator="dara")],
        DueKind.PROMISE_DUE: promised(),
        DueKind.PROMISE_MISSED: promised(),
    }
    over: dict[DueKind, Command] = {
        DueKind.OUTCOME: sent(named)[1],
        DueKind.DELIVERY: c.ReportDelivery(contact_id=named, provider_id="SM1", status="delivered"),
        DueKind.SILENCE: c.NoteSilence(contact_id=named),
        DueKind.CARD_ANSWER: c.AnswerCardAction(command_id=named, result="held"),
        DueKind.HAND_OVER: c.ReturnTask(operator="dara", reason="released"),
        DueKind.PROMISE_DUE: c.NoteCallBackDue(call_back_id=named),
        DueKind.PROMISE_MISSED: c.MissCallBack(call_back_id=named),
    }
    await case.do(*begin[kind])
    assert not await case.waiting(kind, later=timedelta(0))
    (row,) = await case.waiting(kind)
    assert row.kind is kind
    assert (row.case_id, row.subject_id) == (case.case_id, named)
    assert row.operator == ("dara" if kind is DueKind.HAND_OVER else "")
    await case.do(over[kind])
    assert not await case.waiting(kind)
