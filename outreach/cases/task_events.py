"""Events of the operators' task, on the stream ``case-{case_id}``: who has it in hand, and how it changed hands.

``outreach.cases.events`` names them all beside the others.
"""

from typing import ClassVar

from infra.history.event import Event, Personal, Plain
from infra.history.registry import register


class TaskCreated(Event, frozen=True, kw_only=True):
    """Something for an operator to do. ``reason`` is one of ``outreach.cases.tasks.Reason``."""

    wire_name: ClassVar[str] = "case.task-created"
    task_id: Plain
    reason: Plain
    front: bool = False


class TaskMoved(Event, frozen=True, kw_only=True):
    """The open task has a newer reason, and perhaps a place at the front of the queue."""

    wire_name: ClassVar[str] = "case.task-moved"
    task_id: Plain
    reason: Plain
    front: bool


class TaskTaken(Event, frozen=True, kw_only=True):
    """An operator holds the task; only now may they see the customer's data unmasked."""

    wire_name: ClassVar[str] = "case.task-taken"
    task_id: Plain
    operator: Plain


class TaskReturned(Event, frozen=True, kw_only=True):
    """The task is in the queue again.

    ``reason``: ``released`` by the operator, ``promised`` (the customer is rung when it suits her), ``hand_over`` after
    the operator's silence, ``taken_back`` from the operator by the supervisor ``by``, or ``settled``: the supervisor
    who held it has decided what it was escalated for, and any operator goes on. ``note``: what whoever takes it next
    should know.
    """

    wire_name: ClassVar[str] = "case.task-returned"
    task_id: Plain
    operator: Plain
    reason: Plain
    note: Personal = ""
    by: Plain = ""


class TaskHandedOver(Event, frozen=True, kw_only=True):
    """The task went from one hand into another, ``to``, with the whole context.

    ``operator``: who had it; empty where it waited. ``by``: the supervisor who gave it to ``to``; empty where the
    operator did. ``settled``: what it was escalated for is decided, and it is an ordinary task again.
    """

    wire_name: ClassVar[str] = "case.task-handed-over"
    task_id: Plain
    operator: Plain
    to: Plain
    note: Personal = ""
    by: Plain = ""
    settled: bool = False


class TaskEscalated(Event, frozen=True, kw_only=True):
    """The operator wants a supervisor to decide: the task is at the front of the queue, and says so."""

    wire_name: ClassVar[str] = "case.task-escalated"
    task_id: Plain
    operator: Plain
    note: Personal = ""


class TaskCompleted(Event, frozen=True, kw_only=True):
    """Nothing is left to do on the task."""

    wire_name: ClassVar[str] = "case.task-completed"
    task_id: Plain
    operator: Plain = ""


register(
    TaskCreated,
    TaskMoved,
    TaskTaken,
    TaskReturned,
    TaskHandedOver,
    TaskEscalated,
    TaskCompleted,
)
