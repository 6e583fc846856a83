"""What a supervisor does with the operators' tasks: decide what was escalated, give a task to somebody, take one back.

Who is a supervisor is not the case's to know: whoever asks has made sure of it.
"""

from outreach.cases import events as e
from outreach.cases.commands import AssignTask, SettleEscalation, TakeBack
from outreach.cases.draft import Draft
from outreach.cases.errors import Refused
from outreach.cases.state import TaskState
from outreach.cases.tasks import hang_up, require_holder


def settle(draft: Draft, command: SettleEscalation) -> None:
    """Puts the escalated task back into the queue, an ordinary one again; nothing, if it is there and is one."""
    task = draft.state.task
    if task is not None and not task.escalated and not task.taken_by:
        return
    task = require_holder(draft, command.supervisor)
    if not task.escalated:
        raise Refused("not_escalated", "nobody has asked a supervisor to decide")
    hang_up(draft)
    returned = e.TaskReturned(task_id=task.task_id, operator=command.supervisor, reason="settled", note=command.note)
    draft.add(returned)


def assign(draft: Draft, command: AssignTask) -> None:
    """Gives the task to the operator; nothing, if they have it in hand."""
    if not command.to:
        raise Refused("nobody_else", "name an operator")
    task = _movable(draft, command.to)
    if task is None:
        return
    draft.add(
        e.TaskHandedOver(
            task_id=task.task_id,
            operator=task.taken_by,
            to=command.to,
            note=command.note,
            by=command.supervisor,
            settled=task.escalated and not command.to_supervisor,
        )
    )


def take_back(draft: Draft, command: TakeBack) -> None:
    """Puts the task back into the queue; nothing, if it is there."""
    task = _movable(draft, "")
    if task is None:
        return
    draft.add(
        e.TaskReturned(
            task_id=task.task_id,
            operator=task.taken_by,
            reason="taken_back",
            note=command.note,
            by=command.supervisor,
        )
    )


def _movable(draft: Draft, to: str) -> TaskState | None:
    """The task, to be given to ``to`` (empty: to nobody); None where it is there already.

    Raises:
        Refused: there is no task, or its operator is on the phone.
    """
    task = draft.state.task
    if task is None:
        raise Refused("no_task", "nothing is left to do on this case")
    if task.taken_by == to:
        return None
    if draft.state.call is not None:
        raise Refused("on_the_phone", "whoever has the task in hand is on the phone for it")
    return task
