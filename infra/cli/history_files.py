"""``ringback history export`` and ``import``: the history into a file with its chain, and back into an empty one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import progress_bar
from infra.history.errors import HistoryError
from infra.history.exporting import export_history, import_history
from infra.history.moments import NoMoment, moment
from infra.history.store import History
from infra.history.verify import Progress, Verification

FAILED = 1
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for scripts.")]


def export_command(
    file: Annotated[Path, typer.Argument(help="NAME.ndjson or NAME.parquet.", show_default=False)],
    *,
    first: Annotated[str | None, typer.Option("--from", help="First position, or the moment before it.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last position, or a moment.")] = None,
    as_json: AsJson = False,
) -> None:
    """Writes the history with its chain into a file; personal data stays encrypted. Ends with 1 where it is broken."""

    async def work(history: History, show: Progress) -> Verification:
        begin = 1
        if first is not None:
            found = await moment(history, first)
            begin = max(1, found.position if first.strip().isdigit() else found.position + 1)
        end = None if last is None else (await moment(history, last)).position
        try:
            return await export_history(history, file, show, first=begin, last=end)
        except ValueError as error:
            raise NoMoment(str(error)) from error

    _tell(asyncio.run(_with_bar("exporting", work)), f"in {file}", as_json=as_json)


def import_command(
    file: Annotated[Path, typer.Argument(help="What `export` wrote.", show_default=False)], *, as_json: AsJson = False
) -> None:
    """Fills an empty history from a file, all or nothing; the customers' keys are not in it, and are restored apart."""

    async def work(history: History, show: Progress) -> Verification:
        return await import_history(history, file, show)

    _tell(asyncio.run(_with_bar("importing", work)), "imported", as_json=as_json)
    if not as_json:
        typer.echo(
            "Personal data is as encrypted as it was: restore the customers' keys (docs/data.md) to read it. The read"
            " models follow by themselves, or by `ringback history rebuild --all`.",
            err=True,
        )


async def _with_bar(name: str, work: Callable[[History, Progress], Awaitable[Verification]]) -> Verification:
    with progress_bar(quiet=not Console(stderr=True).is_terminal) as progress:
        task = progress.add_task(name, total=None)
        async with opened_history(history_settings(), readable=False) as history:
            return await work(history, lambda done, of: progress.update(task, completed=done, total=of))


def _tell(result: Verification, where: str, *, as_json: bool) -> None:
    if as_json:
        told = {"events": result.events, "position": result.head.position, "hash": result.head.hash.hex()}
        typer.echo(msgspec.json.encode({**told, "intact": result.intact, "problems": result.problems}))
    else:
        typer.echo(f"{result.events} events {where}; hash at the end {result.head.hash.hex()}")
    if not result.intact:
        broken = result.problems[0]
        raise BrokenExport(f"the chain is broken at position {broken.position}: {broken.why}")


class BrokenExport(HistoryError):
    """What was exported is not a whole chain; it is in the file as it stands."""
