"""The wallboard out of rows, without a database: what is counted, what is late, and in which order it stands."""

from datetime import UTC, datetime, timedelta
from typing import Any

from outreach.cases.due import DueKind, DueRow
from outreach.cases.identity import case_id_for
from outreach.cases.queue import QueueRow
from outreach.desk.accounts import Account
from outreach.desk.roster import Colleague
from outreach.desk.wallboard import MOST_DUE, Board, board

NOW = datetime(2026, 3, 14, 10, tzinfo=UTC)
WAITS = dict.fromkeys(DueKind, timedelta(minutes=15)) | {DueKind.PROMISE_DUE: -timedelta(minutes=10)}


def row(number: int, minutes: float, **said: Any) -> QueueRow:
    case_id = case_id_for(f"alert-{number}")
    fields: dict[str, Any] = {
        "task_id": f"task-{number}",
        "case_id": case_id,
        "case_code": "K7M4PX",
        "reason": "call_customer",
        "front": False,
        "severity": "high",
        "language": "en",
        "created_at": NOW - timedelta(minutes=minutes),
        "taken_by": "",
        "taken_at": None,
        "promised_at": None,
        "escalated": False,
    }
    return QueueRow(**{**fields, **said})


def due(kind: DueKind, minutes: float, number: int = 1) -> DueRow:
    since = NOW - timedelta(minutes=minutes)
    named = f"{kind}-{number}-{minutes}"
    return DueRow(
        kind=kind, since=since, case_id=case_id_for(f"alert-{number}"), subject_id=named, operator="", position=1
    )


def person(name: str, *, disabled: bool = False) -> Colleague:
    account = Account(name=name, display_name=name.title(), languages=("en",), disabled=disabled, session_epoch=0)
    return Colleague(account=account, seen_at=None)


def shown(rows: list[QueueRow], awaited: list[DueRow] | None = None, *people: Colleague) -> Board:
    return board(rows, awaited or [], people, waits=WAITS, now=NOW)


def test_waiting_tasks_are_counted_by_how_long_and_why_they_wait() -> None:
    rows = [row(1, 0.5), row(2, 4), row(3, 90, reason="read_reply"), row(4, 200, taken_by="dara", taken_at=NOW)]
    made = shown(rows)
    assert [each.count for each in made.bands] == [1, 1, 0, 0, 1]
    assert [(each.reason, each.count) for each in made.reasons] == [
        ("Read the reply, then call", 1),
        ("Call the customer", 2),
    ]
    assert (made.waiting, made.oldest) == (3, NOW - timedelta(minutes=90))


def test_what_is_escalated_and_waits_is_there_to_be_decided_and_what_is_held_is_not() -> None:
    rows = [row(1, 5, escalated=True), row(2, 9, escalated=True), row(3, 9, escalated=True, taken_by="vera")]
    made = shown(rows)
    assert [each.task_id for each in made.escalated] == ["task-2", "task-1"]
    assert [each.task_id for each in made.held] == ["task-3"]


def test_what_is_overdue_comes_first_and_is_counted_by_kind() -> None:
    made = shown([], [due(DueKind.SILENCE, 5), due(DueKind.CARD_ANSWER, 40), due(DueKind.SILENCE, 16, 2)])
    assert [each.overdue for each in made.due] == [True, True, False]
    assert [(each.what, each.count, each.overdue) for each in made.counted] == [
        ("Answer of the customer", 2, 1),
        ("Answer of the card system", 1, 1),
    ]
    assert len(made.unanswered) == 2
    assert made.overdue == 2


def test_a_promise_is_due_before_its_time_and_missed_after_it() -> None:
    coming, passed = NOW + timedelta(minutes=5), NOW - timedelta(hours=1)
    rows = [row(1, 5, promised_at=coming), row(2, 5, promised_at=passed, reason="promise_missed")]
    made = shown(rows, [due(DueKind.PROMISE_DUE, -5)])
    assert [each.task_id for each in made.promised] == ["task-2", "task-1"]
    assert (made.promised_soon, made.missed, made.overdue) == (2, 1, 1)


def test_whoever_is_disabled_is_not_listed_and_the_others_with_what_they_hold() -> None:
    made = shown([row(1, 5, taken_by="dara")], None, person("dara"), person("gone", disabled=True), person("mina"))
    assert [(each.colleague.account.name, each.tasks) for each in made.people] == [("dara", 1), ("mina", 0)]


def test_a_long_list_is_cut_and_its_count_is_not() -> None:
    made = shown([], [due(DueKind.SILENCE, minutes) for minutes in range(MOST_DUE + 7)])
    assert len(made.due) == MOST_DUE
    assert made.counted[0].count == MOST_DUE + 7
