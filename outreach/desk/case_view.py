"""The case as one screen: everything that the page and the API show, already masked or not. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from infra.history.event import Recorded
from outreach.cases.answers import awaiting_answer
from outreach.cases.events import (
    AlertJoined,
    AlertRevised,
    CaseReopened,
    CaseResolved,
    CustomerOfCaseErased,
    TaskCreated,
    TaskEscalated,
    TaskHandedOver,
    TaskReturned,
    TaskTaken,
)
from outreach.cases.state import CaseState
from outreach.customers.service import Profile
from outreach.desk.contact_view import ActionView, ContactView, actions, contacts
from outreach.desk.evidence_view import AlertView, End, PaymentRow, alert_view, ends_against, evidence_of, payments
from outreach.desk.guide import Advice, Step, advise, told, way
from outreach.desk.masking import masked_email, masked_name, masked_phone
from outreach.desk.timeline import HIDDEN, Line, timeline
from outreach.desk.words import CHANNELS, LANGUAGES, METHODS, REASONS, RESOLUTIONS, local, said, zone

MOST_ASKED = 4
"""As many payments as one can name in a question."""


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """The customer, masked or not. ``there``: where the card's believed payments put them.

    ``token``: the card as the bank names it, where its owner is not known: by that the card desk finds them.
    """

    known: bool
    name: str
    phone: str
    email: str
    language: str
    home: str
    home_time: str
    there: str
    there_time: str
    jurisdiction: str
    cards: tuple[tuple[str, bool], ...]
    token: str
    notices: tuple[str, ...]
    opted_out: tuple[str, ...]
    consents: tuple[str, ...]


class Believed(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that a suspect contradicts. ``struck_out``: an operator has heard that it was not the customer's."""

    payment: End
    struck_out: bool


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """The screen. ``masked``: the task is not in this operator's hand. ``open_payments``: nobody has said of them.

    ``must_answer``: the card is on hold, and the case cannot be wrapped up before somebody has said whose they were.
    ``told``: a message of ours, with the case code, may have come to the customer. ``erased_at``: when the customer was
    erased, with everything personal in the case. ``doubted``: how somebody on the phone failed to be the customer.
    ``call``: ``ringing`` or ``talking``, while an operator is on the phone. ``promise_zone``: the zone in whose time a
    call is promised.
    """

    case_id: str
    case_code: str
    version: int
    position: int
    severity: str
    reason: str
    resolution: str
    held_by: str
    mine: bool
    masked: bool
    front: bool
    since: datetime | None
    taken_at: datetime | None
    who: Who
    alerts: list[AlertView]
    payments: list[PaymentRow]
    contacts: list[ContactView]
    actions: list[ActionView]
    timeline: list[Line]
    advice: Advice
    way: list[Step]
    verified: str
    open_payments: list[str]
    must_answer: bool
    told: bool
    doubted: str
    call: str
    promised_at: datetime | None
    promise_zone: str
    escalated: bool
    believed: list[Believed]
    may_reopen: bool
    left_note: str
    resolved_at: datetime | None
    erased_at: datetime | None
    language: str


def holds(state: CaseState, operator: str) -> bool:
    """Whether the operator has the case's task in hand: only then is anything unmasked."""
    return state.task is not None and bool(operator) and state.task.taken_by == operator


