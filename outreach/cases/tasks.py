"""The operators' task: when there is one, why, and who holds it."""

from enum import StrEnum

from outreach.cases import events as e
from outreach.cases.commands import Escalate, HandOver, RejectCaller, ReturnTask, TakeTask, VerifyCaller, ViewData
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.identity import task_id
from outreach.cases.state import TaskState


class Reason(StrEnum):
    """Why an operator is needed; it picks the script."""

    CALL_CUSTOMER = "call_customer"
    REVIEW = "review"
    UNKNOWN_OWNER = "unknown_owner"
    NOT_REACHED = "not_reached"
    DENIED_BY_REPLY = "denied_by_reply"
    CONFIRM_BY_PHONE = "confirm_by_phone"
    READ_REPLY = "read_reply"
    CUSTOMER_CALLED = "customer_called"
    ALERT_WITHDRAWN = "alert_withdrawn"
    CARD_ACTION_FAILED = "card_action_failed"
    BLOCKED_CARD_USED = "blocked_card_used"
    CALL_PROMISED = "call_promised"
    PROMISE_MISSED = "promise_missed"
    CALL_DROPPED = "call_dropped"
    REOPENED = "reopened"


def to_queue(draft: Draft, reason: Reason, *, front: bool = False) -> None:
    """Gives the open task this reason, or makes a task; a place at the front is not lost again."""
    task = draft.state.task
    if task is None:
        number = draft.state.tasks + 1
        made = task_id(draft.state.case_id, number)
        draft.add(e.TaskCreated(task_id=made, reason=reason.value, front=front))
        return
    front = front or task.front
    if (task.reason, task.front) != (reason.value, front):
        draft.add(e.TaskMoved(task_id=task.task_id, reason=reason.value, front=front))


def complete(draft: Draft, operator: str = "") -> None:
    """Closes the open task, if there is one."""
    if draft.state.task is not None:
        hang_up(draft)
        draft.add(e.TaskCompleted(task_id=draft.state.task.task_id, operator=operator))


def hang_up(draft: Draft) -> None:
    """Ends the call that is under way, if one is; whoever has the task no more is not on the phone for it.

    Rung as promised, and nobody answered: that is kept too.
    """
    call = draft.state.call
    if call is None:
        return
    draft.add(e.CallEnded(call_id=call.call_id, outcome="talked" if call.answered else "not_answered"))
    for owed in draft.state.owed:
        if owed.status == "due":
            draft.add(e.CallBackKept(call_back_id=owed.call_back_id, call_id=call.call_id))


def require_holder(draft: Draft, operator: str) -> TaskState:
    """The task, for the operator who has it in hand.

    Raises:
        Refused: nobody has, or somebody else.
    """
    task = draft.state.task
    if task is None or not operator or task.taken_by != operator:
        raise Refused("not_holder", "take the task first")
    return task


def take(draft: Draft, command: TakeTask) -> None:
    """Gives the task to the operator; one operator at a time, and what is escalated to a supervisor alone."""
    task = draft.state.task
    if task is None:
        raise Refused("no_task", "nothing is left to do on this case")
    if task.taken_by == command.operator:
        return
    if task.taken_by:
        raise Refused("taken", "somebody else has the task in hand")
    if task.escalated and not command.supervisor:
        raise Refused("supervisor_needed", "the task is escalated: a supervisor is to decide")
    draft.add(e.TaskTaken(task_id=task.task_id, operator=command.operator))


def give_back(draft: Draft, command: ReturnTask) -> None:
    """Puts the task back into the queue; nothing if nobody holds it any more."""
    task = draft.state.task
    if task is None or not task.taken_by:
        return
    require_holder(draft, command.operator)
    hang_up(draft)
    note = command.note
    draft.add(e.TaskReturned(task_id=task.task_id, operator=command.operator, reason=command.reason, note=note))


def hand_over(draft: Draft, command: HandOver) -> None:
    """Gives the task into the hand of another operator, with everything that is known."""
    task = draft.state.task
    if task is not None and task.taken_by == command.to and command.to != command.operator:
        return
    task = require_holder(draft, command.operator)
    if command.to in {"", command.operator}:
        raise Refused("nobody_else", "name another operator")
    hang_up(draft)
    draft.add(
        e.TaskHandedOver(
            task_id=task.task_id,
            operator=command.operator,
            to=command.to,
            note=command.note,
            settled=task.escalated and not command.to_supervisor,
        ),
    )


def escalate(draft: Draft, command: Escalate) -> None:
    """Puts the task at the front of the queue, for a supervisor: nobody else may take it from there."""
    task = draft.state.task
    if task is not None and task.escalated and not task.taken_by:
        return
    task = require_holder(draft, command.operator)
    hang_up(draft)
    draft.add(e.TaskEscalated(task_id=task.task_id, operator=command.operator, note=command.note))


def view(draft: Draft, command: ViewData) -> None:
    """Records the look, every one; unmasked only in the hands of who holds the task."""
    task = draft.state.task
    unmasked = task is not None and task.taken_by == command.operator
    draft.add(e.DataViewed(operator=command.operator, screen=command.screen, unmasked=unmasked))


def verify_caller(draft: Draft, command: VerifyCaller) -> None:
    """Records that the operator is satisfied who is speaking."""
    require_holder(draft, command.operator)
    if (command.operator, command.method) not in draft.state.verified:
        draft.add(e.CallerVerified(operator=command.operator, method=command.method))


def reject_caller(draft: Draft, command: RejectCaller) -> None:
    """Records that whoever is speaking is not known to be the customer: nothing that frees the card follows from it."""
    require_holder(draft, command.operator)
    if (command.operator, command.method) not in draft.state.doubted:
        draft.add(e.CallerNotVerified(operator=command.operator, method=command.method))
