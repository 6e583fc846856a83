"""Events of calls and of call-backs, on the stream ``case-{case_id}``: who rang whom, and what was promised.

``outreach.cases.events`` names them all beside the others.
"""

from datetime import datetime
from typing import ClassVar

from infra.history.event import Event, Plain
from infra.history.registry import register


class CallReceived(Event, frozen=True, kw_only=True):
    """The customer rang. She was told that an operator calls back on the number on file."""

    wire_name: ClassVar[str] = "contact.call-received"
    call_id: Plain


class CallStarted(Event, frozen=True, kw_only=True):
    """The operator rings the number on file."""

    wire_name: ClassVar[str] = "contact.call-started"
    call_id: Plain
    operator: Plain


class CallAnswered(Event, frozen=True, kw_only=True):
    """Somebody has answered; whether it is the customer is for the operator to find out."""

    wire_name: ClassVar[str] = "contact.call-answered"
    call_id: Plain


class CallDropped(Event, frozen=True, kw_only=True):
    """The call broke off while they were talking."""

    wire_name: ClassVar[str] = "contact.call-dropped"
    call_id: Plain


class CallEnded(Event, frozen=True, kw_only=True):
    """The call is over. ``outcome``: ``talked`` or ``not_answered``."""

    wire_name: ClassVar[str] = "contact.call-ended"
    call_id: Plain
    outcome: Plain


class CallBackAsked(Event, frozen=True, kw_only=True):
    """The customer is owed a call. ``source``: ``call`` (she rang) or ``dropped`` (the call broke off)."""

    wire_name: ClassVar[str] = "contact.call-back-asked"
    call_back_id: Plain
    source: Plain


class CallBackPromised(Event, frozen=True, kw_only=True):
    """The operator has promised the customer a call at this time, UTC."""

    wire_name: ClassVar[str] = "contact.call-back-promised"
    call_back_id: Plain
    at: datetime
    operator: Plain


class CallBackDue(Event, frozen=True, kw_only=True):
    """The promised time is near: the task is at the front of the queue."""

    wire_name: ClassVar[str] = "contact.call-back-due"
    call_back_id: Plain


class CallBackKept(Event, frozen=True, kw_only=True):
    """The customer was rung as she had been told, with this call."""

    wire_name: ClassVar[str] = "contact.call-back-kept"
    call_back_id: Plain
    call_id: Plain


class CallBackMissed(Event, frozen=True, kw_only=True):
    """The promised time has passed, and nobody has rung. The call is still owed."""

    wire_name: ClassVar[str] = "contact.call-back-missed"
    call_back_id: Plain


class CallerVerified(Event, frozen=True, kw_only=True):
    """The operator is satisfied that this is the customer. ``method``: ``case_code``, ``callback`` or ``questions``."""

    wire_name: ClassVar[str] = "case.caller-verified"
    operator: Plain
    method: Plain


class CallerNotVerified(Event, frozen=True, kw_only=True):
    """Whoever is speaking could not show that they are the customer. ``method``: what was tried."""

    wire_name: ClassVar[str] = "case.caller-not-verified"
    operator: Plain
    method: Plain


register(
    CallReceived,
    CallStarted,
    CallAnswered,
    CallDropped,
    CallEnded,
    CallBackAsked,
    CallBackPromised,
    CallBackDue,
    CallBackKept,
    CallBackMissed,
    CallerVerified,
    CallerNotVerified,
)
