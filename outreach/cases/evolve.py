"""A case after one more event. Total: whatever the history holds can be replayed, today's rules or not."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

from msgspec.structs import replace

from infra.history.event import Event
from outreach.cases import events as e
from outreach.cases.alert import SEVERITIES
from outreach.cases.evolve_calls import STEPS as CALL_STEPS
from outreach.cases.state import AlertState, CardActionState, CaseState, ContactState, TaskState

EventT = TypeVar("EventT", bound=Event)
_Step: TypeAlias = Callable[[CaseState, EventT], CaseState]

_STEPS: dict[type[Event], Callable[[CaseState, Any], CaseState]] = dict(CALL_STEPS)

DELIVERED = frozenset({"delivered", "read"})
"""Delivery states after which nothing bad that is reported later counts."""
LOST = frozenset({"undelivered", "failed"})
"""Delivery states that say that it will not arrive."""
ENDED = frozenset({"delivered", "undelivered"})
"""What a contact's status is after a last delivery state: an outcome that is recorded later does not undo it."""


def evolve(state: CaseState, event: Event) -> CaseState:
    """The case after the event. An event that a case does not know leaves it as it is."""
    step = _STEPS.get(type(event))
    return state if step is None else step(state, event)


def replay(events: Iterable[Event], onto: CaseState | None = None) -> CaseState:
    """The case after all of these events, oldest first; from its beginning, or from a state."""
    state = onto or CaseState()
    for event in events:
        state = evolve(state, event)
    return state


def heard_key(kind: str, message: Any) -> str:
    """Tells one message of an alert from another; a repeat of the same message has the same key.

    What the arrival of a payment, or of a word on payments, made known is told by whoever detects it with that
    arrival's own time, however often a successor tells it again: the moment of telling says nothing there. Only what
    stands and is told once more after the broker lost its topics has no arrival.
    """
    parts = [kind, message.raised_by, (message.arrived_at or message.raised_at).isoformat()]
    if kind == "stands":
        parts += [message.verdict, message.severity, message.against or ""]
    return "|".join(parts)


def _on(kind: type[EventT]) -> Callable[[_Step[EventT]], _Step[EventT]]:
    def register(step: _Step[EventT]) -> _Step[EventT]:
        _STEPS[kind] = step
        return step

    return register


@_on(e.CaseOpened)
def _opened(state: CaseState, event: e.CaseOpened) -> CaseState:
    return replace(
        state,
        case_id=event.case_id,
        case_code=event.case_code,
        customer_id=event.customer_id,
        card_id=event.card_id,
    )


@_on(e.CaseReopened)
def _reopened(state: CaseState, _event: e.CaseReopened) -> CaseState:
    return replace(state, resolution="", wrapped_up_by="")


@_on(e.OwnerFound)
def _owner_found(state: CaseState, event: e.OwnerFound) -> CaseState:
    return replace(state, customer_id=event.customer_id)


@_on(e.AlertJoined)
def _joined(state: CaseState, event: e.AlertJoined) -> CaseState:
    alert = AlertState(
        alert_id=event.alert_id,
        card_id=event.card_id,
        suspect=event.suspect,
        against=event.against,
        verdict=event.verdict,
        severity=event.severity,
        raised_at=event.raised_at,
        heard=frozenset({heard_key("stands", event)}),
    )
    severity = state.severity or event.severity
    return replace(state, alerts={**state.alerts, event.alert_id: alert}, severity=severity)


def _with_alert(state: CaseState, alert_id: str, change: Callable[[AlertState], AlertState]) -> CaseState:
    alert = state.alerts.get(alert_id)
    return state if alert is None else replace(state, alerts={**state.alerts, alert_id: change(alert)})


@_on(e.AlertRevised)
def _revised(state: CaseState, event: e.AlertRevised) -> CaseState:
    return _with_alert(
        state,
        event.alert_id,
        lambda alert: replace(
            alert,
            against=event.against,
            verdict=event.verdict,
            severity=event.severity,
            raised_at=event.raised_at,
            withdrawn=False,
            heard=alert.heard | {heard_key("stands", event)},
        ),
    )


