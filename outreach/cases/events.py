"""Events of the stream ``case-{case_id}``: the whole life of a case, in the field's words."""

from datetime import datetime
from typing import ClassVar

from msgspec import field

from infra.history.event import Event, Personal, PersonalData, Plain
from outreach.cases import call_events, task_events

# --- alerts ---------------------------------------------------------------------------------------------------------


class CaseOpened(Event, frozen=True, kw_only=True):
    """A case for one customer (or for a card that nobody owns: ``customer_id`` empty), because of a first alert.

    ``case_code`` is what the customer is told and any operator can confirm.
    """

    wire_name: ClassVar[str] = "case.opened"
    case_id: Plain
    case_code: Plain
    customer_id: Plain
    card_id: Plain
    alert_id: Plain


class CaseReopened(Event, frozen=True, kw_only=True):
    """The resolved case goes on.

    ``because``: ``blocked_card_used`` or ``alert`` (of ``alert_id``, which stands after all), ``denied`` (the customer
    says that it was not her) or ``operator``.
    """

    wire_name: ClassVar[str] = "case.reopened"
    because: Plain
    alert_id: Plain = ""
    operator: Plain = ""
    note: Personal = ""


class AlertJoined(Event, frozen=True, kw_only=True):
    """An alert became part of the case. ``evidence`` is the evidence card as the alert carried it."""

    wire_name: ClassVar[str] = "case.alert-joined"
    alert_id: Plain
    card_id: Plain
    suspect: Plain
    against: Plain = ""
    verdict: Plain
    severity: Plain
    rule: Plain
    ruleset_version: Plain
    raised_by: Plain = ""
    raised_at: datetime
    paid_at: datetime
    arrived_at: datetime | None = None
    evidence: PersonalData


class AlertRevised(Event, frozen=True, kw_only=True):
    """Detection now says something else of the same suspect."""

    wire_name: ClassVar[str] = "case.alert-revised"
    alert_id: Plain
    against: Plain = ""
    verdict: Plain
    severity: Plain
    raised_by: Plain = ""
    raised_at: datetime
    arrived_at: datetime | None = None
    evidence: PersonalData


class AlertWithdrawn(Event, frozen=True, kw_only=True):
    """Detection takes the alert back: the payment is explained after all."""

    wire_name: ClassVar[str] = "case.alert-withdrawn"
    alert_id: Plain
    raised_by: Plain = ""
    raised_at: datetime
    arrived_at: datetime | None = None


class OwnerFound(Event, frozen=True, kw_only=True):
    """The bank has said whose card it is; the case was opened without knowing."""

    wire_name: ClassVar[str] = "case.owner-found"
    customer_id: Plain


class SeverityRaised(Event, frozen=True, kw_only=True):
    """The case is graver than it was: ``low``, ``medium`` or ``high``."""

    wire_name: ClassVar[str] = "case.severity-raised"
    severity: Plain


# --- the operators' task --------------------------------------------------------------------------------------------

TaskCompleted = task_events.TaskCompleted
TaskCreated = task_events.TaskCreated
TaskEscalated = task_events.TaskEscalated
TaskHandedOver = task_events.TaskHandedOver
TaskMoved = task_events.TaskMoved
TaskReturned = task_events.TaskReturned
TaskTaken = task_events.TaskTaken


class DataViewed(Event, frozen=True, kw_only=True):
    """Somebody looked at the customer's data. ``unmasked``: with the task in hand."""

    wire_name: ClassVar[str] = "case.data-viewed"
    operator: Plain
    screen: Plain
    unmasked: bool


# --- contact --------------------------------------------------------------------------------------------------------


class ContactRequested(Event, frozen=True, kw_only=True):
    """The case wants the customer told. ``purpose``: ``alert``, ``acknowledgement`` or ``opt_out_confirmation``."""

    wire_name: ClassVar[str] = "contact.requested"
    contact_id: Plain
    channel: Plain
    purpose: Plain
    step: int = 1
    answers: Plain = ""


class ContactRefused(Event, frozen=True, kw_only=True):
    """The policy forbids the send, or it cannot be made; nothing went out."""

    wire_name: ClassVar[str] = "contact.refused"
    contact_id: Plain
    channel: Plain
    purpose: Plain
    reason: Plain
    policy_version: Plain


class ContactIntended(Event, frozen=True, kw_only=True):
    """The send is about to be made. Recorded before; an outcome always follows.

    ``remaining`` is how many more messages the law allows for this event in its three days.
    """

    wire_name: ClassVar[str] = "contact.intended"
    contact_id: Plain
    channel: Plain
    purpose: Plain
    attempt: int
    language: Plain
    template: Plain
    template_version: Plain
    template_hash: Plain
    legal_basis: Plain
    policy_version: Plain
    parts: int = 1
    remaining: int = 0
    address: Personal
    heading: Personal = ""
    body: Personal


class ContactAccepted(Event, frozen=True, kw_only=True):
    """The provider has it. ``reconciled``: learnt afterwards, by asking the provider."""

    wire_name: ClassVar[str] = "contact.accepted"
    contact_id: Plain
    channel: Plain
    provider_id: Plain
    reconciled: bool = False


