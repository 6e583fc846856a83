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
from outreach.cases.due import DueRow, awaited, due_moments, waits
from outreach.desk.words import AFTER_THE_WAIT

app = typer.Typer(no_args_is_help=True)


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
    async with opened_history(settings, readable=False) as history, history.transaction() as conn:
        return due_moments(await awaited(conn), waits(settings))


def _document(at: datetime, row: DueRow, now: datetime) -> dict[str, Any]:
    return {
        "due_at": at.isoformat(),
        "overdue": at <= now,
        "kind": row.kind.value,
        "case_id": row.case_id,
        "subject_id": row.subject_id,
        "operator": row.operator,
        "since": row.since.isoformat(),
        "then": AFTER_THE_WAIT[row.kind.value],
    }
