"""What becomes of a case whose customer is erased."""

import pytest

from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.errors import Refused
from tests.outreach.cases.given import Story, alert, intend, received


def test_an_open_case_is_not_erased_unless_it_is_to_be_closed() -> None:
    story = Story(received())
    with pytest.raises(Refused, match="open"):
        story.when(c.EraseCustomer())


def test_closing_ends_every_contact_and_the_task() -> None:
    story = Story(received())
    given = story.when(c.EraseCustomer(closing=True))
    assert [type(event) for event in given] == [
        e.ContactRefused,
        e.TaskCompleted,
        e.CaseResolved,
        e.CustomerOfCaseErased,
    ]
    assert story.state.task is None
    assert (story.state.resolution, story.state.erased) == ("erased", True)
    assert story.state.barrier


def test_a_message_on_its_way_is_given_up() -> None:
    story = Story(received())
    story.when(story.intend())
    given = story.when(c.EraseCustomer(closing=True))
    assert isinstance(given[0], e.ContactFailed)
    assert story.contact().status == "failed"
    (accepted,) = story.when(c.AcceptContact(contact_id=story.contact().contact_id, provider_id="SM-late"))
    assert isinstance(accepted, e.ContactAccepted)


def test_a_resolved_case_is_erased_as_it_is_and_once() -> None:
    story = Story(received()).told()
    story.when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    story.when(c.TakeTask(operator="dara"), c.WrapUp(operator="dara", topics=[]))
    assert story.state.resolution
    before = story.state.resolution
    assert [type(event) for event in story.when(c.EraseCustomer())] == [e.CustomerOfCaseErased]
    assert story.state.resolution == before
    assert story.when(c.EraseCustomer()) == []


def test_what_comes_later_is_recorded_without_what_is_personal() -> None:
    story = Story(received()).told()
    contact_id = story.contact().contact_id
    story.when(c.EraseCustomer(closing=True))
    report = c.ReportDelivery(
        contact_id=contact_id, provider_id="SM-1", status="delivered", raw={"To": "+14155550123", "From": "+1415"}
    )
    (reported,) = story.when(report)
    assert isinstance(reported, e.DeliveryReported)
    assert (reported.status, reported.raw) == ("delivered", {})
    (revised,) = story.when(c.ReviseAlert(alert=alert(status="revised", severity="high")))
    assert isinstance(revised, e.AlertRevised)
    assert (revised.severity, revised.evidence) == ("high", {})


@pytest.mark.parametrize(
    "command",
    [
        c.ReceiveCall(call_id="CA-1"),
        c.ReceiveReply(reply_id="SM-9", channel="sms", meaning="fraud", text="2"),
    ],
)
def test_who_writes_or_rings_later_does_not_find_the_case(command: c.Command) -> None:
    story = Story(received()).told()
    story.when(c.EraseCustomer(closing=True))
    with pytest.raises(Refused, match="erased"):
        story.when(command)


def test_a_person_may_still_look_after_the_card_and_nothing_goes_out() -> None:
    story = Story(received()).told()
    story.when(c.EraseCustomer(closing=True))
    story.when(c.FailCardAction(command_id=story.action("hold"), reason="unanswered"))
    assert story.state.task is not None
    story.when(c.TakeTask(operator="dara"))
    denied = c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara")
    assert e.ContactRequested not in [type(event) for event in story.when(denied)]


def test_an_acknowledgement_that_fails_after_the_erasure_is_not_tried_another_way() -> None:
    story = Story(received()).told()
    (asked,) = [
        event
        for event in story.when(c.ReceiveReply(reply_id="SM-9", channel="sms", meaning="fraud", text="2"))
        if isinstance(event, e.ContactRequested)
    ]
    story.when(intend(asked.contact_id, "sms", "acknowledgement"))
    story.when(c.AcceptContact(contact_id=asked.contact_id, provider_id="SM-2"))
    story.when(c.EraseCustomer(closing=True))
    failed = c.ReportDelivery(contact_id=asked.contact_id, provider_id="SM-2", status="undelivered", code="30003")
    assert e.ContactRequested not in [type(event) for event in story.when(failed)]
