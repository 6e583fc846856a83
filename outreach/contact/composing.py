"""From what a case wants said to the words and the ground, or to the reason why nothing is said. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from infra.history.event import Event, Recorded
from outreach.cases import events as e
from outreach.cases.commands import IntendContact, RefuseContact
from outreach.cases.evolve import replay
from outreach.cases.state import CaseState, ContactState
from outreach.contact.encoding import measure
from outreach.contact.policy import Forbidden, Wish, judge
from outreach.contact.wording import fill, served, template
from outreach.customers.service import Profile

COUNTED: Final = frozenset({"sms", "voice"})
"""Channels whose alerts the law counts together."""


class Bank(msgspec.Struct, frozen=True, kw_only=True):
    """Who is speaking. ``channels``: those that the bank has configured."""

    name: str
    phone: str
    default_language: str
    channels: frozenset[str]


def compose(
    timeline: Sequence[Recorded[Event]], contact_id: str, profile: Profile | None, bank: Bank, now: datetime
) -> IntendContact | RefuseContact:
    """What to do about a requested message: the next attempt at it, or the refusal with its reason.

    Args:
        timeline: the whole case.
        contact_id: a message that the case has requested.
        profile: the customer as she stands now; None where nobody knows who it is.
        bank: who is speaking.
        now: UTC.

    Raises:
        KeyError: the case never asked for this message.
    """
    events = [one.event for one in timeline]
    state = replay(events)
    contact = state.contacts[contact_id]
    language = served(profile.language if profile else "", bank.default_language)
    law = profile.jurisdiction if profile else ""
    chosen = template(_template_name(state, contact, events), contact.channel, language, law)
    filled = fill(chosen, bank=bank.name, phone=bank.phone, code=state.case_code)
    wish = Wish(
        channel=contact.channel,
        purpose=contact.purpose,
        configured=contact.channel in bank.channels,
        address=_address(profile, contact.channel),
        text=filled.body,
        jurisdiction=law,
        consents=frozenset(profile.consents) if profile else frozenset(),
        opted_out=profile.opted_out if profile else frozenset(),
        answered=state.barrier,
        earlier=_earlier(timeline, contact_id),
        replied=contact.answers in state.replies,
        now=now,
    )
    decision = judge(wish)
    if isinstance(decision, Forbidden):
        return RefuseContact(
            contact_id=contact_id, reason=decision.reason.value, policy_version=decision.policy_version
        )
    return IntendContact(
        contact_id=contact_id,
        channel=contact.channel,
        purpose=contact.purpose,
        attempt=contact.attempt + 1,
        language=language,
        template=chosen.name,
        template_version=chosen.version,
        template_hash=chosen.digest,
        legal_basis=decision.legal_basis,
        policy_version=decision.policy_version,
        parts=measure(filled.body).parts if contact.channel == "sms" else 1,
        remaining=decision.remaining,
        address=wish.address,
        heading=filled.heading,
        body=filled.body,
    )


def _template_name(state: CaseState, contact: ContactState, events: Sequence[Event]) -> str:
    """The template for the purpose; an acknowledgement says what became of the reply, not what was hoped for."""
    if contact.purpose != "acknowledgement":
        return contact.purpose
    replies = [one for one in events if isinstance(one, e.ReplyReceived) and one.reply_id == contact.answers]
    meaning = replies[-1].meaning if replies else "unclear"
    if meaning == "opt_in":
        return "ack_opt_in"
    if meaning == "genuine" and state.resolution == "genuine":
        return "ack_genuine"
    if meaning == "genuine" and state.confirmed:
        return "ack_genuine_held"
    if meaning == "fraud" and state.denied:
        return "ack_fraud"
    return "ack_unclear"


def _address(profile: Profile | None, channel: str) -> str:
    if profile is None:
        return ""
    return profile.email if channel == "email" else profile.phone


def _earlier(timeline: Sequence[Recorded[Event]], contact_id: str) -> list[datetime]:
    """When each other alert that counts was first intended; further attempts at one are made only if none arrived."""
    first: dict[str, datetime] = {}
    for one in timeline:
        event = one.event
        if isinstance(event, e.ContactIntended) and event.purpose == "alert" and event.channel in COUNTED:
            first.setdefault(event.contact_id, one.occurred_at)
    first.pop(contact_id, None)
    return list(first.values())
