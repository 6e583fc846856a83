"""What an erasure does to a case: everything that could still reach the customer ends, and the case says why."""

from outreach.cases import events as e
from outreach.cases.commands import EraseCustomer
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.tasks import complete

REASON = "erased"
_POLICY = "erasure"


def erase(draft: Draft, command: EraseCustomer) -> None:
    """Marks the case as that of an erased customer; once is enough.

    What was asked of the card system goes on: it says nothing of her that the bank does not know, and a hold that
    nobody answers for would be worse.

    Raises:
        Refused: the case is open, and is not to be closed: then she could not be told how it ends.
    """
    state = draft.state
    if state.erased:
        return
    if not state.resolution and not command.closing:
        raise Refused("open", "the case is open: resolve it first, or have it closed")
    for contact in state.contacts.values():
        if contact.status == "requested":
            draft.add(
                e.ContactRefused(
                    contact_id=contact.contact_id,
                    channel=contact.channel,
                    purpose=contact.purpose,
                    reason=REASON,
                    policy_version=_POLICY,
                )
            )
        elif contact.status in {"intended", "unknown"}:
            failed = {"code": "not_sent", "reason": REASON}
            draft.add(e.ContactFailed(contact_id=contact.contact_id, channel=contact.channel, **failed))
    complete(draft)
    if not draft.state.resolution:
        draft.add(e.CaseResolved(resolution="erased"))
    draft.add(e.CustomerOfCaseErased())
