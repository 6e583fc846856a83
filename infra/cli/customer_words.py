"""The events of a customer, each as one line that a person reads; nothing personal in it."""

from infra.history.event import Event, Recorded, UnknownEvent
from outreach.cases.identity import case_code
from outreach.customers.events import (
    AlertFiled,
    CaseNamed,
    CaseReleased,
    CustomerErased,
    CustomerRecorded,
    ErasureBegun,
    OptedIn,
    OptedOut,
)
from outreach.desk.timeline import Line, who
from outreach.desk.words import CHANNELS, said


def customer_line(recorded: Recorded[Event]) -> Line:
    """The event as a line of the customer's timeline."""
    tone, text, detail = _words(recorded.event)
    return Line(
        position=recorded.position,
        version=recorded.version,
        at=recorded.occurred_at,
        who=who(recorded.actor),
        text=text,
        tone=tone,
        detail="erased" if recorded.erased else detail,
        wire_name=type(recorded.event).wire_name,
    )


def _words(event: Event) -> tuple[str, str, str]:
    """Tone, text, detail."""
    match event:
        case CustomerRecorded():
            words = "desk", "The bank told who she is", _profile(event)
        case CaseNamed(case_id=case_id):
            words = "alert", f"Case {case_code(case_id)} opened", case_id
        case AlertFiled(alert_id=alert_id, case_id=case_id):
            words = "alert", f"Alert filed under case {case_code(case_id)}", alert_id
        case CaseReleased(case_id=case_id):
            words = "end", f"Case {case_code(case_id)} resolved", case_id
        case OptedOut(channel=channel):
            words = "customer", f"Wants nothing more by {said(CHANNELS, channel)}", ""
        case OptedIn(channel=channel):
            words = "customer", f"Takes messages by {said(CHANNELS, channel)} again", ""
        case ErasureBegun(reason=reason):
            words = "end", "The erasure of the customer begins", reason
        case CustomerErased(reason=reason):
            words = "end", "Erased: what was personal before this is gone for good", reason
        case _:
            name = event.type_name if isinstance(event, UnknownEvent) else type(event).wire_name
            words = "desk", said({}, name.partition(".")[2] or name).capitalize(), ""
    return words


def _profile(event: CustomerRecorded) -> str:
    reached = [name for name, value in (("phone", event.phone), ("email", event.email)) if value]
    parts = [
        f"language {event.language}",
        f"home zone {event.home_zone}",
        f"reached by {' and '.join(reached) or 'nothing'}",
        f"consents: {', '.join(event.consents) or 'none'}",
    ]
    if event.travel_notices:
        parts.append(f"{len(event.travel_notices)} travel notices")
    return "; ".join(parts)
