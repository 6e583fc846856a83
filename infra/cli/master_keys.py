"""``ringback keys``: which master key wraps the customers' keys, and another one in its place."""

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import progress_bar
from infra.history.keystore import KeyCounts
from infra.history.rotation import Rotated, rotate

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for scripts.")]


@app.command("list")
def list_command(*, as_json: AsJson = False) -> None:
    """Shows how many customers' keys each master key wraps, by the master keys' names, and how many are destroyed."""
    counted, current, given = asyncio.run(_list())
    if as_json:
        said = {"by_master": counted.by_master, "destroyed": counted.destroyed, "current": current, "given": given}
        typer.echo(msgspec.json.encode(said))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("master key", "wraps", ""):
        table.add_column(column, no_wrap=True)
    for name in sorted({*counted.by_master, *([current] if current else []), given}):
        notes = [*(["current"] if name == current else []), *(["RINGBACK_MASTER_KEY"] if name == given else [])]
        table.add_row(name, str(counted.by_master.get(name, 0)), ", ".join(notes))
    console = Console(markup=False, highlight=False)
    console.print(table)
    console.print(f"destroyed: {counted.destroyed}")


@app.command("rotate")
def rotate_command(*, as_json: AsJson = False) -> None:
    """Wraps every customer's key by RINGBACK_MASTER_KEY; those before it are in RINGBACK_PREVIOUS_MASTER_KEYS.

    Give both to every process first, and restart it. Workers go on reading and writing meanwhile; broken off, it goes
    on where it was. When it has ended, RINGBACK_PREVIOUS_MASTER_KEYS can be dropped everywhere.
    """
    done = asyncio.run(_rotate(quiet=as_json))
    if as_json:
        typer.echo(msgspec.json.encode(done))
        return
    before = f", in place of {done.replaced}" if done.replaced else ""
    typer.echo(f"the master key {done.master} wraps every key{before}; wrapped anew: {done.rewrapped}")
    typer.echo("RINGBACK_PREVIOUS_MASTER_KEYS is not needed any more")


async def _list() -> tuple[KeyCounts, str | None, str]:
    async with opened_history(history_settings()) as history, history.keys() as (keys, conn):
        counted = await keys.store.counts(conn)
        return counted, await keys.store.current_master(conn), keys.masters.newest_id


async def _rotate(*, quiet: bool) -> Rotated:
    with progress_bar(quiet=quiet) as progress:
        task = progress.add_task("keys", total=None)
        async with opened_history(history_settings()) as history:
            return await rotate(history, lambda done, of: progress.update(task, completed=done, total=of))
