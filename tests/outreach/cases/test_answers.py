"""What follows when somebody says whose the payments were."""

from typing import Any

import pytest

from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.decide import decide
from outreach.cases.errors import Refused
from outreach.cases.evolve import replay
from tests.outreach.cases.given import Story, alert, names, received


def confirm(*transactions: str, by: Any = "operator", operator: str = "dara") -> c.ConfirmPayments:
    return c.ConfirmPayments(transactions=list(transactions), by=by, operator=operator)


def deny(*transactions: str, by: Any = "operator", operator: str = "dara") -> c.DenyPayments:
    return c.DenyPayments(transactions=list(transactions), by=by, operator=operator)


def wrap_up(operator: str = "dara") -> c.WrapUp:
    return c.WrapUp(operator=operator, topics=["card blocked"], note="all said")


@pytest.fixture
def story() -> Story:
    return Story(received()).told()


def test_it_was_me_releases_the_hold_and_closes(story: Story) -> None:
    assert names(story.reply("genuine")) == [
        "contact.reply-received",
        "case.payments-confirmed reply",
        "card.action-requested release",
        "case.resolved genuine",
        "case.task-completed",
        "contact.requested 1",
    ]
    assert story.contact("acknowledgement").answers == "reply-1"


def test_it_was_me_in_a_grave_case_waits_for_an_operator() -> None:
    story = Story(received(alert(severity="high"))).told()
    assert names(story.reply("genuine")) == [
        "contact.reply-received",
        "case.payments-confirmed reply",
        "case.task-moved confirm_by_phone",
        "contact.requested 1",
    ]
    assert story.state.held("card-sokha-visa")
    assert names(story.taken().when(confirm("paris-1"))) == [
        "case.payments-confirmed operator",
        "card.action-requested release",
        "case.resolved genuine",
    ]


def test_it_was_me_does_not_cover_a_payment_that_she_was_not_told_of(story: Story) -> None:
    story.when(received(alert(2)))
    assert names(story.reply("genuine")) == [
        "contact.reply-received",
        "case.payments-confirmed reply",
        "case.task-moved confirm_by_phone",
        "contact.requested 1",
    ]
    assert set(story.state.confirmed) == {"paris-1"}


def test_it_was_me_after_it_was_not_me_goes_to_a_person(story: Story) -> None:
    story.reply("fraud")
    assert names(story.reply("genuine", 2)) == [
        "contact.reply-received",
        "case.task-moved read_reply",
        "contact.requested 1",
    ]
    assert story.state.held("card-sokha-visa")


def test_it_was_me_once_more_is_only_acknowledged(story: Story) -> None:
    story.reply("genuine")
    assert names(story.reply("genuine", 2)) == ["contact.reply-received", "contact.requested 1"]


def test_it_was_not_me_declines_and_calls_an_operator_who_alone_blocks(story: Story) -> None:
    assert names(story.reply("fraud")) == [
        "contact.reply-received",
        "case.payments-denied reply",
        "card.action-requested decline",
        "case.task-moved denied_by_reply",
        "contact.requested 1",
    ]
    assert names(story.reply("fraud", 2)) == ["contact.reply-received", "contact.requested 1"]


def test_it_was_not_me_after_all_holds_the_card_again(story: Story) -> None:
    story.reply("genuine")
    assert names(story.reply("fraud", 2)) == [
        "contact.reply-received",
        "case.reopened",
        "case.payments-denied reply",
        "card.action-requested hold",
        "card.action-requested decline",
        "case.task-created denied_by_reply",
        "contact.requested 1",
    ]
    story.taken().when(deny("paris-1"))
    assert names(story.when(wrap_up()))[-1] == "case.resolved fraud"
    assert names(story.reply("fraud", 3)) == ["contact.reply-received", "contact.requested 1"]
    assert names(story.reply("genuine", 4))[1] == "case.task-created read_reply"


def test_an_unclear_reply_goes_to_the_front_of_the_queue(story: Story) -> None:
    assert names(story.reply("unclear")) == [
        "contact.reply-received",
        "case.task-moved read_reply",
        "contact.requested 1",
    ]


def test_a_reply_is_taken_once(story: Story) -> None:
    story.reply("unclear")
    assert not story.reply("unclear")


def test_stop_is_confirmed_unless_the_carrier_has_done_it(story: Story) -> None:
    assert names(story.reply("opt_out")) == ["contact.reply-received", "contact.requested 1"]
    assert story.contact("opt_out_confirmation").answers == "reply-1"
    quiet = c.ReceiveReply(reply_id="r", channel="sms", meaning="opt_out", text="STOP", confirmed_by_carrier=True)
    assert names(story.when(quiet)) == ["contact.reply-received"]


def test_starting_again_is_acknowledged_and_is_no_answer(story: Story) -> None:
    story.reply("opt_in")
    assert story.contact("acknowledgement").answers == "reply-1"
    assert not story.state.barrier


def test_a_reply_about_what_was_withdrawn_closes_the_case(story: Story) -> None:
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    assert names(story.reply("genuine")) == [
        "contact.reply-received",
        "case.resolved genuine",
        "case.task-completed",
        "contact.requested 1",
    ]


def test_a_denial_of_what_was_withdrawn_goes_to_a_person(story: Story) -> None:
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    assert "case.task-moved denied_by_reply" in names(story.reply("fraud"))


