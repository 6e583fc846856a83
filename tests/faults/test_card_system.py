"""The bank's card system answers twice, late, in the wrong order, never, or refuses: each thing is done once."""

from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from infra.clock import utc_now
from infra.history.verify import verify
from outreach.cases import commands as c
from outreach.cases.events import AlertJoined, CaseOpened
from outreach.cases.service import Cases
from outreach.cases.state import CaseState
from streams.rehearsal.bank import BankFault
from tests.faults.world import World, batches, impossible_journeys, whole_world

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

MODES = ("none", "twice", "late", "never", "refuse")
DENIAL = {"decline": 1, "block": 1, "reissue": 1}


async def test_a_denial_is_done_once_however_the_card_system_answers(tmp_path: Path) -> None:
    labelled = impossible_journeys(1_000, len(MODES), seed=5)
    async with whole_world(tmp_path / "home", card_answer_due_after=timedelta(seconds=2)) as world:
        for batch in batches([each.message for each in labelled]):
            await world.feed(batch)

        async def opened() -> bool:
            return len(await world.events(CaseOpened)) >= len(MODES)

        await world.until("every case is open", opened)
        cases = Cases(world.history, utc_now)
        found = [each.event.case_id for each in await world.events(CaseOpened)][: len(MODES)]
        for mode, case_id in zip(MODES, found, strict=True):
            await world.until("the card is held", partial(_held, cases, case_id))
            await _misbehave(world, mode)
            await _deny(cases, case_id)
            # The late answer to the new card comes after the word that it was sent out: the wrong order.
            await world.until(f"told of the end: {mode}", partial(_over, cases, case_id))
        for mode, case_id in zip(MODES, found, strict=True):
            state, _ = await cases.load(case_id)
            assert Counter(each.action for each in state.actions.values()) == DENIAL | {"hold": 1}
            assert (state.task is not None and state.task.reason == "card_action_failed") == (
                mode in {"never", "refuse"}
            ), mode
        cards = {each.event.card_id for each in await world.events(AlertJoined)}
        report = (await world.http.get(f"{world.settings.twilio_api_url}/rehearsal/bank")).json()
        done = Counter((each["card_id"], each["action"]) for each in report["commands"] if each["action"] != "decline")
        assert set(done.values()) == {1}, "the bank did something to a card twice"
        assert {card for card, _ in done} <= cards
        assert (await verify(world.history)).intact


async def _misbehave(world: World, mode: str) -> None:
    fault = BankFault.model_validate({"mode": mode, "count": 0 if mode == "none" else 100})
    answer = await world.http.post(f"{world.settings.twilio_api_url}/rehearsal/bank/faults", json=fault.model_dump())
    answer.raise_for_status()


async def _deny(cases: Cases, case_id: str) -> None:
    """An operator denies, twice, as somebody who double-clicks."""
    state, _ = await cases.load(case_id)
    said = list(state.suspects)
    deny = c.DenyPayments(transactions=said, by="operator", operator="dara")
    clicks: tuple[c.Command, ...] = (c.TakeTask(operator="dara"), deny, deny)
    for number, command in enumerate(clicks):
        await cases.handle(case_id, command, actor="operator:dara", cause=f"click {number} {case_id}")


async def _held(cases: Cases, case_id: str) -> bool:
    state, _ = await cases.load(case_id)
    return any(each.action == "hold" and each.result for each in state.actions.values())


async def _over(cases: Cases, case_id: str) -> bool:
    """Whether nothing is waited for any more, the new card included."""
    state: CaseState = (await cases.load(case_id))[0]
    asked = [each for each in state.actions.values() if each.action in DENIAL]
    return len(asked) == len(DENIAL) and all(
        each.failed or (each.result and (each.action != "reissue" or "delivered" in each.shipped)) or each.shipped
        for each in asked
    )
