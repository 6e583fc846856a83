"""``ringback case`` and ``ringback customer``: the history as a person reads it, oldest first.

What is personal is masked: it is seen at the desk, by whoever holds the task, and that look is recorded.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.cli.customer_words import customer_line
from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import harmless
from infra.history.event import Event, Recorded
from infra.history.moments import Moment, moment
from infra.history.registry import register
from infra.history.store import History
from outreach.cases import events as case_events
from outreach.cases.cases_view import by_code
from outreach.cases.events import CaseOpened, CustomerOfCaseErased
from outreach.cases.identity import case_stream
from outreach.customers import events as customer_events
from outreach.customers.service import customer_stream, erased_at, known_again_since
from outreach.desk.timeline import Line, timeline

FAILED = 1
_SCANNED = 2_000
_STYLES = {"alert": "red", "contact": "cyan", "customer": "magenta", "card": "yellow", "look": "dim", "end": "green"}

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")]


def case(
    case: Annotated[str, typer.Argument(help="The case's id, or the code that the customer was told.")],
    *,
    as_of: Annotated[
        str | None, typer.Option(help="As it was known at a moment (RFC 3339, with its offset) or position.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tells a case from its first alert to its end, or to a moment: what was known then, and nothing since."""
    recorded, known = asyncio.run(_case(case, as_of))
    if not recorded:
        _nobody(f"there is no case {case}" if known is None else f"there was no case {case} at {known}")
    lines = list(reversed(timeline(recorded, masked=True)))
    if as_json:
        _print_json(lines)
        return
    if known is not None:
        typer.secho(f"As known at {known}", bold=True)
    for told in _by_stream(recorded):
        opened = next((one.event for one in told if isinstance(one.event, CaseOpened)), None)
        title = f"Case {opened.case_code} · customer {opened.customer_id or 'not known'}" if opened else told[0].stream
        gone = next((one.recorded_at for one in told if isinstance(one.event, CustomerOfCaseErased)), None)
        _print(title + (f", erased on {gone:%Y-%m-%d}" if gone else ""), list(reversed(timeline(told, masked=True))))


def customer(
    customer: Annotated[str, typer.Argument(help="The customer's id at the bank.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Tells what the history holds of a customer: what the bank said, the cases, what she wants to hear."""
    recorded = asyncio.run(_stream(customer_stream(customer)))
    if not recorded:
        _nobody(f"there is no customer {customer}")
    lines = [customer_line(each) for each in recorded]
    if as_json:
        _print_json(lines)
        return
    _print(f"Customer {customer}{_whether_erased(recorded)}", lines)


def _whether_erased(recorded: Sequence[Recorded[Event]]) -> str:
    """Who stands under the id: who was erased, or somebody whom the bank has told of since."""
    gone, again = erased_at(recorded), known_again_since(recorded)
    if gone is None:
        return ""
    if again is None:
        return f" · erased on {gone:%Y-%m-%d}"
    return f" · known again since {again:%Y-%m-%d}; all before the erasure on {gone:%Y-%m-%d} is gone"


async def _stream(stream: str) -> list[Recorded[Event]]:
    register(case_events, customer_events)
    async with opened_history(history_settings()) as history:
        return await history.read_stream(stream)


async def _case(given: str, as_of: str | None) -> tuple[list[Recorded[Event]], Moment | None]:
    """The events of the case with the id, else of every case with the code; those that were recorded by then."""
    register(case_events, customer_events)
    async with opened_history(history_settings()) as history:
        known = None if as_of is None else await moment(history, as_of)
        recorded = await history.read_stream(case_stream(given.strip().lower()))
        if not recorded:
            for case_id in await _with_code(history, given.strip().upper()):
                recorded += await history.read_stream(case_stream(case_id))
    return [each for each in recorded if known is None or each.position <= known.position], known


async def _with_code(history: History, code: str) -> list[str]:
    """From the read model; where that is not built or not yet there, from the history itself."""
    async with history.transaction() as conn:
        cursor = await conn.execute("SELECT to_regclass('views.cases') IS NOT NULL")
        row = await cursor.fetchone()
        found = [each.case_id for each in await by_code(conn, code)] if row and row[0] else []
    after = 0
    while not found and (batch := await history.read(after=after, limit=_SCANNED, types={CaseOpened.wire_name})):
        found = [
            each.event.case_id for each in batch if isinstance(each.event, CaseOpened) and each.event.case_code == code
        ]
        after = batch[-1].position
    return found


def _by_stream(recorded: Sequence[Recorded[Event]]) -> list[list[Recorded[Event]]]:
    streams: dict[str, list[Recorded[Event]]] = {}
    for each in recorded:
        streams.setdefault(each.stream, []).append(each)
    return list(streams.values())


def _print(title: str, lines: Sequence[Line]) -> None:
    table = Table(title=harmless(title), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("#", "when (UTC)", "after", "who"):
        table.add_column(column, style="dim", no_wrap=True)
    table.add_column("what", overflow="fold")
    first = lines[0].at
    for line in lines:
        what = Text(harmless(line.text), style=_STYLES.get(line.tone, ""))
        if line.detail:
            what.append(f"\n{harmless(line.detail)}", style="dim")
        table.add_row(
            str(line.version), f"{line.at:%Y-%m-%d %H:%M:%S}", _after(first, line.at), harmless(line.who), what
        )
    Console(markup=False, highlight=False).print(table)


def _after(first: datetime, at: datetime) -> str:
    """The time since the first line: ``+0.4 s``, ``+12:05``, ``+2 d 03:10``."""
    seconds = (at - first).total_seconds()
    if seconds < 60:  # noqa: PLR2004 -- a minute
        return f"+{seconds:.1f} s"
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"+{days} d {hour:02}:{minute:02}"
    return f"+{hour}:{minute:02}:{second:02}" if hour else f"+{minute}:{second:02}"


def _nobody(text: str) -> None:
    typer.secho(f"ringback: {text}", err=True, fg=typer.colors.RED)
    raise typer.Exit(FAILED)


def _print_json(lines: Sequence[Any]) -> None:
    for line in lines:
        typer.echo(msgspec.json.encode(line))
