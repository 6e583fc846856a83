"""``ringback due``: what the cases are waiting for, and what happens then."""

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import harmless
from infra.clock import utc_now
from infra.settings import Settings
from outreach.cases.due import DueKind, DueRow, awaited, waits

app = typer.Typer(no_args_is_help=True)

THEN = {
    DueKind.OUTCOME: "the provider is asked what became of the message",
    DueKind.DELIVERY: "the provider is asked whether the message arrived",
    DueKind.SILENCE: "the next message goes out, or a person takes over",
    DueKind.CARD_ANSWER: "the command is sent to the card system again",
    DueKind.HAND_OVER: "the task goes back to the queue",
    DueKind.PROMISE_DUE: "the task comes to the front of the queue",
    DueKind.PROMISE_MISSED: "the promise counts as missed",
}


@app.callback()
def due() -> None:
    """What is waited for."""


@app.command("list")
def list_command(
    *,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what should have happened by now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False,
) -> None:
    """Lists what is waited for, by the time at which it is due; as JSON, with what happens then."""
    now = utc_now()
    settings = history_settings()
    found = [each for each in asyncio.run(_awaited(settings)) if not overdue or each[0] <= now]
    if as_json:
        for at, row in found:
            typer.echo(json.dumps(_document(at, row, now)))
        return
    console = Console(markup=False, highlight=False)
    if not found:
        console.print("nothing is waited for")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("due at (UTC)", "what", "case", "who"):
        table.add_column(column, no_wrap=True)
    for at, row in found:
        style = "red" if at <= now else ""
        table.add_row(f"{at:%Y-%m-%d %H:%M:%S}", row.kind.value, row.case_id, harmless(row.operator), style=style)
    console.print(table)


async def _awaited(settings: Settings) -> list[tuple[datetime, DueRow]]:
    """Each with the moment at which it is due."""
    wait = waits(settings)
    async with opened_history(settings, readable=False) as history, history.transaction() as conn:
        found = await awaited(conn)
    return sorted(((row.since + wait[row.kind], row) for row in found), key=lambda each: (each[0], each[1].subject_id))


def _document(at: datetime, row: DueRow, now: datetime) -> dict[str, Any]:
    return {
        "due_at": at.isoformat(),
        "overdue": at <= now,
        "kind": row.kind.value,
        "case_id": row.case_id,
        "subject_id": row.subject_id,
        "operator": row.operator,
        "since": row.since.isoformat(),
        "then": THEN[row.kind],
    }
