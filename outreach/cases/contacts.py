"""Every message to the customer, from the wish to its end; and the ladder from one channel to the next."""

from typing import Final

from msgspec.structs import asdict

from outreach.cases import events as e
from outreach.cases.commands import (
    AcceptContact,
    FailContact,
    IntendContact,
    MarkContactUnknown,
    NoteSilence,
    RefuseContact,
    ReportDelivery,
)
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.evolve import LOST
from outreach.cases.identity import contact_id
from outreach.cases.state import ContactState
from outreach.cases.tasks import Reason, to_queue

ALERT: Final = "alert"
ACKNOWLEDGEMENT: Final = "acknowledgement"
LADDER: Final = ("sms", "email")
"""From the fastest channel to the last; each step is taken at most once in a case."""


def request_first(draft: Draft) -> None:
    """Wants the customer told, once a case, unless she has been heard from already."""
    if not draft.state.barrier and not any(one.purpose == ALERT for one in draft.state.contacts.values()):
        _request_step(draft, 1)


def intend(draft: Draft, command: IntendContact) -> None:
    """Records that the message is about to go out. The resolution barrier holds here, at the last moment.

    A further attempt follows only one whose outcome is open; whoever gets no event back must not send.
    """
    contact = _known(draft, command.contact_id)
    if (contact.channel, contact.purpose) != (command.channel, command.purpose):
        raise Refused("other_contact", "the message was requested for another channel or purpose")
    if contact.status == "intended" and command.attempt == contact.attempt:
        return
    if contact.status not in {"requested", "intended", "unknown"}:
        raise Refused("contact_over", "the message has had its outcome")
    if command.attempt != contact.attempt + 1:
        raise Refused("wrong_attempt", "attempts are counted from 1, one by one")
    if contact.purpose == ALERT and draft.state.barrier:
        raise Refused("answered", "the customer has been heard from, or the case is resolved")
    if contact.purpose == ALERT and not draft.state.standing:
        raise Refused("withdrawn", "no alert stands that she would have to be told of")
    draft.add(e.ContactIntended(**asdict(command)))


def refuse(draft: Draft, command: RefuseContact) -> None:
    """Records that nothing goes out, and why; the ladder goes on."""
    contact = _known(draft, command.contact_id)
    if contact.status == "refused":
        return
    if contact.status != "requested":
        raise Refused("already_intended", "the message may have gone out; it can only fail now")
    draft.add(
        e.ContactRefused(
            contact_id=contact.contact_id,
            channel=contact.channel,
            purpose=contact.purpose,
            reason=command.reason,
            policy_version=command.policy_version,
        )
    )
    _go_on(draft, contact)


def accept(draft: Draft, command: AcceptContact) -> None:
    """Records that the provider has the message, even if it had been given up."""
    contact = _intended(draft, command.contact_id)
    if contact.provider_id:
        if contact.provider_id != command.provider_id:
            raise Refused("accepted_before", "the provider has the message under another id")
        return
    draft.add(
        e.ContactAccepted(
            contact_id=contact.contact_id,
            channel=contact.channel,
            provider_id=command.provider_id,
            reconciled=command.reconciled,
        )
    )


def mark_unknown(draft: Draft, command: MarkContactUnknown) -> None:
    """Records that the outcome is open; an outcome that is known stays."""
    contact = _intended(draft, command.contact_id)
    if contact.status == "intended":
        draft.add(e.ContactUnknown(contact_id=contact.contact_id, channel=contact.channel, reason=command.reason))


def fail(draft: Draft, command: FailContact) -> None:
    """Records that the message is lost for good on this channel; the ladder goes on."""
    contact = _known(draft, command.contact_id)
    if contact.status in {"failed", "undelivered", "refused", "delivered"}:
        return
    draft.add(
        e.ContactFailed(
            contact_id=contact.contact_id, channel=contact.channel, code=command.code, reason=command.reason
        )
    )
    _go_on(draft, contact)


def report_delivery(draft: Draft, command: ReportDelivery) -> None:
    """Records one delivery callback, once; a loss that is reported after the arrival is kept and not believed."""
    contact = _known(draft, command.contact_id)
    if (command.provider_id, command.status) in contact.reported:
        return
    draft.add(
        e.DeliveryReported(
            contact_id=contact.contact_id,
            provider_id=command.provider_id,
            status=command.status,
            code=command.code,
            raw=command.raw,
        )
    )
    if command.status in LOST and draft.state.contacts[contact.contact_id].status == "undelivered":
        _go_on(draft, contact)


def note_silence(draft: Draft, command: NoteSilence) -> None:
    """Takes the next step of the ladder, unless she has been heard from or the step is taken already."""
    contact = _intended(draft, command.contact_id)
    if contact.purpose != ALERT or contact.silent or draft.state.barrier or _later(draft, contact):
        return
    draft.add(e.SilenceNoted(contact_id=contact.contact_id))
    _go_on(draft, contact)


def acknowledge(draft: Draft, reply_id: str, channel: str, purpose: str) -> None:
    """Wants the reply answered by "we have it", on the channel on which it came."""
    _request_answer(draft, reply_id, channel, purpose, step=1)


def _known(draft: Draft, named: str) -> ContactState:
    contact = draft.state.contacts.get(named)
    if contact is None:
        raise Refused("unknown_contact", "the case never asked for this message")
    return contact


def _intended(draft: Draft, named: str) -> ContactState:
    contact = _known(draft, named)
    if not contact.attempt:
        raise Refused("not_intended", "a message has an outcome only after its intent")
    return contact


def _later(draft: Draft, contact: ContactState) -> bool:
    return any(one.purpose == ALERT and one.step > contact.step for one in draft.state.contacts.values())


def _answered_later(draft: Draft, contact: ContactState) -> bool:
    others = draft.state.contacts.values()
    return any(one.answers == contact.answers and one.step > contact.step for one in others)


def _request_step(draft: Draft, step: int) -> None:
    named = contact_id(draft.state.case_id, ALERT, step)
    draft.add(e.ContactRequested(contact_id=named, channel=LADDER[step - 1], purpose=ALERT, step=step))


def _request_answer(draft: Draft, reply_id: str, channel: str, purpose: str, *, step: int) -> None:
    named = contact_id(draft.state.case_id, purpose, reply_id if step == 1 else f"{reply_id}/{step}")
    draft.add(e.ContactRequested(contact_id=named, channel=channel, purpose=purpose, step=step, answers=reply_id))


def _go_on(draft: Draft, contact: ContactState) -> None:
    """The next step after one that did not reach her; after the last, a person.

    An acknowledgement that cannot be texted (she has said STOP, say) is emailed: what she wrote was acted on, and she
    is to know. That is all that is tried.
    """
    if contact.purpose == ACKNOWLEDGEMENT and contact.channel == LADDER[0]:
        if not _answered_later(draft, contact):
            _request_answer(draft, contact.answers, LADDER[1], ACKNOWLEDGEMENT, step=2)
        return
    if contact.purpose != ALERT or draft.state.barrier or _later(draft, contact):
        return
    if contact.step < len(LADDER):
        _request_step(draft, contact.step + 1)
    else:
        to_queue(draft, Reason.NOT_REACHED, front=True)