class ContactUnknown(Event, frozen=True, kw_only=True):
    """Whether the provider has it is not known; it is asked before anything else is done."""

    wire_name: ClassVar[str] = "contact.unknown"
    contact_id: Plain
    channel: Plain
    reason: Plain


class ContactFailed(Event, frozen=True, kw_only=True):
    """It did not go out or did not arrive, for good on this channel. ``code`` is the provider's."""

    wire_name: ClassVar[str] = "contact.failed"
    contact_id: Plain
    channel: Plain
    code: Plain
    reason: Plain


class DeliveryReported(Event, frozen=True, kw_only=True):
    """One delivery callback, as it came; the same (provider id, status) is recorded once."""

    wire_name: ClassVar[str] = "contact.delivery-reported"
    contact_id: Plain
    provider_id: Plain
    status: Plain
    code: Plain = ""
    raw: PersonalData = field(default_factory=dict)


class ReplyReceived(Event, frozen=True, kw_only=True):
    """The customer wrote. ``meaning``: ``genuine``, ``fraud``, ``opt_out``, ``opt_in`` or ``unclear``; scrubbed."""

    wire_name: ClassVar[str] = "contact.reply-received"
    reply_id: Plain
    channel: Plain
    meaning: Plain
    text: Personal


class SilenceNoted(Event, frozen=True, kw_only=True):
    """Nothing was heard from the customer for as long as the ladder waits."""

    wire_name: ClassVar[str] = "contact.silence-noted"
    contact_id: Plain


# --- calls ----------------------------------------------------------------------------------------------------------

CallAnswered = call_events.CallAnswered
CallBackAsked = call_events.CallBackAsked
CallBackDue = call_events.CallBackDue
CallBackKept = call_events.CallBackKept
CallBackMissed = call_events.CallBackMissed
CallBackPromised = call_events.CallBackPromised
CallDropped = call_events.CallDropped
CallEnded = call_events.CallEnded
CallReceived = call_events.CallReceived
CallStarted = call_events.CallStarted
CallerNotVerified = call_events.CallerNotVerified
CallerVerified = call_events.CallerVerified

# --- the answer -----------------------------------------------------------------------------------------------------


class PaymentsConfirmed(Event, frozen=True, kw_only=True):
    """It was her. ``by``: ``reply`` or ``operator``."""

    wire_name: ClassVar[str] = "case.payments-confirmed"
    transactions: list[Plain]
    by: Plain


class PaymentsDenied(Event, frozen=True, kw_only=True):
    """It was not her. ``by``: ``reply`` or ``operator``."""

    wire_name: ClassVar[str] = "case.payments-denied"
    transactions: list[Plain]
    by: Plain


class SightingsStruckOut(Event, frozen=True, kw_only=True):
    """Payments that detection believed, and that were not hers, by the operator's word."""

    wire_name: ClassVar[str] = "case.sightings-struck-out"
    transactions: list[Plain]
    operator: Plain


class WrappedUp(Event, frozen=True, kw_only=True):
    """The operator has noted what the contact was about."""

    wire_name: ClassVar[str] = "case.wrapped-up"
    operator: Plain
    topics: list[Plain]
    note: Personal = ""


class CaseResolved(Event, frozen=True, kw_only=True):
    """The case is over: ``genuine``, ``fraud``, ``withdrawn``, ``unanswered``, ``erased`` or ``joined``.

    ``into``: the case that has its alerts now, where it was ``joined`` to one.
    """

    wire_name: ClassVar[str] = "case.resolved"
    resolution: Plain
    into: Plain = ""


class CustomerOfCaseErased(Event, frozen=True, kw_only=True):
    """The customer is erased: what was personal in the case is gone, and what comes later is recorded without it."""

    wire_name: ClassVar[str] = "case.customer-erased"


# --- the card -------------------------------------------------------------------------------------------------------


class CardActionRequested(Event, frozen=True, kw_only=True):
    """The bank's card system is to do something, once: ``hold``, ``decline``, ``block``, ``release``, ``reissue``.

    ``command_id`` is the idempotency key.
    """

    wire_name: ClassVar[str] = "card.action-requested"
    command_id: Plain
    card_id: Plain
    action: Plain
    transactions: list[Plain] = field(default_factory=list)


class CardActionSent(Event, frozen=True, kw_only=True):
    """The command is in the topic, acknowledged by the broker. ``attempt`` counts from 1."""

    wire_name: ClassVar[str] = "card.action-sent"
    command_id: Plain
    attempt: int


class CardActionAnswered(Event, frozen=True, kw_only=True):
    """The card system did it: ``held``, ``declined``, ``blocked``, ``released`` or ``reissued``."""

    wire_name: ClassVar[str] = "card.action-answered"
    command_id: Plain
    result: Plain
    new_card_id: Plain = ""


class CardActionFailed(Event, frozen=True, kw_only=True):
    """The card system refused, or never answered; a person has to look."""

    wire_name: ClassVar[str] = "card.action-failed"
    command_id: Plain
    reason: Plain


class CardShipped(Event, frozen=True, kw_only=True):
    """The new card's way to the customer: ``dispatched`` or ``delivered``."""

    wire_name: ClassVar[str] = "card.shipped"
    command_id: Plain
    state: Plain
