"""The timeline of a case: its replayed events, each as one line that a person reads."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from infra.history.event import Event, Recorded, UnknownEvent
from outreach.cases import events as e
from outreach.contact.codes import explain
from outreach.desk.words import (
    ACTIONS,
    CALL_OUTCOMES,
    CHANNELS,
    MEANINGS,
    METHODS,
    PURPOSES,
    REASONS,
    REOPENED,
    RESOLUTIONS,
    RESULTS,
    RETURNS,
    TOPICS,
    said,
)

HIDDEN = "•••"
"""Stands where personal data is not shown."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line. ``tone``: ``alert``, ``contact``, ``customer``, ``card``, ``desk``, ``look`` or ``end``."""

    position: int
    version: int
    at: datetime
    who: str
    text: str
    tone: str
    detail: str = ""
    wire_name: str


def failure(code: str) -> str:
    """What a provider's error code means, ``the handset is unreachable or switched off (30003)``; empty without one."""
    return f"{explain(int(code)).reason} ({code})" if code.isdecimal() else code


Words: TypeAlias = tuple[str, str, str]
"""Tone, text, detail."""


def _masked(text: str, *, masked: bool) -> str:
    return (HIDDEN if masked else text) if text else ""


def _payments(count: int) -> str:
    return "the payment" if count == 1 else f"{count} payments"


def _alert(event: e.AlertJoined, masked: bool) -> Words:  # noqa: ARG001, FBT001 - one signature for every event
    return "alert", f"Alert: {event.severity}, {said({}, event.rule)}", str(event.evidence.get("words", ""))


def _intended(event: e.ContactIntended, masked: bool) -> Words:  # noqa: FBT001 - the same
    basis = f"{event.template} {event.template_version}, basis {event.legal_basis}, {event.remaining} more allowed"
    text = f"{said(CHANNELS, event.channel)} on its way, attempt {event.attempt}"
    # A letter is read under Contact; here its heading stands for it.
    body = _masked(event.heading or event.body, masked=masked)
    return "contact", text, f"{body}\n{basis}" if body else basis


def _looked(event: e.DataViewed) -> str:
    _, back, position = event.screen.partition(" as of ")
    return f"{event.operator} looked{f' back, to {position}' if back else ''}{'' if event.unmasked else ' (masked)'}"


def _handed_over(event: e.TaskHandedOver) -> str:
    if not event.by:
        return f"{event.operator} handed the task over to {event.to}"
    held = f" from {event.operator}" if event.operator else ""
    return (
        f"{event.by} took the task over{held}"
        if event.by == event.to
        else f"{event.by} gave the task{held} to {event.to}"
    )


