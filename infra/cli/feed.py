"""``ringback feed FILE``: replays a file of transactions into the feed, with progress; refused rows are listed."""

import asyncio
import json
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from infra.cli.connected import connected_settings
from infra.cli.keys import with_keys
from infra.cli.screen import harmless, progress_bar
from infra.cli.zone import Zone
from infra.clock import utc_now
from infra.settings import Settings
from streams.errors import StreamsError
from streams.feed.batch import ROWS_AT_MOST
from streams.feed.files import FileRow, read_file
from streams.feed.rows import Bad
from streams.feed.ways import IntoTopic, OverHttp, Way

BATCH: Final = 1_000
SHOWN_AT_MOST: Final = 50


class Entrance(StrEnum):
    """Which way in."""

    KAFKA = "kafka"
    HTTP = "http"


def feed(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Transactions as NDJSON; or as CSV, by its ending, with the contract's fields as columns.",
            exists=True,
            dir_okay=False,
        ),
    ],
    *,
    rate: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="Rows a second; without it, as fast as it goes.")
    ] = None,
    to: Annotated[
        Entrance,
        typer.Option(
            help="Into the topic (RINGBACK_KAFKA_SERVERS), or over HTTP (RINGBACK_PUBLIC_URL, RINGBACK_FEED_KEY)."
        ),
    ] = Entrance.KAFKA,
    zone: Zone = None,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON, for scripts.")] = False,
) -> None:
    """Replays a file of transactions into the feed.

    Sending a file again is harmless. Exit code 1 where rows were refused: they are listed by line, and kept in
    `transactions-refused`.
    """
    console = Console()
    outcome = asyncio.run(_replay(_settings(to), file, rate, to, zone=zone, quiet=as_json))
    if as_json:
        console.print_json(json.dumps(outcome))
    else:
        _tell(console, outcome)
    if outcome["refused"]:
        raise typer.Exit(1)


def _settings(to: Entrance) -> Settings:
    """The settings of that way, and no more: whoever feeds over HTTP need not know the site's servers."""
    read = Settings()
    if to is Entrance.HTTP or read.kafka_servers:
        return with_keys(read, generate=False)
    return connected_settings(read)


async def _replay(
    settings: Settings, file: Path, rate: float | None, to: Entrance, *, zone: ZoneInfo | None, quiet: bool
) -> dict[str, Any]:
    done = 0
    refused: list[FileRow] = []
    rows = read_file(file, allow_card_numbers=settings.allow_card_numbers, zone=zone)
    total = await asyncio.to_thread(_count_lines, file)
    begun_s = monotonic()
    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("rows", total=total)

        def waiting(why: str, pause_s: float) -> None:
            progress.console.print(f"not taken ({harmless(why)}); again in {pause_s:g} s", markup=False, soft_wrap=True)

        way: Way = (
            OverHttp(settings, file.name, waiting=waiting)
            if to is Entrance.HTTP
            else IntoTopic(settings, file.name, clock=utc_now)
        )
        async with way:
            for batch in _batches(rows, _batch_size(rate)):
                try:
                    refused += await way.send(batch)
                except StreamsError as error:
                    raise StreamsError(f"{error} (the rows before line {batch[0].line} are in)") from error
                done += len(batch)
                progress.update(bar, completed=done)
                if rate:
                    await asyncio.sleep(max(0.0, done / rate - (monotonic() - begun_s)))
        progress.update(bar, total=done)
    return {
        "accepted": done - len(refused),
        "refused": len(refused),
        "elapsed_s": round(monotonic() - begun_s, 3),
        "refusals": [
            {"line": each.line, "reason": each.row.reason, "detail": each.row.detail}
            for each in refused
            if isinstance(each.row, Bad)
        ],
    }


def _batch_size(rate: float | None) -> int:
    """A tenth of a second's rows at a time, so that a rate looks like a stream and not like bursts."""
    return BATCH if rate is None else max(1, min(BATCH, ROWS_AT_MOST, int(rate / 10)))


def _batches(rows: Iterator[FileRow], size: int) -> Iterator[list[FileRow]]:
    while batch := list(islice(rows, size)):
        yield batch


def _count_lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


def _tell(console: Console, outcome: dict[str, Any]) -> None:
    console.print(f"{outcome['accepted']} accepted, {outcome['refused']} refused, {outcome['elapsed_s']} s")
    if not outcome["refused"]:
        return
    table = Table("line", "reason", "detail")
    for each in outcome["refusals"][:SHOWN_AT_MOST]:
        table.add_row(str(each["line"]), each["reason"], harmless(each["detail"]))
    console.print(table)
    if outcome["refused"] > SHOWN_AT_MOST:
        console.print(f"and {outcome['refused'] - SHOWN_AT_MOST} more; --json lists all")
