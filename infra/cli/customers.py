"""``ringback customers``: who owns which card, from a file instead of the topic."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import harmless, progress_bar
from infra.clock import utc_now
from infra.settings import Settings
from outreach.cases.service import Cases
from outreach.customers.service import Customers
from streams.customer_file import Row, rows

FAILED = 1
AT_ONCE = 16
"""So many rows are written side by side: no two of a file are of the same customer or card, or say the same of them."""

app = typer.Typer(no_args_is_help=True)


@app.callback()
def customers() -> None:
    """Who owns which card."""


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="NDJSON, or CSV by its ending.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON, for scripts.")] = False,
) -> None:
    """Records the customers of a file; the same file again changes nothing.

    A card that was another customer's is theirs from now on; in one file a card is one customer's. A case of a card
    that nobody owned goes to its owner. Exit code 1 where rows could not be read: they are listed by line, and the
    others are in.
    """
    settings = history_settings()
    written_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    read = list(rows(file, allow_card_numbers=settings.allow_card_numbers))
    outcome = asyncio.run(_import(settings, read, file.name, written_at, quiet=as_json))
    if as_json:
        typer.echo(json.dumps(outcome))
    else:
        console = Console(markup=False, highlight=False)
        for each in outcome["refused"]:
            console.print(f"line {each['line']}: {harmless(each['problem'])}", style="red", soft_wrap=True)
        told = f"{outcome['recorded']} customer{'' if outcome['recorded'] == 1 else 's'} recorded"
        console.print(told + (f", {outcome['adopted']} cases have found their owner" if outcome["adopted"] else ""))
    if outcome["refused"]:
        raise typer.Exit(FAILED)


async def _import(
    settings: Settings, read: list[Row], name: str, written_at: datetime, *, quiet: bool
) -> dict[str, Any]:
    begun = utc_now().isoformat()
    adopted = 0
    waiting = iter(read)
    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("customers", total=len(read))
        async with opened_history(settings) as history:
            into = Customers(history, utc_now, master_key=history.lookup_key)
            cases = Cases(history, utc_now, reopen_within=settings.reopen_within)

            async def write() -> None:
                nonlocal adopted
                for row in waiting:
                    if row.customer is not None:
                        cause = f"import:{name}:{row.line}:{begun}"
                        await into.record(row.customer, cause, written_at=written_at)
                        for card in row.customer.cards:
                            found = await cases.adopt(card.card_id, row.customer.customer_id, cause=cause)
                            adopted += found is not None
                    progress.advance(bar)

            async with asyncio.TaskGroup() as writing:
                for _ in range(AT_ONCE):
                    writing.create_task(write())
    return {
        "recorded": sum(row.customer is not None for row in read),
        "adopted": adopted,
        "refused": [_told(row) for row in read if row.customer is None],
    }


def _told(row: Row) -> dict[str, Any]:
    return {"line": row.line, "problem": row.problem}
