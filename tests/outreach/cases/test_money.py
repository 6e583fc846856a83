"""What moves money happens once: two operators race, a click repeats, the bank answers in whatever order."""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from infra.clock import utc_now
from infra.history.store import History
from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.commands import Command
from outreach.cases.errors import Refused
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from tests.outreach.cases.given import alert

KEY = secrets.token_bytes(32)
DENY = c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara")
ANSWERS = {"hold": "held", "decline": "declined", "block": "blocked", "reissue": "reissued", "release": "released"}


@pytest.fixture
async def history(postgres_url: str) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=KEY, clock=utc_now) as opened:
        yield opened


@pytest.fixture
async def case_id(history: History) -> str:
    """A case in Dara's hand."""
    sokha = CustomerMessage(customer_id="sokha", name="Sokha", cards=[CardRef(card_id="card-sokha-visa")])
    await Customers(history, utc_now, master_key=KEY).record(sokha, "m-1")
    cases = Cases(history, utc_now)
    opened = await cases.receive_alert(alert())
    assert opened
    await cases.handle(opened, c.TakeTask(operator="dara"), actor="operator:dara", cause="take")
    return opened


async def give(history: History, case_id: str, command: Command, cause: str) -> bool:
    """From a process of its own; whether the case took it."""
    try:
        await Cases(history, utc_now).handle(case_id, command, actor="operator:dara", cause=cause)
    except Refused:
        return False
    return True


async def asked(history: History) -> Counter[str]:
    found = await history.read(after=0, limit=500, types=[e.CardActionRequested.wire_name])
    return Counter(one.event.action for one in found if isinstance(one.event, e.CardActionRequested))


async def test_one_denial_whatever_is_clicked_and_whoever_races(history: History, case_id: str) -> None:
    confirm = c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="dara")
    over = c.WrapUp(operator="dara", topics=[])
    reply = c.ReceiveReply(reply_id="r-1", channel="sms", meaning="fraud", text="2")
    clicks: list[tuple[Command, str]] = [(DENY, f"click-{number % 3}") for number in range(9)]
    clicks += [(over, "over-1"), (over, "over-2"), (reply, "reply"), (reply, "reply")]
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    random.Random(seed).shuffle(clicks)
    await give(history, case_id, *clicks.pop())
    await asyncio.gather(*(give(history, case_id, *click) for click in clicks))
    await give(history, case_id, c.TakeTask(operator="dara"), "take again")
    await give(history, case_id, DENY, "and again")
    assert not await give(history, case_id, confirm, "changed her mind")
    assert await asked(history) == {"hold": 1, "decline": 1, "block": 1, "reissue": 1}


async def test_of_two_operators_one_acts(history: History, case_id: str) -> None:
    mina = c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="mina")
    did = await asyncio.gather(give(history, case_id, DENY, "dara"), give(history, case_id, mina, "mina"))
    assert list(did) == [True, False]
    handed = c.HandOver(operator="dara", to="mina")
    await asyncio.gather(give(history, case_id, handed, "over"), give(history, case_id, DENY, "dara again"))
    assert await asked(history) == {"hold": 1, "decline": 1, "block": 1, "reissue": 1}


async def test_the_banks_answers_may_come_twice_late_and_in_any_order(history: History, case_id: str) -> None:
    await give(history, case_id, DENY, "deny")
    cases = Cases(history, utc_now)
    state, _ = await cases.load(case_id)
    said: list[Command] = []
    for action in state.actions.values():
        said += [c.AnswerCardAction(command_id=action.command_id, result=ANSWERS[action.action])] * 2
        said += [c.SendCardAction(command_id=action.command_id, attempt=number) for number in (1, 2)]
        said += [c.FailCardAction(command_id=action.command_id, reason="unanswered")]
        if action.action == "reissue":
            said += [c.ShipCard(command_id=action.command_id, state=to) for to in ("delivered", "dispatched")] * 2
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    random.Random(seed).shuffle(said)
    await asyncio.gather(*(give(history, case_id, command, f"bank-{number}") for number, command in enumerate(said)))
    state, _ = await cases.load(case_id)
    assert {action.action: action.result for action in state.actions.values()} == {
        name: ANSWERS[name] for name in ("hold", "decline", "block", "reissue")
    }
    answered = await history.read(after=0, limit=500, types=[e.CardActionAnswered.wire_name])
    assert len(answered) == 4
    assert await asked(history) == {"hold": 1, "decline": 1, "block": 1, "reissue": 1}


async def test_what_the_bank_never_answers_is_a_task_for_a_person(history: History, case_id: str) -> None:
    await give(history, case_id, DENY, "deny")
    await give(history, case_id, c.WrapUp(operator="dara", topics=[]), "over")
    cases = Cases(history, utc_now)
    state, _ = await cases.load(case_id)
    assert (state.resolution, state.task) == ("fraud", None)
    block = next(one.command_id for one in state.actions.values() if one.action == "block")
    await give(history, case_id, c.FailCardAction(command_id=block, reason="unanswered"), "given up")
    state, _ = await cases.load(case_id)
    assert state.task is not None
    assert (state.task.reason, state.task.front) == ("card_action_failed", True)
