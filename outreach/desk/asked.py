"""What an operator's form or request means: the command that the case is given. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from infra.history.event import derived_id
from infra.problems import Problem
from outreach.cases import commands as c
from outreach.cases.commands import Command
from outreach.cases.state import CaseState
from outreach.desk.words import METHODS, MISSING, TOPICS, zone

LONGEST_NOTE = 4000
MOST_TRANSACTIONS = 200
FURTHEST_PROMISE: Final = timedelta(days=60)
"""A call is promised no further ahead than this: nobody can say who sits at the desk then."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What came with the action; each action takes what it needs.

    Attributes:
        transactions: None: everything that nobody has answered yet.
        to: who is to have the task.
        at: when a call is promised, RFC 3339; without an offset it is a time of ``zone``, an IANA name.
    """

    transactions: list[str] | None = None
    method: str = ""
    topics: list[str] = msgspec.field(default_factory=list)
    note: str = ""
    to: str = ""
    at: str = ""
    zone: str = ""


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and when. ``supervises``: they are a supervisor; ``cause``: what the command follows from."""

    operator: str
    supervises: bool
    now: datetime
    cause: str


def command_of(action: str, asked: Asked, asking: Asking, state: CaseState) -> Command:
    """The command that the action means.

    Raises:
        Problem: 403 for what only a supervisor does, 404 for an action that there is not, 422 for what it cannot take.
    """
    operator = asking.operator
    if action == "take":
        return c.TakeTask(operator=operator, supervisor=asking.supervises)
    if action == "call":
        return c.StartCall(operator=operator, call_id=str(derived_id("call", asking.cause)))
    if action == "promise":
        return c.PromiseCall(operator=operator, at=_promised(asked, asking.now), note=_note(asked))
    if action in OF_SUPERVISORS:
        if not asking.supervises:
            raise Problem(403, "supervisor-needed", "Only a supervisor does this")
        return OF_SUPERVISORS[action](asked, operator)
    meant = _COMMANDS.get(action)
    if meant is None:
        raise Problem(404, "no-such-action", "A case has no such action")
    return meant(asked, operator, state)


def _verified(asked: Asked, operator: str, _state: CaseState) -> Command:
    return msgspec.convert({"operator": operator, "method": _method(asked)}, c.VerifyCaller)


def _rejected(asked: Asked, operator: str, _state: CaseState) -> Command:
    return msgspec.convert({"operator": operator, "method": _method(asked)}, c.RejectCaller)


def _confirmed(asked: Asked, operator: str, state: CaseState) -> Command:
    return c.ConfirmPayments(transactions=_transactions(asked, state), by="operator", operator=operator)


def _denied(asked: Asked, operator: str, state: CaseState) -> Command:
    return c.DenyPayments(transactions=_transactions(asked, state), by="operator", operator=operator)


def _struck_out(asked: Asked, operator: str, _state: CaseState) -> Command:
    if not asked.transactions:
        raise invalid("transactions", "the believed payments that the customer did not make")
    return c.StrikeOut(transactions=asked.transactions, operator=operator)


def _wrapped_up(asked: Asked, operator: str, _state: CaseState) -> Command:
    if not set(asked.topics) <= TOPICS.keys():
        raise invalid("topics", f"some of {', '.join(TOPICS)}")
    topics = [topic for topic in TOPICS if topic in asked.topics]
    return c.WrapUp(operator=operator, topics=topics, note=_note(asked))


_COMMANDS: Final[Mapping[str, Callable[[Asked, str, CaseState], Command]]] = {
    "return": lambda asked, operator, _: c.ReturnTask(operator=operator, reason="released", note=_note(asked)),
    "hand-over": lambda asked, operator, _: c.HandOver(operator=operator, to=asked.to.strip(), note=_note(asked)),
    "escalate": lambda asked, operator, _: c.Escalate(operator=operator, note=_note(asked)),
    "reopen": lambda asked, operator, _: c.ReopenCase(operator=operator, note=_note(asked)),
    "verify": _verified,
    "not-verified": _rejected,
    # A desk knows one call of a case: the one that is under way.
    "call-answered": lambda _asked, _operator, _: c.AnswerCall(),
    "call-dropped": lambda _asked, _operator, _: c.DropCall(),
    "call-ended": lambda _asked, _operator, _: c.EndCall(),
    "confirm": _confirmed,
    "deny": _denied,
    "strike-out": _struck_out,
    "wrap-up": _wrapped_up,
}

OF_SUPERVISORS: Final[Mapping[str, Callable[[Asked, str], Command]]] = {
    "settle": lambda asked, operator: c.SettleEscalation(supervisor=operator, note=_note(asked)),
    "assign": lambda asked, operator: c.AssignTask(supervisor=operator, to=asked.to.strip(), note=_note(asked)),
    "take-back": lambda asked, operator: c.TakeBack(supervisor=operator, note=_note(asked)),
}

ACTIONS: Final = (*_COMMANDS, *OF_SUPERVISORS, "take", "call", "promise")
LEAVING: Final = frozenset({"return", "hand-over", "escalate", "promise", "settle"})
"""Actions after which the task is not in the operator's hand any more."""


def _method(asked: Asked) -> str:
    if asked.method not in METHODS:
        raise invalid("method", f"one of {', '.join(METHODS)}")
    return asked.method


def _note(asked: Asked) -> str:
    if len(asked.note) > LONGEST_NOTE:
        raise invalid("note", f"at most {LONGEST_NOTE} characters")
    return asked.note.strip()


def _promised(asked: Asked, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(asked.at.strip())
    except ValueError:
        raise invalid("at", "a day and a time") from None
    if at.tzinfo is None:
        there = zone(asked.zone)
        if there is None:
            raise invalid("at", "a time with an offset from UTC, or one of a zone that is named")
        at = at.replace(tzinfo=there)
    at = at.astimezone(UTC)
    if not now < at <= now + FURTHEST_PROMISE:
        raise invalid("at", f"a time ahead, within {FURTHEST_PROMISE.days} days")
    return at


def _transactions(asked: Asked, state: CaseState) -> list[str]:
    if asked.transactions is None:
        said = {*state.confirmed, *state.denied}
        # What the customer wrote may be said again by the operator, whose word it is that blocks the card.
        unsaid = [alert.suspect for alert in state.standing if alert.suspect not in said]
        return list(dict.fromkeys(unsaid or [alert.suspect for alert in state.standing]))
    if not asked.transactions or len(asked.transactions) > MOST_TRANSACTIONS:
        raise invalid("transactions", f"1 to {MOST_TRANSACTIONS} of the case's suspect payments")
    return asked.transactions


def invalid(field: str, wanted: str) -> Problem:
    """422: this field is not as it must be."""
    extra: Mapping[str, Any] = {"field": field}
    title = MISSING.get(field, "The request is not as the contract has it")
    return Problem(422, "invalid-request", title, f"{field}: {wanted}", extra=extra)
