"""What an alert does to its case."""

import pytest

from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.errors import Refused
from outreach.cases.identity import CODE_ALPHABET
from tests.outreach.cases.given import Story, alert, names, received


def test_a_first_alert_opens_the_case_holds_the_card_and_wants_the_customer_told() -> None:
    assert names(Story().when(received())) == [
        "case.opened",
        "case.alert-joined alert",
        "case.task-created call_customer",
        "card.action-requested hold",
        "contact.requested 1",
    ]


def test_a_review_makes_a_task_and_neither_hold_nor_message() -> None:
    assert names(Story().when(received(alert(verdict="review")))) == [
        "case.opened",
        "case.alert-joined review",
        "case.task-created review",
    ]


def test_a_card_that_nobody_owns_is_held_and_nobody_is_written_to() -> None:
    assert names(Story().when(received(customer=""))) == [
        "case.opened",
        "case.alert-joined alert",
        "case.task-created unknown_owner",
        "card.action-requested hold",
    ]


def test_the_case_code_can_be_read_out_and_is_the_same_again() -> None:
    code = Story(received()).state.case_code
    assert len(code) == 6
    assert set(code) <= set(CODE_ALPHABET)
    assert Story(received()).state.case_code == code


def test_a_further_alert_joins_and_the_customer_is_contacted_once() -> None:
    assert names(Story(received()).when(received(alert(2)))) == ["case.alert-joined alert"]


def test_a_graver_alert_raises_the_severity() -> None:
    story = Story(received())
    assert names(story.when(received(alert(2, severity="high"))))[1] == "case.severity-raised"
    assert story.state.severity == "high"
    assert story.state.gravest_standing == "high"


def test_the_same_alert_again_gives_nothing() -> None:
    assert not Story(received()).when(received())


def test_an_alert_after_a_review_moves_the_task_and_tells_the_customer() -> None:
    assert names(Story(received(alert(verdict="review"))).when(received(alert(2)))) == [
        "case.alert-joined alert",
        "case.task-moved call_customer",
        "card.action-requested hold",
        "contact.requested 1",
    ]


def test_another_card_of_the_customer_is_held_as_well() -> None:
    story = Story(received(), received(alert(2, card_id="card-2")))
    assert {one.card_id for one in story.state.actions.values()} == {"card-sokha-visa", "card-2"}


def test_a_revised_verdict_is_acted_on() -> None:
    story = Story(received(alert(verdict="review")))
    revised = alert(status="revised", raised_by="later")
    assert names(story.when(c.ReviseAlert(alert=revised))) == [
        "case.alert-revised alert",
        "case.task-moved call_customer",
        "card.action-requested hold",
        "contact.requested 1",
    ]


def test_a_raised_alert_that_is_known_and_says_something_else_is_a_revision() -> None:
    story = Story(received())
    assert names(story.when(received(alert(severity="high")))) == ["case.alert-revised alert", "case.severity-raised"]


def test_old_messages_of_an_alert_that_come_again_change_nothing() -> None:
    raised, revised = alert(), alert(status="revised", raised_by="later", severity="high")
    withdrawn = alert(status="withdrawn", raised_by="last")
    story = Story(received(raised), c.ReviseAlert(alert=revised), c.WithdrawAlert(alert=withdrawn))
    for again in (received(raised), c.ReviseAlert(alert=revised), c.WithdrawAlert(alert=withdrawn)):
        assert not story.when(again)


def test_what_is_not_part_of_the_case_is_refused() -> None:
    story = Story(received())
    for command in (c.ReviseAlert(alert=alert(9)), c.WithdrawAlert(alert=alert(9))):
        with pytest.raises(Refused, match="unknown_alert"):
            story.when(command)


def test_nothing_but_an_alert_opens_a_case() -> None:
    with pytest.raises(Refused, match="no_case"):
        Story().when(c.TakeTask(operator="dara"))


