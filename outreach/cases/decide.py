"""What a case answers to a command: events, nothing because nothing changes, or a refusal. Pure."""

from collections.abc import Callable
from typing import Any

from infra.history.event import Event
from outreach.cases import alerts, answers, calls, card_actions, commands, contacts, erasure, supervision, tasks
from outreach.cases.commands import Command
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.state import CaseState

DECIDERS: dict[type[Command], Callable[[Draft, Any], None]] = {
    commands.ReceiveAlert: alerts.receive,
    commands.ReviseAlert: alerts.revise,
    commands.WithdrawAlert: alerts.withdraw,
    commands.AssignOwner: alerts.assign_owner,
    commands.JoinCase: alerts.join_another,
    commands.TakeTask: tasks.take,
    commands.ReturnTask: tasks.give_back,
    commands.HandOver: tasks.hand_over,
    commands.Escalate: tasks.escalate,
    commands.SettleEscalation: supervision.settle,
    commands.AssignTask: supervision.assign,
    commands.TakeBack: supervision.take_back,
    commands.ReopenCase: answers.reopen,
    commands.ViewData: tasks.view,
    commands.VerifyCaller: tasks.verify_caller,
    commands.RejectCaller: tasks.reject_caller,
    commands.EraseCustomer: erasure.erase,
    commands.WrapUp: answers.wrap_up,
    commands.ConfirmPayments: answers.confirm,
    commands.DenyPayments: answers.deny,
    commands.StrikeOut: answers.strike_out,
    commands.ReceiveReply: answers.receive_reply,
    commands.ReceiveCall: calls.receive,
    commands.StartCall: calls.start,
    commands.AnswerCall: calls.answer,
    commands.DropCall: calls.drop,
    commands.EndCall: calls.end,
    commands.PromiseCall: calls.promise,
    commands.NoteCallBackDue: calls.note_due,
    commands.MissCallBack: calls.miss,
    commands.IntendContact: contacts.intend,
    commands.RefuseContact: contacts.refuse,
    commands.AcceptContact: contacts.accept,
    commands.MarkContactUnknown: contacts.mark_unknown,
    commands.FailContact: contacts.fail,
    commands.ReportDelivery: contacts.report_delivery,
    commands.NoteSilence: contacts.note_silence,
    commands.SendCardAction: card_actions.send,
    commands.AnswerCardAction: card_actions.answer,
    commands.FailCardAction: card_actions.fail,
    commands.ShipCard: card_actions.ship,
}


def decide(state: CaseState, command: Command, *, may_reopen: bool = True) -> list[Event]:
    """The events that the command gives; none where it changes nothing (a repeat, or too late to matter).

    ``may_reopen``: a resolved case may go on; not, where too much time has passed or another case is open.

    Raises:
        Refused: the case does not do that.
    """
    if not state.exists and not isinstance(command, commands.ReceiveAlert):
        raise Refused("no_case", "there is no such case")
    if state.erased and isinstance(command, commands.ReceiveReply | commands.ReceiveCall):
        raise Refused("erased", "the customer is erased: whoever writes or rings now is not known here")
    draft = Draft(state, may_reopen=may_reopen)
    DECIDERS[type(command)](draft, command)
    return draft.events
