"""A case as its events have made it: what every decision is taken from, and nothing else."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from outreach.cases.alert import SEVERITIES

TURNS = frozenset({"hold", "release"})
"""The actions that undo one another; only the last of them counts."""


class AlertState(Struct, frozen=True, kw_only=True):
    """One suspect payment of the case. ``withdrawn``: detection took it back. ``heard``: messages already recorded."""

    alert_id: str
    card_id: str
    suspect: str
    against: str
    verdict: str
    severity: str
    raised_at: datetime
    withdrawn: bool = False
    heard: frozenset[str] = frozenset()


class TaskState(Struct, frozen=True, kw_only=True):
    """The open task; ``taken_by`` is empty while it waits in the queue. ``escalated``: a supervisor is to decide."""

    task_id: str
    reason: str
    front: bool = False
    taken_by: str = ""
    escalated: bool = False


class CallState(Struct, frozen=True, kw_only=True):
    """The call that is under way; ``operator`` is who has the task in hand."""

    call_id: str
    operator: str
    answered: bool = False


class CallBackState(Struct, frozen=True, kw_only=True):
    """A call that the customer is owed.

    Attributes:
        status: ``asked``, ``promised``, ``due`` (the promised time is near), ``missed``, ``kept``, or ``lapsed`` where
            the case was resolved first.
        at: the promised time; None where none was.
    """

    call_back_id: str
    status: str = "asked"
    at: datetime | None = None

    @property
    def owed(self) -> bool:
        """Whether somebody still has to ring."""
        return self.status not in {"kept", "lapsed"}


class ContactState(Struct, frozen=True, kw_only=True):
    """One message to the customer.

    Attributes:
        status: ``requested``, ``refused``, ``intended``, ``unknown``, ``accepted``, ``failed``, ``undelivered`` or
            ``delivered``.
        told: the suspects that stood when the message was last intended.
        reported: (provider id, status) of the delivery callbacks that are recorded.
    """

    contact_id: str
    channel: str
    purpose: str
    step: int
    answers: str = ""
    status: str = "requested"
    attempt: int = 0
    provider_id: str = ""
    told: frozenset[str] = frozenset()
    reported: frozenset[tuple[str, str]] = frozenset()
    silent: bool = False


class CardActionState(Struct, frozen=True, kw_only=True):
    """One command to the bank's card system. ``result`` is empty until it is answered."""

    command_id: str
    card_id: str
    action: str
    transactions: frozenset[str] = frozenset()
    attempt: int = 0
    result: str = ""
    new_card_id: str = ""
    failed: str = ""
    shipped: frozenset[str] = frozenset()

    @property
    def pending(self) -> bool:
        """Neither answered nor given up; a new card that is on its way was made, whatever became of the answer."""
        return not self.result and not self.failed and not self.shipped


class CaseState(Struct, frozen=True, kw_only=True):
    """The whole case. The default is the case that does not exist yet.

    Attributes:
        confirmed: suspects that were hers, with who says so: ``reply`` or ``operator``.
        denied: suspects that were not hers, likewise. A suspect is in one of the two at most.
        struck_out: payments that detection believed, and that were not hers.
        calls: every call that ever began, either way; ``call`` is the one under way, by an operator.
        verified: who was satisfied that this is the customer, and how; ``doubted``: who was not, since then.
        heard_from: she rang, answered a call, or wrote something other than an opt-out.
        resolution: empty while the case is open.
        erased: the customer is erased; nothing personal is recorded in the case any more.
    """

    case_id: str = ""
    case_code: str = ""
    customer_id: str = ""
    card_id: str = ""
    severity: str = ""
    alerts: Mapping[str, AlertState] = field(default_factory=dict)
    task: TaskState | None = None
    tasks: int = 0
    contacts: Mapping[str, ContactState] = field(default_factory=dict)
    actions: Mapping[str, CardActionState] = field(default_factory=dict)
    replies: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    call: CallState | None = None
    call_backs: Mapping[str, CallBackState] = field(default_factory=dict)
    verified: frozenset[tuple[str, str]] = frozenset()
    doubted: frozenset[tuple[str, str]] = frozenset()
    confirmed: Mapping[str, str] = field(default_factory=dict)
    denied: Mapping[str, str] = field(default_factory=dict)
    struck_out: tuple[str, ...] = ()
    heard_from: bool = False
    wrapped_up_by: str = ""
    resolution: str = ""
    erased: bool = False

    @property
    def exists(self) -> bool:
        """Whether the case has been opened."""
        return bool(self.case_id)

    @property
    def standing(self) -> tuple[AlertState, ...]:
        """The alerts that detection has not taken back, in the order in which they came."""
        return tuple(alert for alert in self.alerts.values() if not alert.withdrawn)

    @property
    def cards(self) -> tuple[str, ...]:
        """The cards of all its alerts, in the order in which they came."""
        return tuple(dict.fromkeys(alert.card_id for alert in self.alerts.values()))

    @property
    def suspects(self) -> frozenset[str]:
        """The transactions of the standing alerts."""
        return frozenset(alert.suspect for alert in self.standing)

    @property
    def owed(self) -> tuple[CallBackState, ...]:
        """The calls that the customer is owed."""
        return tuple(one for one in self.call_backs.values() if one.owed)

    @property
    def answered(self) -> bool:
        """Whether somebody has said of any payment that it was hers or was not."""
        return bool(self.confirmed or self.denied)

    @property
    def all_hers(self) -> bool:
        """Whether every payment that stands was hers, and none was somebody else's."""
        return not self.denied and not self.struck_out and self.suspects <= self.confirmed.keys()

    @property
    def barrier(self) -> bool:
        """The resolution barrier: once it is up, no further message of purpose ``alert`` starts."""
        return self.answered or self.heard_from or bool(self.resolution)

    @property
    def gravest_standing(self) -> str:
        """The highest severity among the standing alerts; empty where none stands."""
        return max((alert.severity for alert in self.standing), key=SEVERITIES.index, default="")

    def held(self, card_id: str) -> bool:
        """Whether the last word to the card system on this card was a hold."""
        last = [a.action for a in self.actions.values() if a.card_id == card_id and a.action in TURNS]
        return bool(last) and last[-1] == "hold"

    def ever(self, action: str, card_id: str) -> bool:
        """Whether the card system was ever asked for this, for this card, in this case."""
        return any(a.action == action and a.card_id == card_id for a in self.actions.values())

    def superseded(self, command_id: str) -> bool:
        """Whether a hold or release has been followed by another for the same card: to send it now would be wrong."""
        action = self.actions.get(command_id)
        if action is None or action.action not in TURNS:
            return False
        turns = [
            one.command_id for one in self.actions.values() if one.card_id == action.card_id and one.action in TURNS
        ]
        return turns[-1] != command_id
