"""The read model `due`: what has to happen if nothing else does, and since when it is waited for.

A row holds the moment from which is counted, not the moment at which it is due: how long to wait is the reader's
setting, so that the rows are the same whatever the settings are.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from infra.history.event import Event, Recorded
from infra.settings import Settings
from outreach.cases import events as e
from outreach.cases.evolve import DELIVERED, LOST


class DueKind(StrEnum):
    """What is waited for."""

    OUTCOME = "outcome"
    """An intent has no outcome yet, or an unknown one; subject: the contact id. The contact role reconciles."""
    DELIVERY = "delivery"
    """An accepted SMS has no final delivery callback; subject: the contact id. The contact role asks the provider."""
    SILENCE = "silence"
    """The customer has not answered the message; subject: the contact id. The casework role notes it."""
    CARD_ANSWER = "card-answer"
    """The card system has not answered; subject: the command id. The cards role sends again."""
    HAND_OVER = "hand-over"
    """An operator holds the task; subject: the task id. The casework role looks for a sign of life."""
    PROMISE_DUE = "promise-due"
    """A call was promised; subject: the call-back. Shortly before, the casework role brings its task to the front."""
    PROMISE_MISSED = "promise-missed"
    """The same promise, from its time on; the casework role records that nobody rang."""


class DueRow(Struct, frozen=True, kw_only=True):
    """One thing that is waited for. ``position``: of the event that began the wait, a good cause for the command.

    ``since``: from when on it is counted; of a promise, the promised time. ``operator``: who holds the task, of
    ``hand-over``; else empty.
    """

    kind: DueKind
    since: datetime
    case_id: str
    subject_id: str
    operator: str
    position: int


def waits(settings: Settings) -> dict[DueKind, timedelta]:
    """How long each kind is waited for; less than nothing where it is to happen before its moment."""
    return {
        DueKind.OUTCOME: settings.outcome_due_after,
        DueKind.DELIVERY: settings.delivery_due_after,
        DueKind.SILENCE: settings.silence_after,
        DueKind.CARD_ANSWER: settings.card_answer_due_after,
        DueKind.HAND_OVER: settings.hand_over_after,
        DueKind.PROMISE_DUE: -settings.promise_due_before,
        DueKind.PROMISE_MISSED: settings.promise_missed_after,
    }


class Due:
    """The projection. A wait that is over keeps its row, so that what comes late does not begin it again."""

    name: str = "due"
    version: int = 4
    tables: tuple[str, ...] = ("due",)
    ddl: str = """
    CREATE TABLE due (
        kind text NOT NULL, subject_id text NOT NULL, case_id text NOT NULL, operator text NOT NULL DEFAULT '',
        since timestamptz, position bigint NOT NULL, over boolean NOT NULL DEFAULT false,
        PRIMARY KEY (kind, subject_id)
    );
    CREATE INDEX due_by_since ON due (kind, since) WHERE NOT over;
    CREATE INDEX due_by_case ON due (case_id) WHERE NOT over;
    """

    async def apply(self, conn: AsyncConnection[Any], recorded: Recorded[Event]) -> None:
        """Begins, renews and ends the waits."""
        wait = _Waits(conn, recorded)
        match recorded.event:
            case e.CardActionRequested(command_id=named) | e.CardActionSent(command_id=named):
                await wait.begin(DueKind.CARD_ANSWER, named)
            case (
                e.CardActionAnswered(command_id=named)
                | e.CardActionFailed(command_id=named)
                | e.CardShipped(command_id=named)
            ):
                await wait.end(DueKind.CARD_ANSWER, named)
            case e.CallReceived() | e.CallAnswered() | e.PaymentsConfirmed() | e.PaymentsDenied():
                await wait.end_of_case(DueKind.SILENCE)
            case e.CaseResolved():
                for kind in (DueKind.SILENCE, DueKind.PROMISE_DUE, DueKind.PROMISE_MISSED):
                    await wait.end_of_case(kind)
            case e.CustomerOfCaseErased():
                for kind in DueKind:
                    if kind is not DueKind.CARD_ANSWER:  # the bank's own card system, which answers about a card
                        await wait.end_of_case(kind)
            case e.ReplyReceived(meaning=meaning) if meaning not in {"opt_out", "opt_in"}:
                await wait.end_of_case(DueKind.SILENCE)
            case _:
                await _follow_task(wait, recorded.event)
        await wait.see_operator()


async def _follow_task(wait: "_Waits", event: Event) -> None:
    match event:
        case e.TaskTaken() as taken:
            await wait.begin(DueKind.HAND_OVER, taken.task_id, operator=taken.operator)
        case e.TaskHandedOver() as handed:
            await wait.begin(DueKind.HAND_OVER, handed.task_id, operator=handed.to)
        case e.TaskReturned(task_id=named) | e.TaskCompleted(task_id=named) | e.TaskEscalated(task_id=named):
            await wait.end(DueKind.HAND_OVER, named)
        case _:
            await _follow_contact(wait, event)


async def _follow_contact(wait: "_Waits", event: Event) -> None:
    match event:
        case e.ContactIntended() as intended:
            await wait.begin(DueKind.OUTCOME, intended.contact_id)
            if intended.purpose == "alert":
                await wait.foresee(DueKind.SILENCE, intended.contact_id)
        case e.ContactUnknown(contact_id=named):
            await wait.begin(DueKind.OUTCOME, named)
        case e.ContactAccepted() as accepted:
            await wait.end(DueKind.OUTCOME, accepted.contact_id)
            await wait.start_foreseen(DueKind.SILENCE, accepted.contact_id)
            if accepted.channel == "sms":
                await wait.begin_once(DueKind.DELIVERY, accepted.contact_id)
        case e.ContactFailed(contact_id=named):
            for kind in (DueKind.OUTCOME, DueKind.DELIVERY, DueKind.SILENCE):
                await wait.end(kind, named)
        case _:
            await _follow_arrival(wait, event)


async def _follow_arrival(wait: "_Waits", event: Event) -> None:
    match event:
        case e.DeliveryReported() as reported if reported.status in DELIVERED | LOST:
            await wait.end(DueKind.DELIVERY, reported.contact_id)
            if reported.status in LOST:
                await wait.end(DueKind.SILENCE, reported.contact_id)
        case e.SilenceNoted(contact_id=named):
            await wait.end(DueKind.SILENCE, named)
        case _:
            await _follow_promise(wait, event)


async def _follow_promise(wait: "_Waits", event: Event) -> None:
    match event:
        case e.CallBackPromised() as promised:
            await wait.begin(DueKind.PROMISE_DUE, promised.call_back_id, since=promised.at)
            await wait.begin(DueKind.PROMISE_MISSED, promised.call_back_id, since=promised.at)
        case e.CallBackDue(call_back_id=named):
            await wait.end(DueKind.PROMISE_DUE, named)
        case e.CallBackKept(call_back_id=named) | e.CallBackMissed(call_back_id=named):
            await wait.end(DueKind.PROMISE_DUE, named)
            await wait.end(DueKind.PROMISE_MISSED, named)
        case _:
            pass


class _Waits:
    """The rows that one event changes."""

    def __init__(self, conn: AsyncConnection[Any], recorded: Recorded[Event]) -> None:
        self._conn = conn
        self._at = recorded.occurred_at
        self._position = recorded.position
        self._case_id = recorded.stream.removeprefix("case-")
        self._actor = recorded.actor

    async def begin(self, kind: DueKind, subject_id: str, *, operator: str = "", since: datetime | None = None) -> None:
        """Waits from now (or from a moment to come) on, whatever was before."""
        await self._conn.execute(
            "INSERT INTO due (kind, subject_id, case_id, operator, since, position) VALUES (%s,%s,%s,%s,%s,%s)"
            " ON CONFLICT (kind, subject_id) DO UPDATE SET since = excluded.since, position = excluded.position,"
            " operator = excluded.operator, over = false",
            (kind.value, subject_id, self._case_id, operator, since or self._at, self._position),
        )

    async def begin_once(self, kind: DueKind, subject_id: str) -> None:
        """Waits from now on, unless it is waited for, or was, already."""
        await self._insert(kind, subject_id, since=self._at, over=False)

    async def foresee(self, kind: DueKind, subject_id: str) -> None:
        """Will be waited for once it is started."""
        await self._insert(kind, subject_id, since=None, over=False)

    async def start_foreseen(self, kind: DueKind, subject_id: str) -> None:
        """Waits from now on for what was foreseen, unless it is over."""
        await self._conn.execute(
            "UPDATE due SET since = %s, position = %s"
            " WHERE kind = %s AND subject_id = %s AND since IS NULL AND NOT over",
            (self._at, self._position, kind.value, subject_id),
        )

    async def end(self, kind: DueKind, subject_id: str) -> None:
        """Waits no more, and not later either unless it begins anew."""
        await self._conn.execute(
            "INSERT INTO due (kind, subject_id, case_id, position, over) VALUES (%s, %s, %s, %s, true)"
            " ON CONFLICT (kind, subject_id) DO UPDATE SET over = true",
            (kind.value, subject_id, self._case_id, self._position),
        )

    async def end_of_case(self, kind: DueKind) -> None:
        """Waits no more for anything of the kind in the case."""
        await self._conn.execute(
            "UPDATE due SET over = true WHERE kind = %s AND case_id = %s AND NOT over",
            (kind.value, self._case_id),
        )

    async def see_operator(self) -> None:
        """Whatever the operator does on the case is a sign of life."""
        if self._actor.startswith("operator:"):
            await self._conn.execute(
                "UPDATE due SET since = %s WHERE kind = %s AND case_id = %s AND operator = %s AND NOT over",
                (self._at, DueKind.HAND_OVER.value, self._case_id, self._actor.removeprefix("operator:")),
            )

    async def _insert(self, kind: DueKind, subject_id: str, *, since: datetime | None, over: bool) -> None:
        await self._conn.execute(
            "INSERT INTO due (kind, subject_id, case_id, since, position, over) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (kind, subject_id) DO NOTHING",
            (kind.value, subject_id, self._case_id, since, self._position, over),
        )


async def awaited(conn: AsyncConnection[Any], *, limit: int = 1000) -> list[DueRow]:
    """Everything that is waited for, of every kind, the oldest first; nothing before the table is first made."""
    made = await (await conn.execute("SELECT to_regclass('views.due') IS NOT NULL")).fetchone()
    if made is None or not made[0]:
        return []
    cursor = await conn.execute(
        "SELECT kind, since, case_id, subject_id, operator, position FROM views.due"
        " WHERE NOT over AND since IS NOT NULL ORDER BY since, subject_id, kind LIMIT %s",
        (limit,),
    )
    return [
        DueRow(kind=DueKind(kind), since=since, case_id=case_id, subject_id=named, operator=operator, position=position)
        for kind, since, case_id, named, operator, position in await cursor.fetchall()
    ]


def due_moments(rows: Iterable[DueRow], waits: Mapping[DueKind, timedelta]) -> list[tuple[datetime, DueRow]]:
    """Each with the moment at which it is due, the first due first."""
    return sorted(((row.since + waits[row.kind], row) for row in rows), key=lambda each: (each[0], each[1].subject_id))


async def overdue(
    conn: AsyncConnection[Any],
    now: datetime,
    waits: Mapping[DueKind, timedelta],
    *,
    kinds: Collection[DueKind] = tuple(DueKind),
    limit: int = 200,
) -> list[DueRow]:
    """What of these kinds has been waited for long enough, longest first; nothing before the table is first made."""
    found: list[DueRow] = []
    made = await (await conn.execute("SELECT to_regclass('views.due') IS NOT NULL")).fetchone()
    if made is None or not made[0]:
        return found
    for kind in kinds:
        cursor = await conn.execute(
            "SELECT since, case_id, subject_id, operator, position FROM views.due"
            " WHERE kind = %s AND NOT over AND since <= %s ORDER BY since, subject_id LIMIT %s",
            (kind.value, now - waits[kind], limit),
        )
        found += [
            DueRow(kind=kind, since=since, case_id=case_id, subject_id=subject_id, operator=operator, position=position)
            for since, case_id, subject_id, operator, position in await cursor.fetchall()
        ]
    return sorted(found, key=lambda row: (row.since, row.subject_id))[:limit]