def case_view(
    state: CaseState,
    version: int,
    recorded: Sequence[Recorded[Any]],
    profile: Profile | None,
    *,
    operator: str,
    now: datetime,
    bank: str,
    supervises: bool = False,
    unmasked: bool | None = None,
    erased_at: datetime | None = None,
) -> CaseView:
    """Everything on the screen of this operator at this moment. ``supervises``: they are a supervisor.

    ``unmasked``: given for a case as it was once: who holds the task now decides it, and nobody acts. ``erased_at``:
    likewise: whoever was erased since is erased in what was known before, too.
    """
    masked = not (holds(state, operator) if unmasked is None else unmasked)
    evidence = evidence_of(recorded)
    rules = {each.event.alert_id: each.event.rule for each in recorded if isinstance(each.event, AlertJoined)}
    revised = {each.event.alert_id: each.occurred_at for each in recorded if isinstance(each.event, AlertRevised)}
    alerts = [
        alert_view(alert, evidence.get(alert_id, {}), rules.get(alert_id, ""), state, revised.get(alert_id))
        for alert_id, alert in state.alerts.items()
    ]
    # What stands comes before what was taken back; among what stands, the first is what the customer was asked about.
    alerts.sort(key=lambda alert: alert.withdrawn)
    unanswered = [
        a.suspect for a in state.standing if a.suspect not in state.confirmed and a.suspect not in state.denied
    ]
    asked = _asked(alerts)
    erased_at = erased_at or when_erased(recorded)
    advice = advise(state, operator, what=_what(asked), bank=bank, count=max(1, len(asked)), supervises=supervises)
    return CaseView(
        case_id=state.case_id,
        case_code=state.case_code,
        version=version,
        position=recorded[-1].position if recorded else 0,
        severity=state.severity,
        reason=said(REASONS, state.task.reason) if state.task else "",
        resolution=said(RESOLUTIONS, state.resolution) if state.resolution else "",
        held_by=state.task.taken_by if state.task else "",
        mine=not masked and unmasked is None,
        masked=masked,
        front=state.task.front if state.task else False,
        since=_last_of(recorded, TaskCreated),
        taken_at=_last_of(recorded, TaskTaken),
        who=_erased(erased_at) if erased_at else _who(profile, state, alerts, masked=masked, now=now),
        alerts=alerts,
        payments=payments(list(evidence.values()), state),
        contacts=contacts(recorded, masked=masked),
        actions=actions(recorded),
        timeline=timeline(recorded, masked=masked),
        advice=advice,
        way=way(advice, state),
        verified=", ".join(sorted({said(METHODS, method) for _, method in state.verified})),
        open_payments=list(dict.fromkeys(unanswered)),
        told=told(state),
        doubted=", ".join(sorted({said(METHODS, method) for _, method in state.doubted})),
        call="" if state.call is None else "talking" if state.call.answered else "ringing",
        promised_at=next((one.at for one in state.owed if one.at is not None), None),
        promise_zone=_promise_zone(profile, alerts),
        escalated=state.task.escalated if state.task else False,
        believed=_believed(alerts, state, recorded),
        may_reopen=bool(state.resolution) and state.task is None and state.resolution not in {"joined", "erased"},
        left_note="" if masked else _left_note(recorded),
        must_answer=awaiting_answer(state),
        resolved_at=_last_of(recorded, CaseResolved) if state.resolution else None,
        erased_at=erased_at,
        language=profile.language if profile else "",
    )


def when_erased(recorded: Sequence[Recorded[Any]]) -> datetime | None:
    """When the customer of the case was erased; None where that is not so."""
    return _last_of(recorded, CustomerOfCaseErased)


def _left_note(recorded: Sequence[Recorded[Any]]) -> str:
    """What the last operator left for the next one."""
    for each in reversed(recorded):
        match each.event:
            case TaskReturned(operator=operator, note=note, by=by):
                return f"{by or operator} put it back: {note}" if note else ""
            case TaskHandedOver(operator=operator, note=note, by=by):
                return f"{by or operator} handed it over: {note}" if note else ""
            case TaskEscalated(operator=operator, note=note):
                return f"{operator} wants a supervisor: {note}" if note else ""
            case CaseReopened(operator=operator, note=note) if operator:
                return f"{operator} reopened it: {note}" if note else ""
    return ""


def _believed(alerts: Sequence[AlertView], state: CaseState, recorded: Sequence[Recorded[Any]]) -> list[Believed]:
    """What the suspects contradict, each payment once; and what was struck out, which they contradict no more."""
    ends = {end.transaction_id: end for end in ends_against(recorded) if end.transaction_id in state.struck_out}
    ends |= {alert.against.transaction_id: alert.against for alert in alerts if alert.against and not alert.withdrawn}
    return [Believed(payment=end, struck_out=named in state.struck_out) for named, end in ends.items()]


