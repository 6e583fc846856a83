"""A case in each situation that it can be in, and one command of each kind: what the documentation is made from."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from outreach.cases import commands as c
from outreach.cases.alert import Alert
from outreach.cases.commands import Command
from outreach.cases.identity import call_back_id, case_id_for, command_id, contact_id
from outreach.cases.state import CaseState

CASE: Final = case_id_for("alert-1")
CARD: Final = "card-1"
AT: Final = datetime(2026, 3, 14, 10, 12, tzinfo=UTC)
PROMISED: Final = datetime(2026, 3, 14, 18, tzinfo=UTC)
SMS: Final = contact_id(CASE, "alert", 1)


def alert(number: int = 1, **changes: Any) -> Alert:
    """An impossible journey from a market in Phnom Penh to a museum in Paris."""
    said: dict[str, Any] = {
        "alert_id": f"alert-{number}",
        "status": "raised",
        "card_id": CARD,
        "raised_by": f"paris-{number}",
        "suspect": f"paris-{number}",
        "against": "phnom-penh",
        "verdict": "alert",
        "severity": "medium",
        "rule": "impossible_journey",
        "ruleset_version": "1",
        "raised_at": AT,
        "arrived_at": AT,
    }
    return Alert(**{**said, **changes})


def _received(customer: str = "sokha") -> c.ReceiveAlert:
    return c.ReceiveAlert(case_id=CASE, customer_id=customer, alert=alert())


def _intend() -> c.IntendContact:
    return c.IntendContact(
        contact_id=SMS,
        channel="sms",
        purpose="alert",
        attempt=1,
        language="en",
        template="alert",
        template_version="1",
        template_hash="abc",
        legal_basis="exemption",
        policy_version="1",
        address="+14155550142",
        body="Call us",
    )


def _reply(meaning: Any, number: int = 1) -> c.ReceiveReply:
    return c.ReceiveReply(reply_id=f"reply-{number}", channel="sms", meaning=meaning, text="2")


def _say(kind: type[c.ConfirmPayments] | type[c.DenyPayments]) -> Command:
    return kind(transactions=["paris-1"], by="operator", operator="dara")


_TOLD: Final = (_received(), _intend(), c.AcceptContact(contact_id=SMS, provider_id="SM1"))
_TAKEN: Final = (*_TOLD, c.TakeTask(operator="dara"))
_RINGING: Final = (*_TAKEN, c.StartCall(operator="dara", call_id="call-1"))
_ESCALATED: Final = (*_TAKEN, c.Escalate(operator="dara"))
_WRAPPED: Final = c.WrapUp(operator="dara", topics=["used_by_somebody_else"])
_EXPLAINED: Final = c.WithdrawAlert(alert=alert(status="withdrawn", raised_by="explains-it"))

SITUATIONS: Final[Mapping[str, Sequence[Command]]] = {
    "no case": (),
    "without an owner": (_received(""),),
    "opened": (_received(),),
    "told": _TOLD,
    "in hand": _TAKEN,
    "ringing": _RINGING,
    "talking": (*_RINGING, c.AnswerCall()),
    "not verified": (*_TAKEN, c.RejectCaller(operator="dara", method="questions")),
    "promised": (*_TAKEN, c.PromiseCall(operator="dara", at=PROMISED)),
    "escalated": _ESCALATED,
    "with a supervisor": (*_ESCALATED, c.TakeTask(operator="boss", supervisor=True)),
    "denied by reply": (*_TOLD, _reply("fraud")),
    "denied": (*_TAKEN, _say(c.DenyPayments)),
    "fraud": (*_TAKEN, _say(c.DenyPayments), _WRAPPED),
    "genuine": (*_TOLD, _reply("genuine")),
    "explained": (_received(), _EXPLAINED),
    "joined": (_received(""), c.JoinCase(into="another")),
    "erased": (*_TOLD, _reply("genuine"), c.EraseCustomer()),
}
"""By the commands that lead there."""


def _action(state: CaseState) -> str:
    """The newest thing that was asked of the card system; what was never asked, where nothing was."""
    return next(reversed(list(state.actions)), command_id(CASE, "hold", CARD, [1]))


def _result(state: CaseState) -> str:
    asked = state.actions.get(_action(state))
    done = {"hold": "held", "decline": "declined", "block": "blocked", "release": "released", "reissue": "reissued"}
    return done[asked.action if asked else "hold"]


COMMANDS: Final[Mapping[type[Command], Callable[[CaseState], Command]]] = {
    c.ReceiveAlert: lambda state: c.ReceiveAlert(case_id=CASE, customer_id=state.customer_id, alert=alert(2)),
    c.ReviseAlert: lambda _: c.ReviseAlert(alert=alert(status="revised", severity="high", raised_by="late")),
    c.WithdrawAlert: lambda _: _EXPLAINED,
    c.AssignOwner: lambda _: c.AssignOwner(customer_id="sokha"),
    c.JoinCase: lambda _: c.JoinCase(into="another"),
    c.TakeTask: lambda _: c.TakeTask(operator="dara"),
    c.ReturnTask: lambda _: c.ReturnTask(operator="dara", reason="released"),
    c.HandOver: lambda _: c.HandOver(operator="dara", to="mina"),
    c.Escalate: lambda _: c.Escalate(operator="dara"),
    c.SettleEscalation: lambda _: c.SettleEscalation(supervisor="boss"),
    c.AssignTask: lambda _: c.AssignTask(supervisor="boss", to="mina"),
    c.TakeBack: lambda _: c.TakeBack(supervisor="boss"),
    c.ReopenCase: lambda _: c.ReopenCase(operator="dara"),
    c.ViewData: lambda _: c.ViewData(operator="dara", screen="case"),
    c.VerifyCaller: lambda _: c.VerifyCaller(operator="dara", method="callback"),
    c.RejectCaller: lambda _: c.RejectCaller(operator="dara", method="questions"),
    c.WrapUp: lambda _: _WRAPPED,
    c.EraseCustomer: lambda _: c.EraseCustomer(),
    c.ReceiveCall: lambda _: c.ReceiveCall(call_id="rang-1"),
    c.StartCall: lambda _: c.StartCall(operator="dara", call_id="call-1"),
    c.AnswerCall: lambda _: c.AnswerCall(),
    c.DropCall: lambda _: c.DropCall(),
    c.EndCall: lambda _: c.EndCall(),
    c.PromiseCall: lambda _: c.PromiseCall(operator="dara", at=PROMISED),
    c.NoteCallBackDue: lambda _: c.NoteCallBackDue(call_back_id=call_back_id(CASE, 1)),
    c.MissCallBack: lambda _: c.MissCallBack(call_back_id=call_back_id(CASE, 1)),
    c.IntendContact: lambda _: _intend(),
    c.RefuseContact: lambda _: c.RefuseContact(contact_id=SMS, reason="opted_out", policy_version="1"),
    c.AcceptContact: lambda _: c.AcceptContact(contact_id=SMS, provider_id="SM1"),
    c.MarkContactUnknown: lambda _: c.MarkContactUnknown(contact_id=SMS, reason="time-out"),
    c.FailContact: lambda _: c.FailContact(contact_id=SMS, code="30006", reason="landline"),
    c.ReportDelivery: lambda _: c.ReportDelivery(contact_id=SMS, provider_id="SM1", status="delivered"),
    c.NoteSilence: lambda _: c.NoteSilence(contact_id=SMS),
    c.ReceiveReply: lambda _: _reply("fraud", 2),
    c.ConfirmPayments: lambda _: _say(c.ConfirmPayments),
    c.DenyPayments: lambda _: _say(c.DenyPayments),
    c.StrikeOut: lambda _: c.StrikeOut(operator="dara", transactions=["phnom-penh"]),
    c.SendCardAction: lambda state: c.SendCardAction(command_id=_action(state), attempt=1),
    c.AnswerCardAction: lambda state: c.AnswerCardAction(command_id=_action(state), result=_result(state)),
    c.FailCardAction: lambda state: c.FailCardAction(command_id=_action(state), reason="unanswered"),
    c.ShipCard: lambda state: c.ShipCard(command_id=_action(state), state="dispatched"),
}
"""One of each kind, as it would come to the case."""
