"""Every message to the customer, and the ladder from one channel to the next."""

import pytest

from outreach.cases import commands as c
from outreach.cases import events as e
from outreach.cases.errors import Refused
from outreach.cases.evolve import evolve
from tests.outreach.cases.given import Story, alert, intend, names, received


@pytest.fixture
def story() -> Story:
    return Story(received())


def test_an_intent_is_recorded_once_and_the_second_says_do_not_send(story: Story) -> None:
    assert names(story.when(story.intend())) == ["contact.intended"]
    assert not story.when(story.intend())


def test_a_further_attempt_follows_an_open_outcome_only(story: Story) -> None:
    story.when(story.intend())
    story.when(c.MarkContactUnknown(contact_id=story.contact().contact_id, reason="time-out"))
    assert story.contact().status == "unknown"
    assert names(story.when(story.intend(attempt=2))) == ["contact.intended"]
    with pytest.raises(Refused, match="wrong_attempt"):
        story.when(story.intend(attempt=5))
    story.when(c.AcceptContact(contact_id=story.contact().contact_id, provider_id="SM1", reconciled=True))
    with pytest.raises(Refused, match="contact_over"):
        story.when(story.intend(attempt=3))


def test_the_message_must_be_the_one_that_was_requested(story: Story) -> None:
    with pytest.raises(Refused, match="unknown_contact"):
        story.when(intend("nobody", "sms", "alert"))
    with pytest.raises(Refused, match="other_contact"):
        story.when(intend(story.contact().contact_id, "email", "alert"))


def test_no_alert_starts_once_the_customer_has_been_heard_from(story: Story) -> None:
    story.when(c.ReceiveCall(call_id="call-1"))
    with pytest.raises(Refused, match="answered"):
        story.when(story.intend())


def test_no_alert_starts_once_nothing_stands(story: Story) -> None:
    story.taken().when(c.WithdrawAlert(alert=alert(status="withdrawn")))
    with pytest.raises(Refused, match="withdrawn"):
        story.when(story.intend())


def test_an_acknowledgement_passes_the_barrier(story: Story) -> None:
    story.told().reply("genuine")
    assert names(story.when(story.intend("acknowledgement"))) == ["contact.intended"]


def test_an_outcome_needs_an_intent(story: Story) -> None:
    contact_id = story.contact().contact_id
    for command in (
        c.AcceptContact(contact_id=contact_id, provider_id="SM1"),
        c.MarkContactUnknown(contact_id=contact_id, reason="time-out"),
        c.NoteSilence(contact_id=contact_id),
    ):
        with pytest.raises(Refused, match="not_intended"):
            story.when(command)


def test_acceptance_is_recorded_once_and_another_id_is_refused(story: Story) -> None:
    story.told()
    contact_id = story.contact().contact_id
    assert not story.when(c.AcceptContact(contact_id=contact_id, provider_id="SM-1"))
    with pytest.raises(Refused, match="accepted_before"):
        story.when(c.AcceptContact(contact_id=contact_id, provider_id="SM-2"))


def test_a_known_outcome_does_not_become_unknown(story: Story) -> None:
    story.told()
    assert not story.when(c.MarkContactUnknown(contact_id=story.contact().contact_id, reason="late"))


def test_a_refusal_goes_on_to_email_and_then_to_a_person(story: Story) -> None:
    sms = story.contact().contact_id
    refuse = c.RefuseContact(contact_id=sms, reason="opted_out", policy_version="1")
    assert names(story.when(refuse)) == ["contact.refused opted_out", "contact.requested 2"]
    assert not story.when(refuse)
    assert story.contact().channel == "email"
    no_email = c.RefuseContact(contact_id=story.contact().contact_id, reason="no_address", policy_version="1")
    assert names(story.when(no_email)) == ["contact.refused no_address", "case.task-moved not_reached"]
    assert story.state.task is not None
    assert story.state.task.front


def test_what_may_have_gone_out_can_only_fail(story: Story) -> None:
    story.when(story.intend())
    with pytest.raises(Refused, match="already_intended"):
        story.when(c.RefuseContact(contact_id=story.contact().contact_id, reason="x", policy_version="1"))


def test_a_failure_goes_on_to_email_once(story: Story) -> None:
    story.when(story.intend())
    failed = c.FailContact(contact_id=story.contact().contact_id, code="21211", reason="invalid number")
    assert names(story.when(failed)) == ["contact.failed invalid number", "contact.requested 2"]
    assert not story.when(failed)


