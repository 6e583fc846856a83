"""The read model `queue`: the open tasks, for the operators. Nothing personal in it."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from infra.history.event import Event, Recorded
from outreach.cases import events as e
from outreach.customers.events import CustomerErased, CustomerRecorded


class QueueRow(Struct, frozen=True, kw_only=True):
    """One open task. ``language`` is the customer's; ``taken_by`` is empty while it waits.

    ``promised_at``: when she is to be rung, where she was promised a time; ``escalated``: a supervisor is to decide.
    """

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
    promised_at: datetime | None
    escalated: bool


class QueueSummary(Struct, frozen=True, kw_only=True):
    """The queue in figures. ``oldest`` is when the longest waiting task came; None where none waits."""

    waiting: int
    taken: int
    front: int
    oldest: datetime | None


class Queue:
    """The projection: a row an open task, beside what the list shows of its case and customer."""

    name: str = "queue"
    version: int = 4
    tables: tuple[str, ...] = ("queue", "queue_cases", "queue_languages")
    ddl: str = """
    CREATE TABLE queue (
        task_id text PRIMARY KEY, case_id text NOT NULL, reason text NOT NULL, front boolean NOT NULL,
        created_at timestamptz NOT NULL, taken_by text NOT NULL DEFAULT '', taken_at timestamptz,
        escalated boolean NOT NULL DEFAULT false
    );
    CREATE TABLE queue_cases (
        case_id text PRIMARY KEY, case_code text NOT NULL, customer_id text NOT NULL, severity text NOT NULL DEFAULT '',
        promised_at timestamptz
    );
    CREATE TABLE queue_languages (customer_id text PRIMARY KEY, language text NOT NULL);
    """

    async def apply(self, conn: AsyncConnection[Any], recorded: Recorded[Event]) -> None:
        """Follows the tasks."""
        case_id = recorded.stream.removeprefix("case-")
        match recorded.event:
            case CustomerRecorded(customer_id=customer_id, language=language):
                await conn.execute(
                    "INSERT INTO queue_languages VALUES (%s, %s)"
                    " ON CONFLICT (customer_id) DO UPDATE SET language = excluded.language",
                    (customer_id, language),
                )
            case CustomerErased(customer_id=customer_id):
                await conn.execute("DELETE FROM queue_languages WHERE customer_id = %s", (customer_id,))
            case e.CaseOpened() as opened:
                await conn.execute(
                    "INSERT INTO queue_cases (case_id, case_code, customer_id) VALUES (%s, %s, %s)",
                    (case_id, opened.case_code, opened.customer_id),
                )
            case e.OwnerFound(customer_id=customer_id):
                await conn.execute("UPDATE queue_cases SET customer_id = %s WHERE case_id = %s", (customer_id, case_id))
            case e.AlertJoined(severity=severity):
                await conn.execute(
                    "UPDATE queue_cases SET severity = %s WHERE case_id = %s AND severity = ''",
                    (severity, case_id),
                )
            case e.SeverityRaised(severity=severity):
                await conn.execute("UPDATE queue_cases SET severity = %s WHERE case_id = %s", (severity, case_id))
            case _:
                await _follow_task(conn, case_id, recorded)


async def _follow_task(conn: AsyncConnection[Any], case_id: str, recorded: Recorded[Event]) -> None:
    match recorded.event:
        case e.TaskCreated() as created:
            await conn.execute(
                "INSERT INTO queue (task_id, case_id, reason, front, created_at) VALUES (%s, %s, %s, %s, %s)",
                (created.task_id, case_id, created.reason, created.front, recorded.occurred_at),
            )
        case e.TaskMoved() as moved:
            await conn.execute(
                "UPDATE queue SET reason = %s, front = %s WHERE task_id = %s",
                (moved.reason, moved.front, moved.task_id),
            )
        case e.TaskTaken() as taken:
            await conn.execute(
                "UPDATE queue SET taken_by = %s, taken_at = %s WHERE task_id = %s",
                (taken.operator, recorded.occurred_at, taken.task_id),
            )
        case e.TaskReturned() as returned:
            await conn.execute(
                "UPDATE queue SET taken_by = '', taken_at = NULL, escalated = escalated AND NOT %s WHERE task_id = %s",
                (returned.reason == "settled", returned.task_id),
            )
        case e.TaskHandedOver() as handed:
            await conn.execute(
                "UPDATE queue SET taken_by = %s, taken_at = %s, escalated = escalated AND NOT %s WHERE task_id = %s",
                (handed.to, recorded.occurred_at, handed.settled, handed.task_id),
            )
        case e.TaskEscalated(task_id=task_id):
            await conn.execute(
                "UPDATE queue SET taken_by = '', taken_at = NULL, front = true, escalated = true WHERE task_id = %s",
                (task_id,),
            )
        case e.CallBackPromised(at=at):
            await conn.execute("UPDATE queue_cases SET promised_at = %s WHERE case_id = %s", (at, case_id))
        case e.CallBackKept() | e.CaseResolved():
            await conn.execute("UPDATE queue_cases SET promised_at = NULL WHERE case_id = %s", (case_id,))
        case e.TaskCompleted(task_id=task_id):
            await conn.execute("DELETE FROM queue WHERE task_id = %s", (task_id,))
        case _:
            pass


async def waiting(conn: AsyncConnection[Any], *, limit: int = 500) -> list[QueueRow]:
    """The open tasks in the order in which to take them: front ones first, then the oldest; taken ones at the end.

    Who was promised a call at a later time is behind those who wait now, until that time is near.
    """
    async with conn.cursor(row_factory=class_row(QueueRow)) as cursor:
        await cursor.execute(
            """
            SELECT q.task_id, q.case_id, c.case_code, q.reason, q.front, c.severity,
                   coalesce(l.language, '') AS language, q.created_at, q.taken_by, q.taken_at,
                   c.promised_at, q.escalated
              FROM views.queue q
              JOIN views.queue_cases c USING (case_id)
              LEFT JOIN views.queue_languages l USING (customer_id)
             ORDER BY q.taken_by <> '', q.front DESC, c.promised_at NULLS FIRST, q.created_at, q.task_id
             LIMIT %s
            """,
            (limit,),
        )
        return await cursor.fetchall()


async def summary(conn: AsyncConnection[Any]) -> QueueSummary:
    """How many wait, how many are in hand, and since when the oldest waits."""
    async with conn.cursor(row_factory=class_row(QueueSummary)) as cursor:
        await cursor.execute(
            """
            SELECT count(*) FILTER (WHERE taken_by = '') AS waiting, count(*) FILTER (WHERE taken_by <> '') AS taken,
                   count(*) FILTER (WHERE taken_by = '' AND front) AS front,
                   min(created_at) FILTER (WHERE taken_by = '') AS oldest
              FROM views.queue
            """
        )
        found = await cursor.fetchone()
        return found or QueueSummary(waiting=0, taken=0, front=0, oldest=None)