def test_withdrawn_before_anything_was_sent_the_case_undoes_itself() -> None:
    story = Story(received())
    assert names(story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))) == [
        "case.alert-withdrawn",
        "card.action-requested release",
        "case.resolved withdrawn",
        "case.task-completed",
    ]


def test_withdrawn_after_a_message_the_task_stays_with_the_reason() -> None:
    story = Story(received()).told()
    assert names(story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))) == [
        "case.alert-withdrawn",
        "card.action-requested release",
        "case.task-moved alert_withdrawn",
    ]


def test_withdrawn_in_an_operators_hands_the_case_does_not_vanish() -> None:
    story = Story(received()).taken()
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    assert story.state.resolution == ""
    assert story.state.task is not None


def test_one_of_two_withdrawn_changes_nothing_else() -> None:
    story = Story(received(), received(alert(2)))
    assert names(story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))) == ["case.alert-withdrawn"]


def test_withdrawn_after_the_answer_is_noted_only() -> None:
    story = Story(received()).told()
    story.reply("fraud")
    assert names(story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))) == ["case.alert-withdrawn"]


def test_raised_anew_after_a_withdrawal_the_card_is_held_again() -> None:
    story = Story(received()).told()
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn", raised_by="x")))
    assert names(story.when(c.ReviseAlert(alert=alert(status="revised", raised_by="y")))) == [
        "case.alert-revised alert",
        "case.task-moved call_customer",
        "card.action-requested hold",
    ]
    assert len({one.command_id for one in story.state.actions.values()}) == 3


def test_a_resolved_case_records_what_detection_says_and_does_nothing() -> None:
    story = Story(received()).told()
    story.reply("genuine")
    revised = alert(status="revised", raised_by="later", severity="high")
    assert names(story.when(c.ReviseAlert(alert=revised))) == ["case.alert-revised alert"]
    with pytest.raises(Refused, match="resolved"):
        story.when(received(alert(2)))


