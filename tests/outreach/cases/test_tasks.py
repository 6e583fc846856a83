"""The operators' task: one holder at a time, every look recorded."""

import pytest

from outreach.cases import commands as c
from outreach.cases.errors import Refused
from outreach.cases.events import DataViewed, TaskReturned
from tests.outreach.cases.given import Story, alert, names, received


@pytest.fixture
def story() -> Story:
    return Story(received())


def test_a_task_is_taken_by_one_operator(story: Story) -> None:
    assert names(story.when(c.TakeTask(operator="dara"))) == ["case.task-taken"]
    assert not story.when(c.TakeTask(operator="dara"))
    with pytest.raises(Refused, match="taken"):
        story.when(c.TakeTask(operator="vanna"))


def test_a_task_that_is_done_cannot_be_taken(story: Story) -> None:
    story.told().reply("genuine")
    with pytest.raises(Refused, match="no_task"):
        story.when(c.TakeTask(operator="dara"))


def test_a_task_goes_back_once_and_only_by_its_holder(story: Story) -> None:
    story.taken()
    with pytest.raises(Refused, match="not_holder"):
        story.when(c.ReturnTask(operator="vanna", reason="released"))
    back = c.ReturnTask(operator="dara", reason="hand_over")
    assert names(story.when(back)) == ["case.task-returned hand_over"]
    assert not story.when(back)
    assert names(story.when(c.TakeTask(operator="vanna"))) == ["case.task-taken"]


def test_what_whoever_gives_it_back_has_noted_goes_with_it(story: Story) -> None:
    story.taken()
    (returned,) = story.when(c.ReturnTask(operator="dara", reason="released", note="Rang twice."))
    assert isinstance(returned, TaskReturned)
    assert returned.note == "Rang twice."


def test_nothing_is_given_back_when_nothing_is_left(story: Story) -> None:
    story.told().reply("genuine")
    assert not story.when(c.ReturnTask(operator="dara", reason="released"))


def test_every_look_is_recorded_and_only_the_holders_is_unmasked(story: Story) -> None:
    look = c.ViewData(operator="dara", screen="case")
    (masked,) = story.when(look)
    (unmasked,) = story.taken().when(look)
    assert isinstance(masked, DataViewed)
    assert isinstance(unmasked, DataViewed)
    assert (masked.unmasked, unmasked.unmasked) == (False, True)


def test_a_look_at_a_finished_case_is_masked(story: Story) -> None:
    story.told().reply("genuine")
    (look,) = story.when(c.ViewData(operator="dara", screen="case"))
    assert isinstance(look, DataViewed)
    assert not look.unmasked


def test_a_caller_is_verified_once_a_method(story: Story) -> None:
    verify = c.VerifyCaller(operator="dara", method="case_code")
    with pytest.raises(Refused, match="not_holder"):
        story.when(verify)
    assert names(story.taken().when(verify)) == ["case.caller-verified"]
    assert not story.when(verify)


def test_a_place_at_the_front_is_not_lost_again(story: Story) -> None:
    story.told().when(c.ReceiveCall(call_id="call-1"))
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    assert story.state.task is not None
    assert (story.state.task.reason, story.state.task.front) == ("alert_withdrawn", True)


def test_a_task_is_handed_over_with_its_context() -> None:
    story = Story(received()).taken()
    assert names(story.when(c.HandOver(operator="dara", to="mina", note="speaks Khmer"))) == ["case.task-handed-over"]
    assert story.state.task is not None
    assert story.state.task.taken_by == "mina"
    assert not story.when(c.HandOver(operator="dara", to="mina"))
    with pytest.raises(Refused, match="not_holder"):
        story.when(c.ReturnTask(operator="dara", reason="released"))


@pytest.mark.parametrize("to", ["dara", ""])
def test_a_task_is_handed_over_to_somebody_else(to: str) -> None:
    with pytest.raises(Refused, match="nobody_else"):
        Story(received()).taken().when(c.HandOver(operator="dara", to=to))


def test_what_is_escalated_waits_at_the_front_and_stays_marked() -> None:
    story = Story(received()).taken()
    assert names(story.when(c.Escalate(operator="dara", note="wants the police"))) == ["case.task-escalated"]
    assert not story.when(c.Escalate(operator="dara"))
    story.taken("boss", supervisor=True)
    assert (story.task.front, story.task.escalated, story.task.taken_by) == (True, True, "boss")


def test_what_frees_the_card_waits_until_somebody_is_known_to_be_the_customer() -> None:
    story = Story(received()).taken()
    story.when(c.VerifyCaller(operator="dara", method="case_code"))
    rejected = c.RejectCaller(operator="dara", method="questions")
    assert names(story.when(rejected)) == ["case.caller-not-verified"]
    assert not story.when(rejected)
    confirm = c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="dara")
    with pytest.raises(Refused, match="not_verified"):
        story.when(confirm)
    with pytest.raises(Refused, match="not_verified"):
        story.when(c.StrikeOut(operator="dara", transactions=["phnom-penh"]))
    story.when(c.VerifyCaller(operator="dara", method="callback"))
    assert "case.resolved genuine" in names(story.when(confirm))


def test_whoever_it_was_a_denial_is_heard_for_it_only_makes_the_card_safer() -> None:
    story = Story(received()).taken()
    story.when(c.RejectCaller(operator="dara", method="questions"))
    assert story.when(c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara"))