def test_the_operator_confirms_and_the_case_is_resolved_at_the_last_payment(story: Story) -> None:
    story.when(received(alert(2)))
    story.taken()
    assert names(story.when(confirm("paris-1"))) == ["case.payments-confirmed operator"]
    assert names(story.when(confirm("paris-1", "paris-2"))) == [
        "case.payments-confirmed operator",
        "card.action-requested release",
        "case.resolved genuine",
    ]
    assert not story.when(confirm("paris-2"))
    assert names(story.when(wrap_up())) == ["case.wrapped-up", "case.task-completed"]
    assert not story.when(wrap_up())


def test_the_operator_denies_and_each_thing_is_asked_for_once(story: Story) -> None:
    story.taken()
    assert names(story.when(deny("paris-1"))) == [
        "case.payments-denied operator",
        "card.action-requested decline",
        "card.action-requested block",
        "card.action-requested reissue",
    ]
    assert not story.when(deny("paris-1"))
    story.when(received(alert(2)))
    assert names(story.when(deny("paris-1", "paris-2"))) == [
        "case.payments-denied operator",
        "card.action-requested decline",
    ]
    assert names(story.when(wrap_up())) == ["case.wrapped-up", "case.task-completed", "case.resolved fraud"]


def test_what_she_declined_by_reply_is_not_declined_again(story: Story) -> None:
    story.reply("fraud")
    assert names(story.taken().when(deny("paris-1"))) == [
        "case.payments-denied operator",
        "card.action-requested block",
        "card.action-requested reissue",
    ]


def test_a_payment_that_an_operator_denied_cannot_be_confirmed(story: Story) -> None:
    story.taken().when(deny("paris-1"))
    with pytest.raises(Refused, match="denied_before"):
        story.when(confirm("paris-1"))


def test_a_payment_that_she_denied_by_mistake_can_be_confirmed_on_the_telephone(story: Story) -> None:
    story.reply("fraud")
    assert "case.resolved genuine" in names(story.taken().when(confirm("paris-1")))
    assert not story.state.denied


def test_an_answer_needs_the_task_in_hand_and_payments_of_the_case(story: Story) -> None:
    for command in (confirm("paris-1"), deny("paris-1"), wrap_up(), confirm("paris-1", operator="")):
        with pytest.raises(Refused, match="not_holder"):
            story.when(command)
    story.taken()
    with pytest.raises(Refused, match="no_payments"):
        story.when(confirm())
    with pytest.raises(Refused, match="unknown_payment"):
        story.when(deny("paris-1", "elsewhere"))


def test_an_answer_may_come_by_reply_as_a_command(story: Story) -> None:
    assert "case.payments-denied reply" in names(story.when(deny("paris-1", by="reply", operator="")))
    other = Story(received()).told()
    assert "case.resolved genuine" in names(other.when(confirm("paris-1", by="reply", operator="")))


def test_a_held_card_without_an_answer_is_not_wrapped_up_but_stays_somebodys_task(story: Story) -> None:
    with pytest.raises(Refused, match="unanswered"):
        story.taken().when(wrap_up())
    story.when(c.ReturnTask(operator="dara", reason="released"))
    assert story.state.task is not None
    assert not story.state.resolution


def test_a_denial_by_reply_is_wrapped_up_only_after_the_operators_word(story: Story) -> None:
    story.reply("fraud")
    with pytest.raises(Refused, match="unanswered"):
        story.taken().when(wrap_up())
    assert names(story.when(deny("paris-1"), wrap_up()))[-1] == "case.resolved fraud"


def test_a_second_held_card_keeps_the_case_open(story: Story) -> None:
    story.when(received(alert(2, card_id="card-2")))
    story.taken().when(deny("paris-1"))
    with pytest.raises(Refused, match="unanswered"):
        story.when(wrap_up())
    assert names(story.when(deny("paris-2"), wrap_up()))[-1] == "case.resolved fraud"


def test_a_review_that_held_nothing_may_be_wrapped_up_without_an_answer() -> None:
    story = Story(received(alert(verdict="review"))).taken()
    assert names(story.when(wrap_up()))[-1] == "case.resolved unanswered"
    assert names(story.reply("genuine"))[1] == "case.task-created read_reply"


def test_wrapping_up_what_was_withdrawn_says_so(story: Story) -> None:
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    assert names(story.taken().when(wrap_up()))[-1] == "case.resolved withdrawn"
    assert names(story.reply("genuine")) == ["contact.reply-received", "contact.requested 1"]


def test_an_operators_yes_to_a_late_caller_changes_no_earlier_end(story: Story) -> None:
    story.reply("genuine")
    story.when(c.ReceiveCall(call_id="late"))
    assert names(story.taken().when(confirm("paris-1"))) == ["case.payments-confirmed operator"]
    assert names(story.when(wrap_up())) == ["case.wrapped-up", "case.task-completed"]


def test_it_was_me_by_reply_closes_a_case_whose_task_is_done(story: Story) -> None:
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    assert story.state.task is not None
    state = replay([*story.events, e.TaskCompleted(task_id=story.state.task.task_id)])
    reply = c.ReceiveReply(reply_id="r", channel="sms", meaning="genuine", text="1")
    assert "case.task-completed" not in names(decide(state, reply))


def test_a_denial_after_a_denial_wraps_up_as_fraud_once(story: Story) -> None:
    story.taken().when(deny("paris-1"))
    story.when(wrap_up())
    story.when(c.ReceiveCall(call_id="late"))
    assert names(story.taken().when(wrap_up())) == ["case.wrapped-up", "case.task-completed"]
