"""What can be asked of a case, imperative. `outreach.cases.decide` answers with events, or refuses."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from outreach.cases.alert import Alert

# --- alerts ---------------------------------------------------------------------------------------------------------


class ReceiveAlert(Struct, frozen=True, kw_only=True):
    """Open this case with the alert, or let the alert join it. ``customer_id`` is empty where nobody owns the card."""

    case_id: str
    customer_id: str
    alert: Alert


class ReviseAlert(Struct, frozen=True, kw_only=True):
    """Detection says something else of the same suspect."""

    alert: Alert


class WithdrawAlert(Struct, frozen=True, kw_only=True):
    """Detection takes the alert back."""

    alert: Alert


class AssignOwner(Struct, frozen=True, kw_only=True):
    """The owner of the case's card has become known; the case was opened without one."""

    customer_id: str


class JoinCase(Struct, frozen=True, kw_only=True):
    """The owner has become known, and has a case open, ``into``, that goes on with the alerts of this one."""

    into: str


# --- the operators' task --------------------------------------------------------------------------------------------


class TakeTask(Struct, frozen=True, kw_only=True):
    """The operator takes the open task in hand. ``supervisor``: they are one, and may take what is escalated."""

    operator: str
    supervisor: bool = False


class ReturnTask(Struct, frozen=True, kw_only=True):
    """The task goes back to the queue: ``released`` by its operator, ``hand_over`` after their silence."""

    operator: str
    reason: Literal["released", "hand_over"]
    note: str = ""


class HandOver(Struct, frozen=True, kw_only=True):
    """The operator gives the task into the hand of another one, ``to``.

    ``to_supervisor``: the other one is a supervisor; given to anybody else, an escalated task is an ordinary one again.
    """

    operator: str
    to: str
    to_supervisor: bool = False
    note: str = ""


class Escalate(Struct, frozen=True, kw_only=True):
    """The operator wants a supervisor to decide: the task goes to the front of the queue, and says so."""

    operator: str
    note: str = ""


class SettleEscalation(Struct, frozen=True, kw_only=True):
    """The supervisor who has the escalated task in hand has decided: it goes back to the queue, for any operator."""

    supervisor: str
    note: str = ""


class AssignTask(Struct, frozen=True, kw_only=True):
    """The supervisor gives the task into the hand of ``to``, whoever has it, or nobody. Not out of a call."""

    supervisor: str
    to: str
    to_supervisor: bool = False
    note: str = ""


class TakeBack(Struct, frozen=True, kw_only=True):
    """The supervisor puts the task of another operator back into the queue. Not out of a call."""

    supervisor: str
    note: str = ""


class ReopenCase(Struct, frozen=True, kw_only=True):
    """The operator wants the resolved case to go on."""

    operator: str
    note: str = ""


class ViewData(Struct, frozen=True, kw_only=True):
    """The operator looks at the customer's data; unmasked only with the task in hand."""

    operator: str
    screen: str


class VerifyCaller(Struct, frozen=True, kw_only=True):
    """The operator is satisfied that this is the customer."""

    operator: str
    method: Literal["case_code", "callback", "questions"]


class RejectCaller(Struct, frozen=True, kw_only=True):
    """Whoever is speaking could not show that they are the customer."""

    operator: str
    method: Literal["case_code", "callback", "questions"]


class ConfirmPayments(Struct, frozen=True, kw_only=True):
    """It was her. By the operator who holds the task, or by her reply (then ``operator`` is empty)."""

    transactions: list[str]
    by: Literal["reply", "operator"]
    operator: str = ""


class DenyPayments(Struct, frozen=True, kw_only=True):
    """It was not her. By the operator who holds the task, or by her reply (then ``operator`` is empty)."""

    transactions: list[str]
    by: Literal["reply", "operator"]
    operator: str = ""


class StrikeOut(Struct, frozen=True, kw_only=True):
    """The believed payments that a suspect contradicts were not hers; by the operator who holds the task."""

    transactions: list[str]
    operator: str


class WrapUp(Struct, frozen=True, kw_only=True):
    """The operator has noted what the contact was about, and is done with the task.

    Refused as ``unanswered`` while the card is held and not blocked: then `ReturnTask` keeps the case in the queue.
    """

    operator: str
    topics: list[str]
    note: str = ""


class EraseCustomer(Struct, frozen=True, kw_only=True):
    """The customer is being erased; with ``closing`` an open case is closed first, else it refuses."""

    closing: bool = False


# --- contact --------------------------------------------------------------------------------------------------------