_TELLERS: dict[type[Event], Callable[[Any, bool], Words]] = {
    e.CaseOpened: lambda v, _: ("alert", f"Case {v.case_code} opened", ""),
    e.CaseReopened: lambda v, masked: (
        "alert",
        f"Reopened: {said(REOPENED, v.because)}",
        _masked(v.note, masked=masked),
    ),
    e.AlertJoined: _alert,
    e.AlertRevised: lambda v, _: ("alert", f"Alert revised: {v.severity}", str(v.evidence.get("words", ""))),
    e.AlertWithdrawn: lambda _v, _: ("alert", "Alert taken back by detection", ""),
    e.OwnerFound: lambda _v, _: ("alert", "The owner of the card became known", ""),
    e.SeverityRaised: lambda v, _: ("alert", f"Severity raised to {v.severity}", ""),
    e.TaskCreated: lambda v, _: ("desk", f"Task: {said(REASONS, v.reason)}", ""),
    e.TaskMoved: lambda v, _: (
        "desk",
        f"Task now: {said(REASONS, v.reason)}" + (" (front of the queue)" if v.front else ""),
        "",
    ),
    e.TaskTaken: lambda v, _: ("desk", f"{v.operator} took the task", ""),
    e.TaskReturned: lambda v, masked: (
        "desk",
        f"{v.by} took the task back from {v.operator}" if v.by else f"{v.operator} {said(RETURNS, v.reason)}",
        _masked(v.note, masked=masked),
    ),
    e.TaskHandedOver: lambda v, masked: ("desk", _handed_over(v), _masked(v.note, masked=masked)),
    e.TaskEscalated: lambda v, masked: (
        "desk",
        f"{v.operator} wants a supervisor to decide",
        _masked(v.note, masked=masked),
    ),
    e.TaskCompleted: lambda _v, _: ("desk", "Task done", ""),
    e.DataViewed: lambda v, _: ("look", _looked(v), ""),
    e.ContactRequested: lambda v, _: ("contact", f"{said(CHANNELS, v.channel)}: {said(PURPOSES, v.purpose)}", ""),
    e.ContactRefused: lambda v, _: (
        "contact",
        f"{said(CHANNELS, v.channel)} not sent: {said({}, v.reason)}",
        f"policy {v.policy_version}",
    ),
    e.ContactIntended: _intended,
    e.ContactAccepted: lambda v, _: (
        "contact",
        f"{said(CHANNELS, v.channel)} accepted by the provider",
        "learnt by asking afterwards" if v.reconciled else "",
    ),
    e.ContactUnknown: lambda v, _: ("contact", f"{said(CHANNELS, v.channel)}: outcome not known", v.reason),
    e.ContactFailed: lambda v, _: (
        "contact",
        f"{said(CHANNELS, v.channel)} failed",
        " ".join(filter(None, (v.reason, v.code and f"({v.code})"))),
    ),
    e.DeliveryReported: lambda v, _: ("contact", f"Delivery: {v.status}", failure(v.code)),
    e.ReplyReceived: lambda v, masked: (
        "customer",
        f"Reply by {said(CHANNELS, v.channel)}: {said(MEANINGS, v.meaning)}",
        _masked(v.text, masked=masked),
    ),
    e.CallReceived: lambda _v, _: ("customer", "The customer rang, and was promised a call", ""),
    e.CallStarted: lambda v, _: ("contact", f"{v.operator} rang the number on file", ""),
    e.CallAnswered: lambda _v, _: ("customer", "The call was answered", ""),
    e.CallDropped: lambda _v, _: ("customer", "The call was cut off", ""),
    e.CallEnded: lambda v, _: ("contact", f"The call: {said(CALL_OUTCOMES, v.outcome)}", ""),
    e.CallBackAsked: lambda v, _: (
        "customer",
        "A call is owed: " + ("they were cut off" if v.source == "dropped" else "they rang"),
        "",
    ),
    e.CallBackPromised: lambda v, _: (
        "desk",
        f"{v.operator} promised a call: {v.at:%a} {v.at.day} {v.at:%b %H:%M} UTC",
        "",
    ),
    e.CallBackDue: lambda _v, _: ("desk", "The promised call is due soon", ""),
    e.CallBackKept: lambda _v, _: ("desk", "The call that was owed was made", ""),
    e.CallBackMissed: lambda _v, _: ("alert", "The promised call was missed", ""),
    e.CallerNotVerified: lambda v, _: (
        "alert",
        f"{v.operator} could not verify the caller {said(METHODS, v.method)}",
        "",
    ),
    e.SilenceNoted: lambda _v, _: ("customer", "No answer so far", ""),
    e.CallerVerified: lambda v, _: ("desk", f"{v.operator} verified the caller {said(METHODS, v.method)}", ""),
    e.PaymentsConfirmed: lambda v, _: (
        "customer",
        f"{RESOLUTIONS['genuine']}: {_payments(len(v.transactions))}, by {v.by}",
        "",
    ),
    e.PaymentsDenied: lambda v, _: (
        "customer",
        f"{RESOLUTIONS['fraud']}: {_payments(len(v.transactions))}, by {v.by}",
        "",
    ),
    e.SightingsStruckOut: lambda v, _: (
        "desk",
        f"{v.operator} struck out {_payments(len(v.transactions))} that had been believed",
        "",
    ),
    e.WrappedUp: lambda v, masked: (
        "desk",
        f"{v.operator} wrapped up: " + (", ".join(said(TOPICS, topic) for topic in v.topics) or "no topic"),
        _masked(v.note, masked=masked),
    ),
    e.CaseResolved: lambda v, _: ("end", f"Resolved: {said(RESOLUTIONS, v.resolution)}", ""),
    e.CustomerOfCaseErased: lambda _v, _: ("end", "The customer was erased: what was personal here is gone", ""),
    e.CardActionRequested: lambda v, _: ("card", f"{said(ACTIONS, v.action)}: asked for", ""),
    e.CardActionSent: lambda v, _: (
        "card",
        "Sent to the card system" + (f", again ({v.attempt})" * (v.attempt > 1)),
        "",
    ),
    e.CardActionAnswered: lambda v, _: ("card", f"Card system: {said(RESULTS, v.result)}", ""),
    e.CardActionFailed: lambda v, _: ("card", "Card system refused", v.reason),
    e.CardShipped: lambda v, _: ("card", f"New card {v.state}", ""),
}


def timeline(recorded: Sequence[Recorded[Any]], *, masked: bool) -> list[Line]:
    """The events as lines, newest first; what is personal only where ``masked`` is false."""
    return [_line(each, masked=masked) for each in reversed(recorded)]


def _line(each: Recorded[Any], *, masked: bool) -> Line:
    event = each.event
    teller = _TELLERS.get(type(event))
    if teller is not None:
        tone, text, detail = teller(event, masked)
    else:
        name = event.type_name if isinstance(event, UnknownEvent) else type(event).wire_name
        tone, text, detail = "desk", said({}, name.partition(".")[2] or name).capitalize(), ""
    if each.erased:
        detail = "erased"
    return Line(
        position=each.position,
        version=each.version,
        at=each.occurred_at,
        # What followed by itself from a reply or an answer is told without saying again whose it was.
        who="" if each.actor.partition(":")[0] in {"customer", "bank"} else who(each.actor),
        text=text,
        tone=tone,
        detail=detail,
        wire_name=type(event).wire_name,
    )


def who(actor: str) -> str:
    """An actor as the timeline names it: ``operator:dara`` is dara, ``provider:twilio`` is twilio."""
    kind, _, name = actor.partition(":")
    return {"system": "Ringback", "customer": "Customer", "bank": "Bank"}.get(kind, name or kind)
