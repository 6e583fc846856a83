"""Calls and call-backs: what she is owed, what was promised, and what is kept or missed."""

from datetime import UTC, datetime

import pytest

from outreach.cases import commands as c
from outreach.cases.errors import Refused
from tests.outreach.cases.given import Story, names, received

SIX = datetime(2026, 3, 15, 18, tzinfo=UTC)
SEVEN = datetime(2026, 3, 15, 19, tzinfo=UTC)


@pytest.fixture
def story() -> Story:
    """A case in Dara's hand."""
    return Story(received()).told().taken()


def call_back(story: Story) -> str:
    return next(iter(story.state.call_backs))


def test_whoever_rings_is_owed_one_call_however_often(story: Story) -> None:
    story.when(c.ReceiveCall(call_id="in-1"))
    assert names(story.when(c.ReceiveCall(call_id="in-2"))) == ["contact.call-received"]
    assert len(story.state.owed) == 1


def test_a_call_that_is_answered_keeps_what_was_owed(story: Story) -> None:
    story.when(c.ReceiveCall(call_id="in-1"))
    assert names(story.when(c.StartCall(operator="dara", call_id="out-1"))) == ["contact.call-started"]
    assert names(story.when(c.AnswerCall())) == ["contact.call-answered", "contact.call-back-kept"]
    assert names(story.when(c.EndCall())) == ["contact.call-ended"]
    assert not story.state.owed
    assert story.state.call is None


def test_while_she_is_talking_to_an_operator_nothing_more_is_sent_to_her(story: Story) -> None:
    story.when(c.StartCall(operator="dara", call_id="out-1"), c.AnswerCall())
    assert not story.when(c.NoteSilence(contact_id=story.contact().contact_id))


def test_a_call_that_nobody_answers_leaves_her_owed_one(story: Story) -> None:
    story.when(c.ReceiveCall(call_id="in-1"), c.StartCall(operator="dara", call_id="out-1"))
    assert names(story.when(c.EndCall(call_id="out-1"))) == ["contact.call-ended"]
    assert story.state.owed
    assert not story.when(c.EndCall(call_id="out-1"))


def test_a_dropped_call_is_a_call_back_at_the_front(story: Story) -> None:
    story.when(c.StartCall(operator="dara", call_id="out-1"), c.AnswerCall())
    assert names(story.when(c.DropCall())) == [
        "contact.call-dropped",
        "contact.call-back-asked",
        "case.task-moved call_dropped",
    ]
    assert not story.when(c.DropCall(call_id="out-1"))


def test_what_nobody_has_answered_cannot_drop(story: Story) -> None:
    story.when(c.StartCall(operator="dara", call_id="out-1"))
    with pytest.raises(Refused, match="not_answered"):
        story.when(c.DropCall())


def test_only_who_has_the_task_rings_and_one_call_at_a_time(story: Story) -> None:
    with pytest.raises(Refused, match="not_holder"):
        story.when(c.StartCall(operator="mina", call_id="out-1"))
    story.when(c.StartCall(operator="dara", call_id="out-1"))
    assert not story.when(c.StartCall(operator="dara", call_id="out-2"))
    with pytest.raises(Refused, match="unknown_call"):
        story.when(c.AnswerCall(call_id="out-9"))


def test_without_an_owner_there_is_nobody_to_ring() -> None:
    story = Story(received(customer="")).taken()
    with pytest.raises(Refused, match="no_owner"):
        story.when(c.StartCall(operator="dara", call_id="out-1"))
    with pytest.raises(Refused, match="no_owner"):
        story.when(c.PromiseCall(operator="dara", at=SIX))


def test_a_promise_puts_the_task_back_until_its_time(story: Story) -> None:
    story.when(c.ReceiveCall(call_id="in-1"))
    assert names(story.when(c.PromiseCall(operator="dara", at=SIX, note="in the hotel"))) == [
        "contact.call-back-promised",
        "case.task-returned promised",
        "case.task-moved call_promised",
    ]
    assert not story.when(c.PromiseCall(operator="dara", at=SIX))
    assert story.state.task is not None
    assert not story.state.task.front
    assert names(story.when(c.NoteCallBackDue(call_back_id=call_back(story)))) == [
        "contact.call-back-due",
        "case.task-moved call_promised",
    ]
    assert not story.when(c.NoteCallBackDue(call_back_id=call_back(story)))


def test_a_new_promise_replaces_the_old_one(story: Story) -> None:
    story.when(c.PromiseCall(operator="dara", at=SIX))
    story.taken().when(c.PromiseCall(operator="dara", at=SEVEN))
    assert [one.at for one in story.state.owed] == [SEVEN]


def test_a_promise_that_nobody_kept_is_missed_once_and_still_owed(story: Story) -> None:
    story.when(c.PromiseCall(operator="dara", at=SIX))
    missed = c.MissCallBack(call_back_id=call_back(story))
    assert names(story.when(missed)) == ["contact.call-back-missed", "case.task-moved promise_missed"]
    assert not story.when(missed)
    assert story.state.owed


def test_who_is_being_rung_is_not_missed_and_ringing_in_time_keeps_the_promise(story: Story) -> None:
    story.when(c.PromiseCall(operator="dara", at=SIX))
    named = call_back(story)
    story.when(c.NoteCallBackDue(call_back_id=named))
    story.taken().when(c.StartCall(operator="dara", call_id="out-1"))
    assert not story.when(c.MissCallBack(call_back_id=named))
    assert names(story.when(c.EndCall())) == ["contact.call-ended", "contact.call-back-kept"]


def test_a_promise_lapses_with_the_end_of_the_case(story: Story) -> None:
    story.when(c.PromiseCall(operator="dara", at=SIX))
    story.reply("genuine")
    assert [one.status for one in story.state.call_backs.values()] == ["lapsed"]
    assert not story.when(c.MissCallBack(call_back_id=call_back(story)))


def test_nothing_is_promised_about_a_case_that_is_over(story: Story) -> None:
    story.reply("genuine")
    story.when(c.ReceiveCall(call_id="late"))
    story.taken()
    with pytest.raises(Refused, match="resolved"):
        story.when(c.PromiseCall(operator="dara", at=SIX))


def test_a_promise_that_nobody_gave_is_unknown(story: Story) -> None:
    with pytest.raises(Refused, match="unknown_call_back"):
        story.when(c.MissCallBack(call_back_id="none"))


@pytest.mark.parametrize(
    "leaves",
    [
        c.ReturnTask(operator="dara", reason="released"),
        c.HandOver(operator="dara", to="mina"),
        c.Escalate(operator="dara"),
        c.PromiseCall(operator="dara", at=SIX),
    ],
)
def test_whoever_gives_the_task_away_has_hung_up(story: Story, leaves: c.Command) -> None:
    story.when(c.StartCall(operator="dara", call_id="out-1"), c.AnswerCall())
    assert names(story.when(leaves))[0] == "contact.call-ended"
    assert story.state.call is None