def _promise_zone(profile: Profile | None, alerts: Sequence[AlertView]) -> str:
    """Where the customer was last believed to be, else where they live: by those clocks a call suits them."""
    zones = [alert.against.zone for alert in alerts if alert.against and not alert.withdrawn]
    zones.append(profile.home_zone if profile else "")
    return next((name for name in zones if zone(name) is not None), "UTC")


def _last_of(recorded: Sequence[Recorded[Any]], kind: type) -> datetime | None:
    return next((each.occurred_at for each in reversed(recorded) if isinstance(each.event, kind)), None)


def _asked(alerts: Sequence[AlertView]) -> list[AlertView]:
    """The suspects to ask about: those that stand and nobody has spoken of; all that stand once everything is said."""
    standing = [alert for alert in alerts if not alert.withdrawn] or list(alerts)
    return [alert for alert in standing if not alert.answer] or standing


def _what(asked: Sequence[AlertView]) -> str:
    """The payments as one says them: each with amount and merchant, a place once for all that share it."""
    if not asked:
        return "with this card"
    ends = [alert.suspect for alert in asked]
    places = {end.place for end in ends}
    named = [
        f"{end.amount} at {end.merchant}" + (f" in {end.place}" if end.place and len(places) > 1 else "")
        for end in ends[:MOST_ASKED]
    ]
    if len(ends) > MOST_ASKED:
        named.append(f"{len(ends) - MOST_ASKED} more")
    listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    place = ends[0].place
    where = f" in {place}" if place and len(places) == 1 else ""
    return listed + (f", all{where}" if where and len(named) > 2 else where)  # noqa: PLR2004 - two need no "all"


def _nobody(name: str, *, there: str = "", there_time: str = "", token: str = "") -> Who:
    return Who(
        known=False,
        name=name,
        phone="",
        email="",
        language="",
        home="",
        home_time="",
        there=there,
        there_time=there_time,
        jurisdiction="",
        cards=(),
        token=token,
        notices=(),
        opted_out=(),
        consents=(),
    )


def _erased(at: datetime) -> Who:
    return _nobody(f"Erased on {at.day} {at:%B %Y}")


def _who(profile: Profile | None, state: CaseState, alerts: Sequence[AlertView], *, masked: bool, now: datetime) -> Who:
    believed = next((alert.against for alert in alerts if alert.against and not alert.withdrawn), None)
    there = ", ".join(filter(None, (believed.place, believed.country))) if believed else ""
    there_time = local(now, believed.zone) if believed and believed.zone else ""
    if profile is None:
        token = HIDDEN if masked else state.card_id
        return _nobody("Unknown owner", there=there, there_time=there_time, token=token)
    city = ", ".join(str(profile.home[part]) for part in ("city", "country") if profile.home.get(part))
    suspected = {alert.card_id for alert in state.alerts.values()}
    cards = tuple(
        (HIDDEN if masked else four or HIDDEN, card_id in suspected) for card_id, four in profile.cards.items()
    )
    notices = tuple(
        f"{notice.get('country', '')} {notice.get('from', '')} to {notice.get('to', '')}".strip()
        for notice in profile.travel_notices
    )
    return Who(
        known=True,
        name=masked_name(profile.name) if masked else profile.name,
        phone=masked_phone(profile.phone) if masked else profile.phone,
        email=masked_email(profile.email) if masked else profile.email,
        language=said(LANGUAGES, profile.language),
        home=HIDDEN if masked and city else city,
        home_time=local(now, profile.home_zone),
        there=there,
        there_time=there_time,
        jurisdiction=profile.jurisdiction,
        cards=cards,
        token="",
        notices=() if masked else notices,
        opted_out=tuple(said(CHANNELS, each) for each in sorted(profile.opted_out)),
        consents=profile.consents,
    )
