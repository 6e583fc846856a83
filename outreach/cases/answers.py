"""What follows when somebody says whose the payments were: the customer by reply, or the operator with the task."""

from outreach.cases import events as e
from outreach.cases.card_actions import block_and_reissue, decline, hold, release_all
from outreach.cases.commands import ConfirmPayments, DenyPayments, ReceiveReply, ReopenCase, StrikeOut, WrapUp
from outreach.cases.contacts import ACKNOWLEDGEMENT, acknowledge
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.state import CaseState
from outreach.cases.tasks import Reason, complete, require_holder, to_queue


def receive_reply(draft: Draft, command: ReceiveReply) -> None:
    """Records the reply, does what a reply may do by itself, and acknowledges it; each reply once."""
    if command.reply_id in draft.state.replies:
        return
    draft.add(
        e.ReplyReceived(reply_id=command.reply_id, channel=command.channel, meaning=command.meaning, text=command.text)
    )
    if command.meaning == "genuine":
        _genuine_by_reply(draft)
    elif command.meaning == "fraud":
        _fraud_by_reply(draft)
    elif command.meaning == "unclear":
        to_queue(draft, Reason.READ_REPLY, front=True)
    if command.meaning != "opt_out":
        acknowledge(draft, command.reply_id, command.channel, ACKNOWLEDGEMENT)
    elif not command.confirmed_by_carrier:
        acknowledge(draft, command.reply_id, command.channel, "opt_out_confirmation")


def confirm(draft: Draft, command: ConfirmPayments) -> None:
    """It was her. When every standing suspect is confirmed, the holds are released and the case is resolved."""
    _check(draft, command)
    if command.by == "reply":
        _genuine_by_reply(draft)
        return
    state = draft.state
    _check_caller(draft)
    if any(state.denied.get(one) == "operator" for one in command.transactions):
        raise Refused("denied_before", "an operator has said that it was not her; the card is blocked")
    new = [one for one in dict.fromkeys(command.transactions) if state.confirmed.get(one) != "operator"]
    if not new:
        return
    draft.add(e.PaymentsConfirmed(transactions=new, by="operator"))
    if draft.state.all_hers:
        _resolve_genuine(draft)


def deny(draft: Draft, command: DenyPayments) -> None:
    """It was not her: the payments are declined; at the operator's word the card is blocked and a new one ordered."""
    _check(draft, command)
    if command.by == "reply":
        _fraud_by_reply(draft)
        return
    new = [one for one in dict.fromkeys(command.transactions) if draft.state.denied.get(one) != "operator"]
    if not new:
        return
    draft.add(e.PaymentsDenied(transactions=new, by="operator"))
    decline(draft, new)
    block_and_reissue(draft, new)


def strike_out(draft: Draft, command: StrikeOut) -> None:
    """The believed payments were not hers: detection is told, and judges the others without them.

    Somebody else has paid with the card: it is blocked and a new one ordered, as after a denial that an operator heard.
    """
    require_holder(draft, command.operator)
    believed = {alert.against for alert in draft.state.alerts.values() if alert.against}
    _check_caller(draft)
    if not command.transactions or not believed.issuperset(command.transactions):
        raise Refused("unknown_payment", "the case has no such believed payment")
    new = [one for one in dict.fromkeys(command.transactions) if one not in draft.state.struck_out]
    if new:
        draft.add(e.SightingsStruckOut(transactions=new, operator=command.operator))
        alerts = draft.state.alerts.values()
        block_and_reissue(draft, [alert.suspect for alert in alerts if alert.against in new])


def resolve_explained(draft: Draft) -> None:
    """With what was confirmed, nothing is left unexplained: the holds are released, and the case is resolved."""
    _resolve_genuine(draft)
    task = draft.state.task
    if task is not None and not task.taken_by:
        complete(draft)