def test_an_undelivered_message_goes_on_to_email(story: Story) -> None:
    story.told()
    lost = c.ReportDelivery(contact_id=story.contact().contact_id, provider_id="SM-1", status="undelivered")
    assert names(story.when(lost)) == ["contact.delivery-reported", "contact.requested 2"]
    assert not story.when(lost)


def test_a_loss_that_is_reported_after_the_arrival_is_kept_and_not_believed(story: Story) -> None:
    story.told()
    contact_id = story.contact().contact_id
    for status in ("sent", "delivered", "undelivered"):
        reported = c.ReportDelivery(contact_id=contact_id, provider_id="SM-1", status=status)
        assert names(story.when(reported)) == ["contact.delivery-reported"]
    assert story.contact().status == "delivered"
    assert not story.when(c.FailContact(contact_id=contact_id, code="x", reason="x"))


def test_silence_goes_on_to_email_once_and_then_to_a_person(story: Story) -> None:
    sms = story.told().contact().contact_id
    assert names(story.when(c.NoteSilence(contact_id=sms))) == ["contact.silence-noted", "contact.requested 2"]
    assert not story.when(c.NoteSilence(contact_id=sms))
    email = story.told().contact().contact_id
    assert names(story.when(c.NoteSilence(contact_id=email))) == [
        "contact.silence-noted",
        "case.task-moved not_reached",
    ]
    assert not story.when(c.NoteSilence(contact_id=email))


def test_silence_after_the_next_step_was_taken_is_void(story: Story) -> None:
    sms = story.told().contact().contact_id
    story.when(c.ReportDelivery(contact_id=sms, provider_id="SM-1", status="failed"))
    assert not story.when(c.NoteSilence(contact_id=sms))


def test_silence_after_an_answer_is_void(story: Story) -> None:
    sms = story.told().contact().contact_id
    story.reply("unclear")
    assert not story.when(c.NoteSilence(contact_id=sms))


def test_an_acknowledgement_that_cannot_be_texted_is_emailed_once(story: Story) -> None:
    story.told().reply("unclear")
    story.when(story.intend("acknowledgement"))
    named = story.contact("acknowledgement").contact_id
    assert not story.when(c.NoteSilence(contact_id=named))
    failed = c.FailContact(contact_id=named, code="30007", reason="filtered")
    assert names(story.when(failed)) == ["contact.failed filtered", "contact.requested 2"]
    assert not story.when(failed)
    for status in ("failed", "undelivered"):
        late = c.ReportDelivery(contact_id=named, provider_id="SM-2", status=status)
        assert "contact.requested 2" not in names(story.when(late))
    emailed = [one for one in story.state.contacts.values() if one.step == 2 and one.purpose == "acknowledgement"]
    assert [(one.channel, one.answers) for one in emailed] == [("email", story.state.contacts[named].answers)]
    lost = c.FailContact(contact_id=emailed[0].contact_id, code="550", reason="no such mailbox")
    assert names(story.when(lost)) == ["contact.failed no such mailbox"]


def test_a_failure_after_the_answer_starts_nothing(story: Story) -> None:
    sms = story.told().contact().contact_id
    story.reply("fraud")
    failed = c.ReportDelivery(contact_id=sms, provider_id="SM-1", status="failed")
    assert names(story.when(failed)) == ["contact.delivery-reported"]


def test_a_call_moves_the_task_to_the_front_once(story: Story) -> None:
    call = c.ReceiveCall(call_id="call-1")
    assert names(story.when(call)) == [
        "contact.call-received",
        "contact.call-back-asked",
        "case.task-moved customer_called",
    ]
    assert not story.when(call)


def test_a_call_after_the_end_makes_a_new_task(story: Story) -> None:
    story.told().reply("genuine")
    call = c.ReceiveCall(call_id="call-1")
    assert names(story.when(call)) == [
        "contact.call-received",
        "contact.call-back-asked",
        "case.task-created customer_called",
    ]
    assert story.state.tasks == 2


def test_what_is_reported_about_another_case_leaves_this_one_as_it_is(story: Story) -> None:
    delivered = e.DeliveryReported(contact_id="nobody", provider_id="SM", status="delivered")
    shipped = e.CardShipped(command_id="nobody", state="delivered")
    assert evolve(evolve(story.state, delivered), shipped) == story.state
