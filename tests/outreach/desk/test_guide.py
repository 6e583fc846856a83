from typing import Any

import pytest

from outreach.cases.state import AlertState, CaseState, TaskState
from outreach.desk.guide import advise, way
from outreach.desk.words import REASONS
from tests.outreach.desk.story import some_time_ago

ALERT = AlertState(
    alert_id="a",
    card_id="c",
    suspect="t1",
    against="t0",
    verdict="alert",
    severity="high",
    raised_at=some_time_ago(1)(),
)


def case(*, taken_by: str = "", reason: str = "call_customer", **more: Any) -> CaseState:
    task = TaskState(task_id="t", reason=reason, taken_by=taken_by)
    return CaseState(**{"case_id": "case", "case_code": "ABC234", "alerts": {"a": ALERT}, "task": task, **more})


def step(state: CaseState) -> str:
    return advise(state, "dara", what="12.00 EUR at a shop", bank="Mekong Bank").step


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_has_something_to_say_before_the_task_is_taken(reason: str) -> None:
    advice = advise(case(reason=reason), "dara", what="", bank="")
    assert advice.step == "take"
    assert advice.hint != "Take the task to see whom it is about."


def test_the_way_is_take_verify_ask_wrap_up() -> None:
    verified = frozenset({("dara", "case_code")})
    assert step(case()) == "take"
    assert step(case(taken_by="dara")) == "verify"
    assert step(case(taken_by="dara", verified=verified)) == "ask"
    assert step(case(taken_by="dara", verified=verified, denied={"t1": "operator"})) == "wrap_up"
    assert step(case(taken_by="dara", confirmed={"t1": "operator"})) == "wrap_up"
    assert step(case(task=None)) == "done"


def test_what_she_only_wrote_is_asked_again_on_the_phone() -> None:
    state = case(
        taken_by="dara", reason="denied_by_reply", denied={"t1": "reply"}, verified=frozenset({("dara", "callback")})
    )
    advice = advise(state, "dara", what="12.00 EUR at a shop", bank="Mekong Bank")
    assert advice.step == "ask"
    assert advice.say.startswith("You wrote that this payment was not yours")


def test_a_case_in_another_hand_is_for_looking() -> None:
    assert step(case(taken_by="mina")) == "look"


def test_the_question_names_the_payment_and_never_asks_for_a_secret() -> None:
    advice = advise(
        case(taken_by="dara", verified=frozenset({("dara", "callback")})), "dara", what="12.00 EUR at a shop", bank="B"
    )
    assert "12.00 EUR at a shop" in advice.say
    assert "PIN" not in advice.say


def test_steps_before_the_present_one_are_done() -> None:
    advice = advise(case(taken_by="dara"), "dara", what="", bank="")
    assert [each.state for each in way(advice)] == ["done", "now", "later", "later"]
