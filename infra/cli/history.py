"""``ringback history``: is the chain whole, what is in it, and the read models derived again."""

import asyncio
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import harmless
from infra.history.projection import rebuild
from infra.history.stats import Reader, Stats, stats
from infra.history.verify import Verification, verify
from outreach.projections import projections

USAGE = 2
FAILED = 1

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for scripts.")]


@app.command("verify")
def verify_command(*, as_json: AsJson = False) -> None:
    """Walks the whole chain; ends with 1 where anything was altered, removed, put in or moved. Needs no key."""
    result = asyncio.run(_verify())
    if as_json:
        _print_json(
            {
                "intact": result.intact,
                "events": result.events,
                "position": result.head.position,
                "hash": result.head.hash.hex(),
                "problems": result.problems,
            }
        )
    else:
        _tell(result)
    if not result.intact:
        raise typer.Exit(FAILED)


@app.command("rebuild")
def rebuild_command(
    name: Annotated[str | None, typer.Argument(help="The read model.", show_default=False)] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every read model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Derives read models again from the first event; whoever reads them sees the old rows until it is done."""
    known = [projection.name for projection in projections(b"")]
    if every == (name is not None) or (name is not None and name not in known):
        typer.secho(f"ringback: name one read model of {', '.join(sorted(known))}, or --all", err=True)
        raise typer.Exit(USAGE)
    reached = asyncio.run(_rebuild(known if name is None else [name]))
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


async def _verify() -> Verification:
    with _progress() as progress:
        task = progress.add_task("verifying", total=None)
        async with opened_history(history_settings(), readable=False) as history:
            return await verify(history, lambda done, of: progress.update(task, completed=done, total=of))


async def _rebuild(chosen: list[str]) -> dict[str, int]:
    reached = {}
    with _progress() as progress:
        async with opened_history(history_settings()) as history:
            for projection in projections(history.lookup_key):
                if projection.name not in chosen:
                    continue
                task = progress.add_task(projection.name, total=None)

                def show(position: int, head: int, task: Any = task) -> None:
                    progress.update(task, completed=position, total=head)

                reached[projection.name] = await rebuild(history, projection, show)
    return reached


async def _stats() -> Stats:
    async with opened_history(history_settings(), readable=False) as history:
        return await stats(history)


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _tell(result: Verification) -> None:
    console = Console(markup=False, highlight=False)
    if result.intact:
        console.print(f"The chain is whole: {result.events} events, head {result.head.hash.hex()}", soft_wrap=True)
        return
    table = Table(
        "position", "what", "how it shows", title=f"{len(result.problems)} findings in {result.events} events"
    )
    for problem in result.problems:
        table.add_row(str(problem.position), problem.kind, harmless(problem.why))
    console.print(table)


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