@_on(e.AlertWithdrawn)
def _withdrawn(state: CaseState, event: e.AlertWithdrawn) -> CaseState:
    return _with_alert(
        state,
        event.alert_id,
        lambda alert: replace(alert, withdrawn=True, heard=alert.heard | {heard_key("withdrawn", event)}),
    )


@_on(e.SeverityRaised)
def _severity_raised(state: CaseState, event: e.SeverityRaised) -> CaseState:
    return replace(state, severity=max(state.severity, event.severity, key=SEVERITIES.index))


@_on(e.TaskCreated)
def _task_created(state: CaseState, event: e.TaskCreated) -> CaseState:
    task = TaskState(task_id=event.task_id, reason=event.reason, front=event.front)
    return replace(state, task=task, tasks=state.tasks + 1)


def _with_task(state: CaseState, **changes: Any) -> CaseState:
    return state if state.task is None else replace(state, task=replace(state.task, **changes))


@_on(e.TaskMoved)
def _task_moved(state: CaseState, event: e.TaskMoved) -> CaseState:
    return _with_task(state, reason=event.reason, front=event.front)


@_on(e.TaskTaken)
def _task_taken(state: CaseState, event: e.TaskTaken) -> CaseState:
    return _with_task(state, taken_by=event.operator)


@_on(e.TaskReturned)
def _task_returned(state: CaseState, event: e.TaskReturned) -> CaseState:
    return _no_longer_escalated(_with_task(state, taken_by=""), over=event.reason == "settled")


@_on(e.TaskHandedOver)
def _task_handed_over(state: CaseState, event: e.TaskHandedOver) -> CaseState:
    return _no_longer_escalated(_with_task(state, taken_by=event.to), over=event.settled)


def _no_longer_escalated(state: CaseState, *, over: bool) -> CaseState:
    return _with_task(state, escalated=False) if over else state


@_on(e.TaskEscalated)
def _task_escalated(state: CaseState, _event: e.TaskEscalated) -> CaseState:
    return _with_task(state, taken_by="", front=True, escalated=True)


@_on(e.TaskCompleted)
def _task_completed(state: CaseState, _event: e.TaskCompleted) -> CaseState:
    return replace(state, task=None)


@_on(e.ContactRequested)
def _contact_requested(state: CaseState, event: e.ContactRequested) -> CaseState:
    contact = ContactState(
        contact_id=event.contact_id,
        channel=event.channel,
        purpose=event.purpose,
        step=event.step,
        answers=event.answers,
    )
    return replace(state, contacts={**state.contacts, event.contact_id: contact})


def _with_contact(state: CaseState, contact_id: str, **changes: Any) -> CaseState:
    contact = state.contacts.get(contact_id)
    if contact is None:
        return state
    return replace(state, contacts={**state.contacts, contact_id: replace(contact, **changes)})


@_on(e.ContactRefused)
def _contact_refused(state: CaseState, event: e.ContactRefused) -> CaseState:
    return _with_contact(state, event.contact_id, status="refused")


@_on(e.ContactIntended)
def _contact_intended(state: CaseState, event: e.ContactIntended) -> CaseState:
    return _with_contact(state, event.contact_id, status="intended", attempt=event.attempt, told=state.suspects)


@_on(e.ContactAccepted)
def _contact_accepted(state: CaseState, event: e.ContactAccepted) -> CaseState:
    # Callbacks may come before the provider's answer: what is known of the end is not forgotten again.
    contact = state.contacts.get(event.contact_id)
    status = contact.status if contact is not None and contact.status in ENDED else "accepted"
    return _with_contact(state, event.contact_id, status=status, provider_id=event.provider_id)


@_on(e.ContactUnknown)
def _contact_unknown(state: CaseState, event: e.ContactUnknown) -> CaseState:
    contact = state.contacts.get(event.contact_id)
    known = contact is not None and contact.status in {"accepted", *ENDED}
    return state if known else _with_contact(state, event.contact_id, status="unknown")


@_on(e.ContactFailed)
def _contact_failed(state: CaseState, event: e.ContactFailed) -> CaseState:
    contact = state.contacts.get(event.contact_id)
    ended = contact is not None and contact.status in ENDED
    return state if ended else _with_contact(state, event.contact_id, status="failed")


