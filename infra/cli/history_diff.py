"""``ringback history diff``: what happened between two moments, by case, customer and card, as a person reads it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.cli.customer_words import customer_line
from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import harmless
from infra.history.errors import HistoryError
from infra.history.event import Event, Recorded
from infra.history.moments import Moment, NoMoment, moment
from infra.history.registry import register
from infra.history.store import History
from outreach.cases import events as case_events
from outreach.cases.identity import case_code, case_stream
from outreach.customers import events as customer_events
from outreach.desk import events as desk_events
from outreach.desk.timeline import Line, timeline

_BATCH = 1_000
_TOLD_IN_FULL = 300
"""More events than that are counted, unless every one is asked for."""


class NoCase(HistoryError):
    """The history knows no such case."""


class _Told(msgspec.Struct, frozen=True):
    stream: str
    line: Line


def diff_command(
    since: Annotated[str, typer.Argument(help="A moment (RFC 3339, with its offset) or a position.")],
    until: Annotated[str | None, typer.Argument(help="Another, later one; none: now.", show_default=False)] = None,
    *,
    case: Annotated[str | None, typer.Option(help="One case alone, by its id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Tell each event, however many there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an event, for scripts.")] = False,
) -> None:
    """Tells what happened between two moments; what is personal is masked."""
    begin, end, told = asyncio.run(_between(since, until, case))
    if as_json:
        for each in told:
            typer.echo(msgspec.json.encode({"stream": each.stream, **msgspec.structs.asdict(each.line)}))
        return
    console = Console(markup=False, highlight=False)
    streams: dict[str, list[Line]] = {}
    for each in told:
        streams.setdefault(each.stream, []).append(each.line)
    console.print(f"{len(told)} events in {len(streams)} streams, from {begin} to {end}", soft_wrap=True)
    if len(told) > _TOLD_IN_FULL and not every:
        _count(console, streams)
        return
    for stream, lines in streams.items():
        console.print(_table(stream, lines))


async def _between(since: str, until: str | None, case: str | None) -> tuple[Moment, Moment, list[_Told]]:
    register(case_events, customer_events, desk_events)
    async with opened_history(history_settings()) as history:
        begin = await moment(history, since)
        end = await moment(history, until if until is not None else str((await history.head()).position))
        if end.position < begin.position:
            raise NoMoment(f"{end} is before {begin}: give the earlier one first")
        if case is not None:
            stream = case_stream(case.strip().lower())
            timeline = await history.read_stream(stream)
            if not timeline:
                raise NoCase(f"there is no case {case}; `ringback case` takes its code too, this its id")
            found = [one for one in timeline if begin.position < one.position <= end.position]
        else:
            found = await _events(history, begin.position, end.position)
    return begin, end, [_Told(one.stream, _line(one)) for one in found]


async def _events(history: History, after: int, last: int) -> list[Recorded[Event]]:
    found: list[Recorded[Event]] = []
    while after < last and (batch := await history.read(after=after, limit=min(_BATCH, last - after))):
        found += batch
        after = batch[-1].position
    return found


def _line(recorded: Recorded[Event]) -> Line:
    return timeline([recorded], masked=True)[0] if recorded.stream.startswith("case-") else customer_line(recorded)


def _title(stream: str, lines: Sequence[Line]) -> str:
    category, _, name = stream.partition("-")
    named = f"Case {case_code(name)} ({stream})" if category == "case" else stream
    return f"{named}: version {lines[0].version - 1} to {lines[-1].version}"


def _table(stream: str, lines: Sequence[Line]) -> Table:
    table = Table(title=harmless(_title(stream, lines)), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("position", "when (UTC)", "who"):
        table.add_column(column, style="dim", no_wrap=True)
    table.add_column("what", overflow="fold")
    for line in lines:
        what = Text(harmless(line.text))
        if line.detail:
            what.append(f"\n{harmless(line.detail)}", style="dim")
        table.add_row(str(line.position), f"{line.at:%Y-%m-%d %H:%M:%S}", harmless(line.who), what)
    return table


def _count(console: Console, streams: dict[str, list[Line]]) -> None:
    kinds = Counter(line.wire_name for lines in streams.values() for line in lines)
    table = Table("event")
    table.add_column("count", justify="right")
    for name, count in kinds.most_common():
        table.add_row(harmless(name), str(count))
    console.print(table)
    console.print("Each of them: --all, or --case CASE for one case, or --json for a script.")
