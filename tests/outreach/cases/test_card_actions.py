"""What the card system is asked for, and what it answers: twice, late, out of order."""

import pytest

from outreach.cases import commands as c
from outreach.cases.errors import Refused
from tests.outreach.cases.given import Story, names, received


@pytest.fixture
def story() -> Story:
    return Story(received())


@pytest.fixture
def denied() -> Story:
    story = Story(received()).taken()
    story.when(c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara"))
    return story


def test_only_a_newer_attempt_is_recorded(story: Story) -> None:
    hold = story.action("hold")
    assert names(story.when(c.SendCardAction(command_id=hold, attempt=1))) == ["card.action-sent"]
    assert not story.when(c.SendCardAction(command_id=hold, attempt=1))
    assert names(story.when(c.SendCardAction(command_id=hold, attempt=2))) == ["card.action-sent"]


def test_an_answer_is_recorded_once_and_ends_the_sending(story: Story) -> None:
    answer = c.AnswerCardAction(command_id=story.action("hold"), result="held")
    assert names(story.when(answer)) == ["card.action-answered"]
    assert not story.when(answer)
    assert not story.when(c.SendCardAction(command_id=story.action("hold"), attempt=2))
    assert not story.when(c.FailCardAction(command_id=story.action("hold"), reason="late"))


def test_an_answer_to_something_else_is_refused(story: Story) -> None:
    with pytest.raises(Refused, match="wrong_answer"):
        story.when(c.AnswerCardAction(command_id=story.action("hold"), result="blocked"))
    with pytest.raises(Refused, match="unknown_command"):
        story.when(c.AnswerCardAction(command_id="nobody", result="held"))


def test_a_failure_calls_a_person_once(story: Story) -> None:
    failed = c.FailCardAction(command_id=story.action("hold"), reason="no such card")
    assert names(story.when(failed)) == ["card.action-failed no such card", "case.task-moved card_action_failed"]
    assert not story.when(failed)


def test_a_failure_without_a_reason_is_a_failure(story: Story) -> None:
    story.when(c.FailCardAction(command_id=story.action("hold"), reason=""))
    assert not story.state.actions[story.action("hold")].pending


def test_an_answer_after_the_failure_is_recorded_all_the_same(story: Story) -> None:
    story.when(c.FailCardAction(command_id=story.action("hold"), reason="unanswered"))
    late = c.AnswerCardAction(command_id=story.action("hold"), result="held")
    assert names(story.when(late)) == ["card.action-answered"]


def test_an_answer_after_the_end_of_the_case_is_recorded(story: Story) -> None:
    story.told().reply("genuine")
    released = c.AnswerCardAction(command_id=story.action("release"), result="released")
    assert names(story.when(released)) == ["card.action-answered"]


def test_a_failure_after_the_end_of_the_case_makes_a_new_task(story: Story) -> None:
    story.told().reply("genuine")
    failed = c.FailCardAction(command_id=story.action("release"), reason="unanswered")
    assert names(story.when(failed)) == ["card.action-failed unanswered", "case.task-created card_action_failed"]


def test_a_hold_that_was_followed_by_a_release_is_given_up_without_a_person(story: Story) -> None:
    story.told().reply("genuine")
    hold = story.action("hold")
    assert story.state.superseded(hold)
    assert not story.state.superseded(story.action("release"))
    assert not story.state.superseded("nobody")
    assert names(story.when(c.FailCardAction(command_id=hold, reason="superseded"))) == [
        "card.action-failed superseded"
    ]


def test_a_block_is_superseded_by_nothing(denied: Story) -> None:
    assert not denied.state.superseded(denied.action("block"))


def test_the_new_card_is_followed_to_its_end_in_any_order(denied: Story) -> None:
    reissue = denied.action("reissue")
    for state in ("delivered", "dispatched"):
        shipped = c.ShipCard(command_id=reissue, state=state)
        assert names(denied.when(shipped)) == ["card.shipped"]
        assert not denied.when(shipped)
    answer = c.AnswerCardAction(command_id=reissue, result="reissued", new_card_id="card-2")
    assert names(denied.when(answer)) == ["card.action-answered"]
    assert denied.state.actions[reissue].new_card_id == "card-2"


def test_a_new_card_that_is_on_its_way_was_made_though_nobody_said_so(denied: Story) -> None:
    reissue = denied.action("reissue")
    denied.when(c.ShipCard(command_id=reissue, state="dispatched"))
    assert not denied.when(c.FailCardAction(command_id=reissue, reason="unanswered"))
    assert not denied.when(c.SendCardAction(command_id=reissue, attempt=2))
    assert names(denied.when(c.AnswerCardAction(command_id=reissue, result="reissued", new_card_id="card-2")))


def test_only_a_new_card_is_sent_out(denied: Story) -> None:
    with pytest.raises(Refused, match="wrong_answer"):
        denied.when(c.ShipCard(command_id=denied.action("block"), state="dispatched"))


def test_a_blocked_card_is_not_released(denied: Story) -> None:
    assert "release" not in {one.action for one in denied.state.actions.values()}