class IntendContact(Struct, frozen=True, kw_only=True):
    """The send is about to be made; the fields are those of ``ContactIntended``."""

    contact_id: str
    channel: str
    purpose: str
    attempt: int
    language: str
    template: str
    template_version: str
    template_hash: str
    legal_basis: str
    policy_version: str
    parts: int = 1
    remaining: int = 0
    address: str
    heading: str = ""
    body: str


class RefuseContact(Struct, frozen=True, kw_only=True):
    """The policy forbids the requested send, or it cannot be made."""

    contact_id: str
    reason: str
    policy_version: str


class AcceptContact(Struct, frozen=True, kw_only=True):
    """The provider has it."""

    contact_id: str
    provider_id: str
    reconciled: bool = False


class MarkContactUnknown(Struct, frozen=True, kw_only=True):
    """Whether the provider has it is not known."""

    contact_id: str
    reason: str


class FailContact(Struct, frozen=True, kw_only=True):
    """It did not go out or did not arrive, for good on this channel."""

    contact_id: str
    code: str
    reason: str


class ReportDelivery(Struct, frozen=True, kw_only=True):
    """One delivery callback, as it came."""

    contact_id: str
    provider_id: str
    status: str
    code: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


class ReceiveReply(Struct, frozen=True, kw_only=True):
    """The customer wrote. ``confirmed_by_carrier``: the carrier itself has answered an opt-out, we must not."""

    reply_id: str
    channel: str
    meaning: Literal["genuine", "fraud", "opt_out", "opt_in", "unclear"]
    text: str
    confirmed_by_carrier: bool = False


class ReceiveCall(Struct, frozen=True, kw_only=True):
    """The customer rang."""

    call_id: str


class StartCall(Struct, frozen=True, kw_only=True):
    """The operator who holds the task rings the number on file."""

    operator: str
    call_id: str


class AnswerCall(Struct, frozen=True, kw_only=True):
    """Somebody has answered; ``call_id`` empty: the call that is under way."""

    call_id: str = ""


class DropCall(Struct, frozen=True, kw_only=True):
    """The call broke off; ``call_id`` empty: the call that is under way."""

    call_id: str = ""


class EndCall(Struct, frozen=True, kw_only=True):
    """The call is over; ``call_id`` empty: the call that is under way."""

    call_id: str = ""


class PromiseCall(Struct, frozen=True, kw_only=True):
    """The operator has promised a call at this time (UTC, ahead of now) and puts the task back until then."""

    operator: str
    at: datetime
    note: str = ""


class NoteCallBackDue(Struct, frozen=True, kw_only=True):
    """The promised time is near."""

    call_back_id: str


class MissCallBack(Struct, frozen=True, kw_only=True):
    """The promised time has passed."""

    call_back_id: str


class NoteSilence(Struct, frozen=True, kw_only=True):
    """Nothing was heard since this message for as long as the ladder waits."""

    contact_id: str


# --- the card -------------------------------------------------------------------------------------------------------


class SendCardAction(Struct, frozen=True, kw_only=True):
    """The command is in the topic, acknowledged by the broker. ``attempt`` counts from 1."""

    command_id: str
    attempt: int


class AnswerCardAction(Struct, frozen=True, kw_only=True):
    """The card system did it: ``held``, ``declined``, ``blocked``, ``released`` or ``reissued``."""

    command_id: str
    result: str
    new_card_id: str = ""


class FailCardAction(Struct, frozen=True, kw_only=True):
    """The card system refused, or never answered."""

    command_id: str
    reason: str


class ShipCard(Struct, frozen=True, kw_only=True):
    """The new card is on its way, or has arrived."""

    command_id: str
    state: Literal["dispatched", "delivered"]


AlertCommand: TypeAlias = ReceiveAlert | ReviseAlert | WithdrawAlert | AssignOwner | JoinCase
TaskCommand: TypeAlias = (
    TakeTask
    | ReturnTask
    | HandOver
    | Escalate
    | SettleEscalation
    | AssignTask
    | TakeBack
    | ReopenCase
    | ViewData
    | VerifyCaller
    | RejectCaller
    | WrapUp
    | EraseCustomer
)
CallCommand: TypeAlias = (
    ReceiveCall | StartCall | AnswerCall | DropCall | EndCall | PromiseCall | NoteCallBackDue | MissCallBack
)
ContactCommand: TypeAlias = (
    IntendContact | RefuseContact | AcceptContact | MarkContactUnknown | FailContact | ReportDelivery | NoteSilence
)
AnswerCommand: TypeAlias = ConfirmPayments | DenyPayments | StrikeOut | ReceiveReply
CardCommand: TypeAlias = SendCardAction | AnswerCardAction | FailCardAction | ShipCard
Command: TypeAlias = AlertCommand | TaskCommand | CallCommand | ContactCommand | AnswerCommand | CardCommand