def wrap_up(draft: Draft, command: WrapUp) -> None:
    """The operator is done: the task is completed, and the case resolved by what has been said in it.

    Not while a hold of ours stands: a resolved case is in nobody's queue, and her card would stay held for ever. An
    answer ends the hold (released, or followed by the block); without one the operator gives the task back, and
    somebody goes on trying.
    """
    if draft.state.task is None and draft.state.wrapped_up_by == command.operator:
        return
    require_holder(draft, command.operator)
    if awaiting_answer(draft.state):
        why = "the card is on hold and nobody has said whose the payments were: say so, or return the task to the queue"
        raise Refused("unanswered", why)
    draft.add(e.WrappedUp(operator=command.operator, topics=command.topics, note=command.note))
    complete(draft, command.operator)
    state = draft.state
    if state.denied or state.struck_out:
        if state.resolution != "fraud":
            draft.add(e.CaseResolved(resolution="fraud"))
    elif not state.resolution:
        heard = bool(state.suspects) and state.suspects <= state.confirmed.keys()
        draft.add(e.CaseResolved(resolution="genuine" if heard else "unanswered" if state.standing else "withdrawn"))


def reopen(draft: Draft, command: ReopenCase) -> None:
    """Lets the resolved case go on, with a task at the front; nothing while it is open."""
    if not draft.state.resolution:
        return
    if not draft.may_reopen:
        raise Refused("too_late", "the case is over for good, or the customer has another one open")
    draft.add(e.CaseReopened(because="operator", operator=command.operator, note=command.note))
    to_queue(draft, Reason.REOPENED, front=True)


def awaiting_answer(state: CaseState) -> bool:
    """Whether a hold of ours stands that only an answer ends: such a case cannot be wrapped up."""
    return any(state.held(card) and not state.ever("block", card) for card in state.cards)


def _check_caller(draft: Draft) -> None:
    if draft.state.doubted:
        why = "whoever was on the phone could not show that they are the customer: ring the number on file first"
        raise Refused("not_verified", why)


def _check(draft: Draft, command: ConfirmPayments | DenyPayments) -> None:
    if command.by == "operator":
        require_holder(draft, command.operator)
    if not command.transactions:
        raise Refused("no_payments", "say which payments")
    known = {alert.suspect for alert in draft.state.alerts.values()}
    if not known.issuperset(command.transactions):
        raise Refused("unknown_payment", "the case has no such suspect payment")


def _genuine_by_reply(draft: Draft) -> None:
    """She says by reply that it was her: enough to close, unless it is grave or there is more than she was told of."""
    state = draft.state
    if state.resolution in {"genuine", "withdrawn"}:
        return
    if state.resolution or state.denied:
        to_queue(draft, Reason.READ_REPLY, front=True)
        return
    told = {one for contact in state.contacts.values() if contact.purpose == "alert" for one in contact.told}
    new = sorted((state.suspects & told) - state.confirmed.keys())
    if new:
        draft.add(e.PaymentsConfirmed(transactions=new, by="reply"))
    if state.gravest_standing == "high" or state.suspects - told:
        to_queue(draft, Reason.CONFIRM_BY_PHONE, front=True)
        return
    _resolve_genuine(draft)
    complete(draft)


def _fraud_by_reply(draft: Draft) -> None:
    """She says by reply that it was not her: the hold stays or comes back, the payments are declined, a person acts."""
    state = draft.state
    if state.resolution == "fraud":
        return
    new = sorted(state.suspects - state.denied.keys())
    if new:
        if draft.may_reopen:
            draft.add(e.CaseReopened(because="denied"))
        draft.add(e.PaymentsDenied(transactions=new, by="reply"))
        for card_id in dict.fromkeys(alert.card_id for alert in state.standing):
            hold(draft, card_id)
        decline(draft, new)
    to_queue(draft, Reason.DENIED_BY_REPLY, front=True)


def _resolve_genuine(draft: Draft) -> None:
    release_all(draft)
    if draft.state.resolution != "genuine":
        draft.add(e.CaseResolved(resolution="genuine"))
