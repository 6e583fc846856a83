"""Every contact with the customer, and every action on the card, with the state that each is in. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from infra.history.event import Recorded
from outreach.cases import events as e
from outreach.desk.masking import masked_email, masked_phone
from outreach.desk.timeline import HIDDEN, failure
from outreach.desk.words import ACTIONS, CALL_OUTCOMES, CHANNELS, CONTACT_STATES, MEANINGS, PURPOSES, RESULTS, said

GOOD, BAD, OPEN = "good", "bad", "open"
"""Tones: arrived, went wrong, still under way."""

ERASED = "erased"
"""Stands where words were, once their customer is erased."""

_TONES = {"delivered": GOOD, "refused": BAD, "failed": BAD, "undelivered": BAD, "unknown": BAD}
_FINAL = frozenset({"delivered", "undelivered"})
_REPORTED = {"delivered": "delivered", "read": "delivered", "undelivered": "undelivered", "failed": "undelivered"}


class ContactView(msgspec.Struct, kw_only=True):
    """One message to the customer, or one reply or call of theirs (``inbound``)."""

    at: datetime
    channel: str
    purpose: str
    state: str
    tone: str
    inbound: bool = False
    address: str = ""
    heading: str = ""
    body: str = ""
    detail: str = ""


class ActionView(msgspec.Struct, kw_only=True):
    """One command to the bank's card system, and what it answered."""

    command_id: str
    action: str
    at: datetime
    state: str
    tone: str
    detail: str = ""


def contacts(recorded: Sequence[Recorded[Any]], *, masked: bool) -> list[ContactView]:
    """The contacts, newest first; address, words and replies only where ``masked`` is false."""
    found: dict[str, ContactView] = {}
    for each in recorded:
        event = each.event
        if isinstance(event, e.ContactRequested):
            found[event.contact_id] = ContactView(
                at=each.occurred_at,
                channel=said(CHANNELS, event.channel),
                purpose=said(PURPOSES, event.purpose),
                state=said(CONTACT_STATES, "requested"),
                tone=OPEN,
            )
        elif isinstance(event, e.ReplyReceived):
            found[event.reply_id] = ContactView(
                at=each.occurred_at,
                channel=said(CHANNELS, event.channel),
                purpose="The customer wrote",
                state=said(MEANINGS, event.meaning),
                tone=GOOD,
                inbound=True,
                body=ERASED if each.erased else HIDDEN if masked else event.text,
            )
        elif isinstance(event, e.CallStarted):
            found[event.call_id] = ContactView(
                at=each.occurred_at, channel="Call", purpose="Rang the number on file", state="ringing", tone=OPEN
            )
        elif isinstance(event, e.CallAnswered | e.CallDropped | e.CallEnded):
            _follow_call(found.get(event.call_id), event)
        elif isinstance(event, e.CallReceived):
            found[event.call_id] = ContactView(
                at=each.occurred_at,
                channel="Call",
                purpose="The customer rang",
                state="promised a call",
                tone=GOOD,
                inbound=True,
            )
        else:
            contact = found.get(getattr(event, "contact_id", ""))
            if contact is not None:
                _advance(contact, event, each.occurred_at, masked=masked)
                if each.erased and isinstance(event, e.ContactIntended):
                    contact.body, contact.heading = ERASED, ""
    return sorted(found.values(), key=lambda contact: contact.at, reverse=True)


def _follow_call(contact: ContactView | None, event: e.CallAnswered | e.CallDropped | e.CallEnded) -> None:
    if contact is None:
        return
    match event:
        case e.CallAnswered():
            contact.state, contact.tone = "talking", GOOD
        case e.CallDropped():
            contact.state, contact.tone = "cut off", BAD
        case e.CallEnded(outcome=outcome):
            contact.state = said(CALL_OUTCOMES, outcome)
            contact.tone = GOOD if outcome == "talked" else BAD


def _advance(contact: ContactView, event: object, at: datetime, *, masked: bool) -> None:
    match event:
        case e.ContactIntended():
            mask = masked_email if "@" in event.address else masked_phone
            contact.at = at
            contact.address = mask(event.address) if masked else event.address
            contact.heading = "" if masked else event.heading
            contact.body = HIDDEN if masked else event.body
            contact.detail = f"attempt {event.attempt}" if event.attempt > 1 else ""
            _set(contact, "intended")
        case e.ContactAccepted():
            _set(contact, "accepted")
        case e.ContactRefused() | e.ContactUnknown():
            _set(contact, "refused" if isinstance(event, e.ContactRefused) else "unknown")
            contact.detail = said({}, event.reason)
        case e.ContactFailed():
            _set(contact, "failed")
            contact.detail = " ".join(filter(None, (said({}, event.reason), event.code and f"({event.code})")))
        case e.DeliveryReported() if event.status in _REPORTED:
            _set(contact, _REPORTED[event.status])
            contact.detail = failure(event.code) or contact.detail
        case _:
            pass


def _set(contact: ContactView, status: str) -> None:
    # A callback may overtake the provider's own answer: what is final stays.
    if contact.state not in {said(CONTACT_STATES, each) for each in _FINAL} or status in _FINAL:
        contact.state, contact.tone = said(CONTACT_STATES, status), _TONES.get(status, OPEN)


def actions(recorded: Sequence[Recorded[Any]]) -> list[ActionView]:
    """The actions on the card, in the order in which they were asked for."""
    found: dict[str, ActionView] = {}
    for each in recorded:
        event = each.event
        if isinstance(event, e.CardActionRequested):
            found[event.command_id] = ActionView(
                command_id=event.command_id,
                action=said(ACTIONS, event.action),
                at=each.occurred_at,
                state="asked for",
                tone=OPEN,
            )
            continue
        action = found.get(getattr(event, "command_id", ""))
        if action is None:
            continue
        match event:
            case e.CardActionSent() if action.tone == OPEN:
                action.state, action.at = "sent, waiting for the answer", each.occurred_at
                action.detail = f"attempt {event.attempt}" if event.attempt > 1 else ""
            case e.CardActionAnswered():
                action.state, action.tone, action.at = said(RESULTS, event.result), GOOD, each.occurred_at
            case e.CardActionFailed():
                action.state, action.tone, action.at = "failed", BAD, each.occurred_at
                action.detail = event.reason
            case e.CardShipped():
                action.state, action.tone, action.at = said(RESULTS, event.state), GOOD, each.occurred_at
            case _:
                pass
    return list(found.values())
