"""What an alert does to its case: opens it, joins it, is revised, is taken back."""

from outreach.cases import events as e
from outreach.cases.alert import BLOCKED_CARD_USED, SEVERITIES, Alert
from outreach.cases.answers import resolve_explained
from outreach.cases.card_actions import hold, release
from outreach.cases.commands import AssignOwner, JoinCase, ReceiveAlert, ReviseAlert, WithdrawAlert
from outreach.cases.contacts import request_first
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.evolve import heard_key
from outreach.cases.identity import case_code
from outreach.cases.state import AlertState, CaseState
from outreach.cases.tasks import Reason, complete, to_queue


def receive(draft: Draft, command: ReceiveAlert) -> None:
    """Opens the case with its first alert; lets further ones join. The same alert again: a revision, or nothing.

    The use of a blocked card reopens a resolved case.
    """
    alert = command.alert
    if alert.alert_id in draft.state.alerts:
        _amend(draft, alert)
        return
    if not draft.state.exists:
        draft.add(
            e.CaseOpened(
                case_id=command.case_id,
                case_code=case_code(command.case_id),
                customer_id=command.customer_id,
                card_id=alert.card_id,
                alert_id=alert.alert_id,
            )
        )
    elif draft.may_reopen and alert.rule == BLOCKED_CARD_USED:
        draft.add(e.CaseReopened(because=BLOCKED_CARD_USED, alert_id=alert.alert_id))
    elif draft.state.resolution:
        raise Refused("resolved", "the case is resolved; a new alert opens a new one")
    draft.add(
        e.AlertJoined(
            alert_id=alert.alert_id,
            card_id=alert.card_id,
            suspect=alert.suspect,
            against=alert.against or "",
            verdict=alert.verdict,
            severity=alert.severity,
            rule=alert.rule,
            ruleset_version=alert.ruleset_version,
            raised_by=alert.raised_by,
            raised_at=alert.raised_at,
            paid_at=alert.paid_at,
            arrived_at=alert.arrived_at,
            evidence=alert.evidence,
        )
    )
    _act_on(draft, alert, alert.card_id)


def revise(draft: Draft, command: ReviseAlert) -> None:
    """Records what detection now says of the suspect, and acts on it while the case is open."""
    _known(draft, command.alert)
    _amend(draft, command.alert)


def withdraw(draft: Draft, command: WithdrawAlert) -> None:
    """Records that the payment is explained; with nothing left standing and nothing said, the case undoes itself.

    A customer who has been written to, or an operator at work, is not left with a case that vanished: then the task
    stays, with the reason ``alert_withdrawn``.
    """
    alert = _known(draft, command.alert)
    if alert.withdrawn or heard_key("withdrawn", command.alert) in alert.heard:
        return
    draft.add(
        e.AlertWithdrawn(
            alert_id=alert.alert_id,
            raised_by=command.alert.raised_by,
            raised_at=command.alert.raised_at,
            arrived_at=command.alert.arrived_at,
        )
    )
    state = draft.state
    if state.resolution:
        return
    if state.answered:
        if state.all_hers:
            resolve_explained(draft)
        return
    if not any(one.card_id == alert.card_id and one.verdict == "alert" for one in state.standing):
        release(draft, alert.card_id)
    if state.standing:
        return
    sent = any(contact.attempt for contact in state.contacts.values())
    if sent or state.heard_from or (state.task is not None and state.task.taken_by):
        to_queue(draft, Reason.ALERT_WITHDRAWN)
        return
    draft.add(e.CaseResolved(resolution="withdrawn"))
    complete(draft)


def assign_owner(draft: Draft, command: AssignOwner) -> None:
    """Gives the case to the customer who turned out to own the card, and tells her."""
    state = draft.state
    if state.customer_id == command.customer_id:
        return
    if state.customer_id:
        raise Refused("owned", "the case belongs to another customer")
    if state.resolution:
        raise Refused("resolved", "the case is resolved")
    draft.add(e.OwnerFound(customer_id=command.customer_id))
    graver = any(alert.verdict == "alert" for alert in state.standing)
    if state.task is not None and state.task.reason == Reason.UNKNOWN_OWNER:
        to_queue(draft, Reason.CALL_CUSTOMER if graver else Reason.REVIEW)
    if graver:
        request_first(draft)


def join_another(draft: Draft, command: JoinCase) -> None:
    """Ends the case: its customer has another one open, which goes on with its alerts."""
    if draft.state.customer_id:
        raise Refused("owned", "the case belongs to a customer already")
    if not draft.state.resolution:
        draft.add(e.CaseResolved(resolution="joined", into=command.into))
        complete(draft)


def _known(draft: Draft, alert: Alert) -> AlertState:
    known = draft.state.alerts.get(alert.alert_id)
    if known is None:
        raise Refused("unknown_alert", "the alert is not part of this case")
    return known


def _amend(draft: Draft, alert: Alert) -> None:
    known = draft.state.alerts[alert.alert_id]
    says = (alert.verdict, alert.severity, alert.against or "")
    same = not known.withdrawn and (known.verdict, known.severity, known.against) == says
    if same or heard_key("stands", alert) in known.heard:
        return
    unsettled = unsettles(draft.state, alert)
    draft.add(
        e.AlertRevised(
            alert_id=alert.alert_id,
            against=alert.against or "",
            verdict=alert.verdict,
            severity=alert.severity,
            raised_by=alert.raised_by,
            raised_at=alert.raised_at,
            arrived_at=alert.arrived_at,
            evidence=alert.evidence,
        )
    )
    if unsettled and draft.may_reopen:
        draft.add(e.CaseReopened(because="alert", alert_id=alert.alert_id))
    if not draft.state.resolution:
        _act_on(draft, alert, known.card_id)


def unsettles(state: CaseState, alert: Alert) -> bool:
    """Whether a resolved case does not settle what this message says: it stands after all, or is graver than it was.

    What the customer or an operator has spoken of is settled, whatever detection says of it later.
    """
    known = state.alerts.get(alert.alert_id)
    if (
        known is None
        or not state.resolution
        or alert.status == "withdrawn"
        or heard_key("stands", alert) in known.heard
    ):
        return False
    if alert.suspect in state.confirmed or alert.suspect in state.denied:
        return False
    return known.withdrawn or (known.verdict, alert.verdict) == ("review", "alert")


def _act_on(draft: Draft, alert: Alert, card_id: str) -> None:
    """What an open case does because of an alert that stands; the card is the one that the alert was raised for."""
    if SEVERITIES.index(alert.severity) > SEVERITIES.index(draft.state.severity):
        draft.add(e.SeverityRaised(severity=alert.severity))
    suspicious = alert.verdict == "alert"
    _give_task(draft, suspicious=suspicious, blocked=alert.rule == BLOCKED_CARD_USED)
    if not suspicious or alert.suspect in draft.state.confirmed:
        return
    if alert.rule != BLOCKED_CARD_USED:  # which the bank refuses already
        hold(draft, card_id)
    if draft.state.customer_id:
        request_first(draft)


def _give_task(draft: Draft, *, suspicious: bool, blocked: bool) -> None:
    task = draft.state.task
    if not draft.state.customer_id:
        reason = Reason.UNKNOWN_OWNER
    else:
        reason = Reason.CALL_CUSTOMER if suspicious else Reason.REVIEW
        if suspicious and blocked and draft.state.answered:
            reason = Reason.BLOCKED_CARD_USED
    outdated = {Reason.ALERT_WITHDRAWN, *((Reason.REVIEW,) if suspicious else ())}
    if task is None or task.reason in outdated:
        to_queue(draft, reason)
