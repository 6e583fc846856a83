"""Calls and call-backs: who rings whom, what the customer was promised, and whether it was kept."""

from outreach.cases import events as e
from outreach.cases.commands import (
    AnswerCall,
    DropCall,
    EndCall,
    MissCallBack,
    NoteCallBackDue,
    PromiseCall,
    ReceiveCall,
    StartCall,
)
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.identity import call_back_id
from outreach.cases.state import CallBackState, CallState
from outreach.cases.tasks import Reason, hang_up, require_holder, to_queue


def receive(draft: Draft, command: ReceiveCall) -> None:
    """Records that she rang, once a call, and was told that somebody rings her; at the front of the queue."""
    if command.call_id in draft.state.calls:
        return
    draft.add(e.CallReceived(call_id=command.call_id))
    _owe(draft, command.call_id, "call")
    to_queue(draft, Reason.CUSTOMER_CALLED, front=True)


def start(draft: Draft, command: StartCall) -> None:
    """Records that the operator rings her; one call at a time."""
    require_holder(draft, command.operator)
    state = draft.state
    if not state.customer_id:
        raise Refused("no_owner", "nobody knows whose card it is, so there is no number to ring")
    if state.call is None and command.call_id not in state.calls:
        draft.add(e.CallStarted(call_id=command.call_id, operator=command.operator))


def answer(draft: Draft, command: AnswerCall) -> None:
    """Records that somebody answered: what she was owed is kept."""
    call = _under_way(draft, command.call_id)
    if call is None or call.answered:
        return
    draft.add(e.CallAnswered(call_id=call.call_id))
    for owed in draft.state.owed:
        draft.add(e.CallBackKept(call_back_id=owed.call_back_id, call_id=call.call_id))


def drop(draft: Draft, command: DropCall) -> None:
    """Records that they were cut off: she is rung again before anybody else."""
    call = _under_way(draft, command.call_id)
    if call is None:
        return
    if not call.answered:
        raise Refused("not_answered", "nobody has answered this call; end it")
    draft.add(e.CallDropped(call_id=call.call_id))
    _owe(draft, call.call_id, "dropped")
    to_queue(draft, Reason.CALL_DROPPED, front=True)


def end(draft: Draft, command: EndCall) -> None:
    """Records that the call is over."""
    if _under_way(draft, command.call_id) is not None:
        hang_up(draft)


def promise(draft: Draft, command: PromiseCall) -> None:
    """Records the promise, and puts the task back until then, behind what is waiting now."""
    state = draft.state
    if any(one.at == command.at for one in state.owed) and (state.task is None or not state.task.taken_by):
        return
    require_holder(draft, command.operator)
    if state.resolution:
        raise Refused("resolved", "the case is resolved; there is nothing to ring about")
    if not state.customer_id:
        raise Refused("no_owner", "nobody knows whose card it is, so there is nobody to promise a call to")
    hang_up(draft)
    # A promise replaces what she was owed before: it is the same call, at a time that suits her better.
    owed = draft.state.owed
    named = owed[0].call_back_id if owed else call_back_id(state.case_id, len(draft.state.call_backs) + 1)
    draft.add(e.CallBackPromised(call_back_id=named, at=command.at, operator=command.operator))
    task = require_holder(draft, command.operator)
    returned = e.TaskReturned(task_id=task.task_id, operator=command.operator, reason="promised", note=command.note)
    draft.add(returned)
    draft.add(e.TaskMoved(task_id=task.task_id, reason=Reason.CALL_PROMISED.value, front=False))


def note_due(draft: Draft, command: NoteCallBackDue) -> None:
    """Brings the task to the front when the promised time is near, once."""
    if _owed(draft, command.call_back_id).status == "promised":
        draft.add(e.CallBackDue(call_back_id=command.call_back_id))
        to_queue(draft, Reason.CALL_PROMISED, front=True)


def miss(draft: Draft, command: MissCallBack) -> None:
    """Records that nobody has rung in time, once; not while the operator is ringing."""
    if draft.state.call is None and _owed(draft, command.call_back_id).status in {"promised", "due"}:
        draft.add(e.CallBackMissed(call_back_id=command.call_back_id))
        to_queue(draft, Reason.PROMISE_MISSED, front=True)


def _owe(draft: Draft, call_id: str, source: str) -> None:
    if not draft.state.owed and not draft.state.erased:  # one call is enough, however often she rang
        draft.add(e.CallBackAsked(call_back_id=call_back_id(draft.state.case_id, call_id), source=source))


def _owed(draft: Draft, named: str) -> CallBackState:
    found = draft.state.call_backs.get(named)
    if found is None:
        raise Refused("unknown_call_back", "the case knows no such promise")
    return found


def _under_way(draft: Draft, named: str) -> CallState | None:
    """The call; None where it is over already."""
    call = draft.state.call
    if call is not None and named in {"", call.call_id}:
        return call
    if named in draft.state.calls or not named:
        return None
    raise Refused("unknown_call", "the case knows no such call")