@_on(e.DeliveryReported)
def _delivery_reported(state: CaseState, event: e.DeliveryReported) -> CaseState:
    contact = state.contacts.get(event.contact_id)
    if contact is None:
        return state
    status = contact.status
    if event.status in DELIVERED:
        status = "delivered"
    elif event.status in LOST and status != "delivered":
        status = "undelivered"
    reported = contact.reported | {(event.provider_id, event.status)}
    return _with_contact(state, event.contact_id, status=status, reported=reported)


@_on(e.SilenceNoted)
def _silence_noted(state: CaseState, event: e.SilenceNoted) -> CaseState:
    return _with_contact(state, event.contact_id, silent=True)


@_on(e.ReplyReceived)
def _reply_received(state: CaseState, event: e.ReplyReceived) -> CaseState:
    spoke = event.meaning not in {"opt_out", "opt_in"}
    return replace(state, replies=state.replies | {event.reply_id}, heard_from=state.heard_from or spoke)


@_on(e.PaymentsConfirmed)
def _payments_confirmed(state: CaseState, event: e.PaymentsConfirmed) -> CaseState:
    told = set(event.transactions)
    confirmed = {**state.confirmed, **dict.fromkeys(event.transactions, event.by)}
    denied = {suspect: by for suspect, by in state.denied.items() if suspect not in told}
    struck_out = tuple(one for one in state.struck_out if one not in told)
    return replace(state, confirmed=confirmed, denied=denied, struck_out=struck_out)


@_on(e.PaymentsDenied)
def _payments_denied(state: CaseState, event: e.PaymentsDenied) -> CaseState:
    told = set(event.transactions)
    denied = {**state.denied, **dict.fromkeys(event.transactions, event.by)}
    confirmed = {suspect: by for suspect, by in state.confirmed.items() if suspect not in told}
    return replace(state, confirmed=confirmed, denied=denied)


@_on(e.SightingsStruckOut)
def _struck_out(state: CaseState, event: e.SightingsStruckOut) -> CaseState:
    return replace(state, struck_out=tuple(dict.fromkeys([*state.struck_out, *event.transactions])))


@_on(e.WrappedUp)
def _wrapped_up(state: CaseState, event: e.WrappedUp) -> CaseState:
    return replace(state, wrapped_up_by=event.operator)


@_on(e.CustomerOfCaseErased)
def _erased(state: CaseState, _event: e.CustomerOfCaseErased) -> CaseState:
    return replace(state, erased=True)


@_on(e.CaseResolved)
def _resolved(state: CaseState, event: e.CaseResolved) -> CaseState:
    lapsed = {one.call_back_id: replace(one, status="lapsed") for one in state.owed}
    return replace(state, resolution=event.resolution, call_backs={**state.call_backs, **lapsed})


@_on(e.CardActionRequested)
def _action_requested(state: CaseState, event: e.CardActionRequested) -> CaseState:
    action = CardActionState(
        command_id=event.command_id,
        card_id=event.card_id,
        action=event.action,
        transactions=frozenset(event.transactions),
    )
    return replace(state, actions={**state.actions, event.command_id: action})


def _with_action(state: CaseState, command_id: str, **changes: Any) -> CaseState:
    action = state.actions.get(command_id)
    if action is None:
        return state
    return replace(state, actions={**state.actions, command_id: replace(action, **changes)})


@_on(e.CardActionSent)
def _action_sent(state: CaseState, event: e.CardActionSent) -> CaseState:
    return _with_action(state, event.command_id, attempt=event.attempt)


@_on(e.CardActionAnswered)
def _action_answered(state: CaseState, event: e.CardActionAnswered) -> CaseState:
    return _with_action(state, event.command_id, result=event.result, new_card_id=event.new_card_id)


@_on(e.CardActionFailed)
def _action_failed(state: CaseState, event: e.CardActionFailed) -> CaseState:
    return _with_action(state, event.command_id, failed=event.reason or "no reason given")


@_on(e.CardShipped)
def _shipped(state: CaseState, event: e.CardShipped) -> CaseState:
    action = state.actions.get(event.command_id)
    if action is None:
        return state
    return _with_action(state, event.command_id, shipped=action.shipped | {event.state})
