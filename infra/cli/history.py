"""``ringback history``: is the chain whole, what is in it, what happened when, and the read models derived again."""

import asyncio
from datetime import UTC
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from infra.cli.history_diff import diff_command
from infra.cli.history_files import export_command, import_command
from infra.cli.history_seals import app as seals_app
from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import harmless, progress_bar
from infra.cli.verifying import verify_command
from infra.history.leadership import Holder
from infra.history.projection import rebuild
from infra.history.stats import Reader, Stats, stats
from outreach.projections import projections

USAGE = 2

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for scripts.")]


app.command("verify")(verify_command)
app.command("export")(export_command)
app.command("import")(import_command)
app.command("diff")(diff_command)
app.add_typer(seals_app, name="seals")


@app.command("rebuild")
def rebuild_command(
    name: Annotated[str | None, typer.Argument(help="The read model.", show_default=False)] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every read model.")] = False,
    afresh: Annotated[bool, typer.Option("--afresh", help="Keep nothing of a rebuild that was interrupted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Derives read models again from the first event, beside the ones that serve; then they take over at once."""
    known = [projection.name for projection in projections(b"")]
    if every == (name is not None) or (name is not None and name not in known):
        typer.secho(f"ringback: name one read model of {', '.join(sorted(known))}, or --all", err=True)
        raise typer.Exit(USAGE)
    reached = asyncio.run(_rebuild(known if name is None else [name], afresh=afresh))
    if as_json:
        _print_json({"rebuilt": reached})
    else:
        for rebuilt, position in reached.items():
            typer.echo(f"{rebuilt} is rebuilt, up to position {position}")


@app.command("stats")
def stats_command(*, as_json: AsJson = False) -> None:
    """How much there is of what, and how far the readers have come."""
    figures = asyncio.run(_stats())
    if as_json:
        _print_json(figures)
    else:
        _show(figures)


async def _rebuild(chosen: list[str], *, afresh: bool) -> dict[str, int]:
    reached = {}
    with progress_bar(quiet=not Console(stderr=True).is_terminal) as progress:
        async with opened_history(history_settings()) as history:
            for projection in projections(history.lookup_key):
                if projection.name not in chosen:
                    continue
                task = progress.add_task(projection.name, total=None)

                def show(position: int, head: int, task: Any = task) -> None:
                    progress.update(task, completed=position, total=head)

                def waiting(holder: Holder, name: str = projection.name) -> None:
                    progress.console.print(_held(name, holder), markup=False, highlight=False, soft_wrap=True)

                reached[projection.name] = await rebuild(history, projection, show, afresh=afresh, waiting=waiting)
    return reached


def _held(name: str, holder: Holder) -> str:
    since = f" since {holder.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if holder.since is not None else ""
    place = f" from {holder.address}" if holder.address else ""
    return f"{name}: another builds it{since} (PostgreSQL's session {holder.session}{place}); waiting until that ends"


async def _stats() -> Stats:
    async with opened_history(history_settings(), readable=False) as history:
        return await stats(history)


def _show(figures: Stats) -> None:
    console = Console(markup=False, highlight=False)
    console.print(
        f"{figures.position} events in {figures.streams} streams, {decimal(figures.bytes)} on disk;"
        f" customers' keys: {figures.keys}, destroyed: {figures.destroyed_keys}"
    )
    console.print(f"head {figures.head_hash}", soft_wrap=True)
    console.print(_table("events", "count", [(name, str(count)) for name, count in figures.types.items()]))
    for title, readers in (("read model", figures.projections), ("subscription", figures.subscriptions)):
        if readers:
            console.print(_table(title, "position", [(harmless(reader.name), _place(reader)) for reader in readers]))


def _place(reader: Reader) -> str:
    return f"{reader.position} ({reader.behind} behind)" if reader.behind else str(reader.position)


def _table(name: str, figure: str, rows: list[tuple[str, str]]) -> Table:
    table = Table(name)
    table.add_column(figure, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.encode(value))