def test_a_new_suspect_on_a_blocked_card_asks_for_no_hold() -> None:
    story = Story(received()).taken()
    story.when(c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara"))
    assert names(story.when(received(alert(2)))) == ["case.alert-joined alert"]


def test_a_payment_that_she_has_confirmed_is_not_held_again_by_a_revision() -> None:
    story = Story(received(alert(severity="high"))).told()
    story.reply("genuine")
    revised = alert(status="revised", raised_by="later", severity="medium")
    assert names(story.when(c.ReviseAlert(alert=revised))) == ["case.alert-revised alert"]


def test_an_owner_who_turns_up_is_told() -> None:
    story = Story(received(customer=""))
    assert names(story.when(c.AssignOwner(customer_id="sokha"))) == [
        "case.owner-found",
        "case.task-moved call_customer",
        "contact.requested 1",
    ]
    assert not story.when(c.AssignOwner(customer_id="sokha"))
    with pytest.raises(Refused, match="owned"):
        story.when(c.AssignOwner(customer_id="another"))


def test_an_owner_of_a_review_is_not_written_to() -> None:
    story = Story(received(alert(verdict="review"), customer=""))
    assert names(story.when(c.AssignOwner(customer_id="sokha"))) == ["case.owner-found", "case.task-moved review"]


def test_an_owner_is_found_whatever_the_task_is_about_by_now() -> None:
    story = Story(received(customer=""))
    story.when(c.FailCardAction(command_id=story.action("hold"), reason="no such card"))
    assert names(story.when(c.AssignOwner(customer_id="sokha"))) == ["case.owner-found", "contact.requested 1"]


def test_a_resolved_case_needs_no_owner_any_more() -> None:
    story = Story(received(customer=""))
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    with pytest.raises(Refused, match="resolved"):
        story.when(c.AssignOwner(customer_id="sokha"))


def test_the_time_of_the_payment_is_the_suspects_own() -> None:
    assert alert().paid_at.isoformat() == "2026-03-14T10:12:00+00:00"
    for unsaid in ({}, {"suspect": {"at": "soon"}}, {"suspect": {"at": "2026-03-14T10:12:00"}}):
        assert alert(evidence=unsaid).paid_at == alert().raised_at


BLOCKED = {"rule": "blocked_card_used", "against": None, "severity": "high"}


def test_the_use_of_a_blocked_card_joins_the_open_case_and_holds_nothing_more() -> None:
    story = Story(received())
    holds = [one for one in story.events if isinstance(one, e.CardActionRequested)]
    new = story.when(received(alert(2, **BLOCKED)))
    assert [type(one) for one in new] == [e.AlertJoined, e.SeverityRaised]
    assert len(holds) == 1


def test_the_use_of_a_blocked_card_reopens_a_resolved_case_with_a_task_and_without_a_message() -> None:
    story = Story(received(), c.TakeTask(operator="vanna"))
    story.when(c.DenyPayments(transactions=["paris-1"], by="operator", operator="vanna"))
    story.when(c.WrapUp(operator="vanna", topics=[]))
    assert story.state.resolution == "fraud"
    new = story.when(received(alert(2, **BLOCKED)))
    assert [type(one) for one in new] == [e.CaseReopened, e.AlertJoined, e.SeverityRaised, e.TaskCreated]
    assert isinstance(new[-1], e.TaskCreated)
    assert new[-1].reason == "blocked_card_used"
    assert story.state.resolution == ""
    assert story.when(received(alert(2, **BLOCKED))) == []
    story.when(c.TakeTask(operator="vanna"), c.WrapUp(operator="vanna", topics=[]))
    assert story.state.resolution == "fraud"


def test_what_detection_takes_back_because_of_a_confirmation_resolves_the_case() -> None:
    story = Story(received(), received(alert(2)), c.TakeTask(operator="vanna"))
    story.when(c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="vanna"))
    story.when(c.WithdrawAlert(alert=alert(1, status="withdrawn")))
    assert story.state.resolution == ""
    story.when(c.WithdrawAlert(alert=alert(2, status="withdrawn")))
    assert story.state.resolution == "genuine"
    assert not story.state.held("card-sokha-visa")
    assert story.state.task is not None


def test_with_the_task_in_nobodys_hand_the_explained_case_leaves_the_queue() -> None:
    story = Story(received(), received(alert(2)), c.TakeTask(operator="vanna"))
    story.when(c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="vanna"))
    story.when(c.ReturnTask(operator="vanna", reason="released"))
    story.when(c.WithdrawAlert(alert=alert(2, status="withdrawn")))
    assert (story.state.resolution, story.state.task) == ("genuine", None)


def test_a_believed_payment_is_struck_out_once_by_whoever_holds_the_task() -> None:
    story = Story(received())
    with pytest.raises(Refused, match="not_holder"):
        story.when(c.StrikeOut(transactions=["phnom-penh"], operator="vanna"))
    story.when(c.TakeTask(operator="vanna"))
    with pytest.raises(Refused, match="unknown_payment"):
        story.when(c.StrikeOut(transactions=["paris-1"], operator="vanna"))
    assert names(story.when(c.StrikeOut(transactions=["phnom-penh"], operator="vanna"))) == [
        "case.sightings-struck-out",
        "card.action-requested block",
        "card.action-requested reissue",
    ]
    assert story.when(c.StrikeOut(transactions=["phnom-penh"], operator="vanna")) == []
    assert story.state.struck_out == ("phnom-penh",)
    story.when(c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="vanna"))
    assert not story.state.resolution, "somebody else has paid with the card"
    assert names(story.when(c.WrapUp(operator="vanna", topics=[])))[-1] == "case.resolved fraud"


def test_withdrawn_after_the_end_it_is_recorded_and_nothing_follows() -> None:
    story = Story(received()).taken()
    story.when(c.ConfirmPayments(transactions=["paris-1"], by="operator", operator="dara"))
    assert story.state.resolution == "genuine"
    assert names(story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))) == ["case.alert-withdrawn"]
