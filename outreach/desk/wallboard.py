"""The wallboard: how the queue stands, who holds what, and what is due. Nothing of a customer is on it. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from outreach.cases.due import DueKind, DueRow, due_moments
from outreach.cases.identity import case_code
from outreach.cases.queue import QueueRow
from outreach.desk.roster import Colleague
from outreach.desk.words import AFTER_THE_WAIT, AWAITED, REASONS, said

BANDS = ((1, "under 1 min"), (5, "1 to 5 min"), (15, "5 to 15 min"), (60, "15 min to 1 h"))
"""Upper ends in minutes; what waits longer is in a band of its own."""

LONGER = "over 1 h"

MOST_DUE = 50
"""As many lines as one looks through; beyond them the counts say how much there is."""

PROMISED_SOON = timedelta(hours=1)


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks have waited for so long; ``share`` of all that wait, in percent."""

    words: str
    count: int
    share: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks wait for one reason, the oldest ``since``."""

    reason: str
    count: int
    since: datetime


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is waited for. ``overdue``: it should have come, or its consequence happened, by now."""

    what: str
    then: str
    case_id: str
    case_code: str
    operator: str
    since: datetime
    at: datetime
    overdue: bool


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one kind is waited for, and how much of it is overdue."""

    what: str
    count: int
    overdue: int


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who works at the desk, with the tasks in their hand."""

    colleague: Colleague
    tasks: int


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """The wallboard at one moment.

    Attributes:
        escalated: what waits for a supervisor, the oldest first.
        held: what is in somebody's hand, the longest held first; promised: owed calls with a time, the next first.
        unanswered: messages to which no customer has answered, the longest first.
        due: the first that are due, overdue ones in front; ``counted`` has all of them.
    """

    waiting: int
    front: int
    overdue: int
    oldest: datetime | None
    escalated: list[QueueRow]
    held: list[QueueRow]
    promised: list[QueueRow]
    promised_soon: int
    missed: int
    bands: list[Band]
    reasons: list[Waiting]
    unanswered: list[Awaited]
    due: list[Awaited]
    counted: list[Counted]
    people: list[Person]


def board(
    rows: Sequence[QueueRow],
    awaited: Sequence[DueRow],
    colleagues: Sequence[Colleague],
    *,
    waits: Mapping[DueKind, timedelta],
    now: datetime,
) -> Board:
    """The wallboard out of the queue, of what is waited for, and of who works at the desk."""
    waiting = [row for row in rows if not row.taken_by]
    held = sorted((row for row in rows if row.taken_by), key=lambda row: row.taken_at or row.created_at)
    timed = due_moments(awaited, waits)
    due = [_awaited(at, row, now) for at, row in timed]
    kinds = Counter(row.kind for row in awaited)
    late = Counter(row.kind for at, row in timed if at <= now)
    promised = sorted((row for row in rows if row.promised_at), key=lambda row: row.promised_at or now)
    has = Counter(row.taken_by for row in held)
    return Board(
        waiting=len(waiting),
        front=sum(row.front for row in waiting),
        overdue=late.total(),
        oldest=min((row.created_at for row in waiting), default=None),
        escalated=sorted((row for row in waiting if row.escalated), key=lambda row: row.created_at),
        held=held,
        promised=promised,
        promised_soon=sum(row.promised_at is not None and row.promised_at <= now + PROMISED_SOON for row in promised),
        missed=sum(row.reason == "promise_missed" for row in rows),
        bands=_bands(waiting, now),
        reasons=_reasons(waiting),
        unanswered=[each for each in due if each.what == AWAITED[DueKind.SILENCE]],
        due=due[:MOST_DUE],
        counted=[Counted(what=AWAITED[kind], count=kinds[kind], overdue=late[kind]) for kind in DueKind if kinds[kind]],
        people=[
            Person(colleague=each, tasks=has[each.account.name]) for each in colleagues if not each.account.disabled
        ],
    )


def _awaited(at: datetime, row: DueRow, now: datetime) -> Awaited:
    return Awaited(
        what=AWAITED[row.kind.value],
        then=AFTER_THE_WAIT[row.kind.value],
        case_id=row.case_id,
        case_code=case_code(row.case_id),
        operator=row.operator,
        since=row.since,
        at=at,
        overdue=at <= now,
    )


def _bands(waiting: Sequence[QueueRow], now: datetime) -> list[Band]:
    counts = Counter(_band(now - row.created_at) for row in waiting)
    every = max(1, len(waiting))
    words = [*(words for _, words in BANDS), LONGER]
    return [Band(words=each, count=counts[each], share=round(100 * counts[each] / every)) for each in words]


def _band(waited: timedelta) -> str:
    return next((words for minutes, words in BANDS if waited < timedelta(minutes=minutes)), LONGER)


def _reasons(waiting: Sequence[QueueRow]) -> list[Waiting]:
    since: dict[str, list[datetime]] = {}
    for row in waiting:
        since.setdefault(row.reason, []).append(row.created_at)
    found = [Waiting(reason=said(REASONS, reason), count=len(each), since=min(each)) for reason, each in since.items()]
    return sorted(found, key=lambda each: each.since)
