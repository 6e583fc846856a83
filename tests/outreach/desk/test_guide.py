import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from outreach import desk
from outreach.cases.state import AlertState, CardActionState, CaseState, ContactState, TaskState
from outreach.desk.guide import advise, way
from outreach.desk.words import REASONS
from tests.outreach.desk.story import some_time_ago

DESK = Path(desk.__file__).parent

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
    return CaseState(
        **{"case_id": "case", "customer_id": "c1", "case_code": "ABC234", "alerts": {"a": ALERT}, "task": task, **more}
    )


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


def test_what_was_only_written_is_asked_again_on_the_phone() -> None:
    state = case(
        taken_by="dara", reason="denied_by_reply", denied={"t1": "reply"}, verified=frozenset({("dara", "callback")})
    )
    advice = advise(state, "dara", what="12.00 EUR at a shop", bank="Mekong Bank")
    assert advice.step == "ask"
    assert advice.say.startswith("You wrote that it was not you")


def test_a_case_in_another_hand_is_for_looking() -> None:
    assert step(case(taken_by="mina")) == "look"


def test_the_question_names_the_payment_and_never_asks_for_a_secret() -> None:
    advice = advise(
        case(taken_by="dara", verified=frozenset({("dara", "callback")})), "dara", what="12.00 EUR at a shop", bank="B"
    )
    assert "12.00 EUR at a shop" in advice.say
    assert "PIN" not in advice.say


def test_steps_before_the_present_one_are_done() -> None:
    state = case(taken_by="dara")
    assert [each.state for each in way(advise(state, "dara", what="", bank=""), state)] == [
        "done",
        "now",
        "later",
        "later",
    ]


def test_the_code_is_asked_for_only_where_a_message_carried_it() -> None:
    sent = ContactState(contact_id="m", channel="sms", purpose="alert", step=1, status="delivered")
    told = advise(case(taken_by="dara", contacts={"m": sent}), "dara", what="", bank="Mekong Bank")
    untold = advise(case(taken_by="dara", reason="review"), "dara", what="", bank="Mekong Bank")
    assert "read me the code" in told.say
    assert "code" not in untold.say


def test_a_card_without_a_known_owner_has_nobody_to_ask() -> None:
    advice = advise(case(taken_by="dara", customer_id="", reason="unknown_owner"), "dara", what="", bank="B")
    assert (advice.title, advice.say) == ("Find the owner", "")


def test_what_the_bank_has_not_answered_yet_is_not_said_as_done() -> None:
    block = CardActionState(command_id="b", action="block", card_id="c")
    over: dict[str, Any] = {
        "taken_by": "dara",
        "verified": frozenset({("dara", "callback")}),
        "denied": {"t1": "operator"},
    }
    asked = advise(case(**over, actions={"b": block}), "dara", what="", bank="B")
    answered = advise(case(**over, actions={"b": structs.replace(block, result="blocked")}), "dara", what="", bank="B")
    assert asked.say.startswith("I am declining")
    assert answered.say.startswith("The payment is declined")


def test_nothing_on_the_desk_takes_the_customer_for_a_woman_or_a_man() -> None:
    shown = [*sorted(DESK.rglob("*.html")), *sorted(DESK.glob("*.py")), DESK / "static" / "desk.js"]
    gendered = re.compile(r"\b(she|her|hers|he|him|his)\b", re.IGNORECASE)
    found = [
        f"{path.name}: {line.strip()}"
        for path in shown
        for line in path.read_text(encoding="utf-8").splitlines()
        if gendered.search(line) and "*it was her*" not in line
    ]
    assert found == []


def test_whoever_has_the_task_in_hand_still_reads_why_it_is_there() -> None:
    for reason in ("review", "alert_withdrawn", "denied_by_reply", "customer_called"):
        assert advise(case(taken_by="dara", reason=reason), "dara", what="", bank="").because


ARRIVED = ContactState(contact_id="m", step=1, purpose="alert", channel="sms", status="delivered")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"contacts": {"m": ARRIVED}}, "any hold is coming off. The customer has our message."),
        ({}, "any hold is coming off. Nobody was written to."),
        ({"struck_out": ("t0",)}, "this card is blocked for what was struck out. Nobody was written to."),
    ],
)
def test_of_an_alert_that_was_taken_back_it_is_said_what_is_true_of_the_card_and_of_the_customer(
    more: dict[str, Any], said: str
) -> None:
    state = case(taken_by="dara", reason="alert_withdrawn", verified=frozenset({("dara", "callback")}), **more)
    advice = advise(state, "dara", what="12.00 EUR at a shop", bank="B")
    assert said in advice.because
    assert ("We wrote to you" in advice.say) is ("contacts" in more)
    waiting = advise(case(reason="alert_withdrawn", **more), "dara", what="", bank="B").hint
    assert ("nobody was written to" in waiting) is ("contacts" not in more)


def test_what_nobody_did_is_not_shown_as_done() -> None:
    by_reply = case(task=None, confirmed={"t1": "reply"}, resolution="genuine")
    assert [each.state for each in way(advise(by_reply, "dara", what="", bank=""), by_reply)] == [
        *("later", "later", "done", "later")
    ]
    unanswered = case(
        task=None, verified=frozenset({("dara", "callback")}), wrapped_up_by="dara", resolution="unanswered"
    )
    assert [each.state for each in way(advise(unanswered, "dara", what="", bank=""), unanswered)] == [
        *("done", "done", "later", "done")
    ]


def test_a_hold_that_is_still_coming_off_is_not_said_to_be_off() -> None:
    release = CardActionState(command_id="r", action="release", card_id="c")
    over: dict[str, Any] = {"taken_by": "dara", "confirmed": {"t1": "operator"}}
    asked = advise(case(**over, actions={"r": release}), "dara", what="", bank="B")
    done = advise(case(**over, actions={"r": structs.replace(release, result="released")}), "dara", what="", bank="B")
    assert "in a moment" in asked.say
    assert "go on using" in done.say
