"""The read model `queue`: the open tasks, for the operators. Nothing personal in it."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection


class QueueRow(Struct, frozen=True, kw_only=True):
    """One open task. ``language`` is the customer's; ``taken_by`` is empty while it waits."""

    task_id: str
    case_id: str
    case_code: str
    reason: str
    front: bool
    severity: str
    language: str
    created_at: datetime
    taken_by: str
    taken_at: datetime | None


async def waiting(conn: AsyncConnection[Any], *, limit: int = 500) -> list[QueueRow]:
    """The open tasks in the order in which to take them: front ones first, then the oldest; taken ones at the end."""
    raise NotImplementedError


class QueueSummary(Struct, frozen=True, kw_only=True):
    """The queue in figures. ``oldest`` is when the longest waiting task came; None where none waits."""

    waiting: int
    taken: int
    front: int
    oldest: datetime | None


async def summary(conn: AsyncConnection[Any]) -> QueueSummary:
    """How many wait, how many are in hand, and since when the oldest waits."""
    raise NotImplementedError
