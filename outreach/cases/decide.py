"""What a case answers to a command: events, nothing because nothing changes, or a refusal. Pure."""

from collections.abc import Callable
from typing import Any

from infra.history.event import Event
from outreach.cases import alerts, answers, card_actions, commands, contacts, erasure, tasks
from outreach.cases.commands import Command
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.state import CaseState

_DECIDERS: dict[type[Command], Callable[[Draft, Any], None]] = {
    commands.ReceiveAlert: alerts.receive,
    commands.ReviseAlert: alerts.revise,
    commands.WithdrawAlert: alerts.withdraw,
    commands.AssignOwner: alerts.assign_owner,
    commands.TakeTask: tasks.take,
    commands.ReturnTask: tasks.give_back,
    commands.ViewData: tasks.view,
    commands.VerifyCaller: tasks.verify_caller,
    commands.EraseCustomer: erasure.erase,
    commands.WrapUp: answers.wrap_up,
    commands.ConfirmPayments: answers.confirm,
    commands.DenyPayments: answers.deny,
    commands.StrikeOut: answers.strike_out,
    commands.ReceiveReply: answers.receive_reply,
    commands.ReceiveCall: contacts.receive_call,
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


def decide(state: CaseState, command: Command) -> list[Event]:
    """The events that the command gives; none where it changes nothing (a repeat, or too late to matter).

    Raises:
        Refused: the case does not do that.
    """
    if not state.exists and not isinstance(command, commands.ReceiveAlert):
        raise Refused("no_case", "there is no such case")
    draft = Draft(state)
    _DECIDERS[type(command)](draft, command)
    return draft.events
