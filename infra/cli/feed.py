"""``ringback feed FILE``: replays a file of transactions into the feed, with progress; refused rows are listed."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Final, Self

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra.cli.connected import connected_settings
from infra.cli.screen import harmless
from infra.clock import utc_now
from infra.settings import Settings
from streams.errors import BrokerAway, StreamsError
from streams.feed.batch import ROWS_AT_MOST
from streams.feed.files import FileRow, read_file
from streams.feed.refused import Origin, refusal_message
from streams.feed.rows import Bad, Good
from streams.producer import Outgoing, Producer
from streams.topics import TRANSACTIONS, TRANSACTIONS_REFUSED, ensure_topics

BATCH: Final = 1_000
SHOWN_AT_MOST: Final = 50
HTTP_WITHIN_S: Final = 60.0


class Entrance(StrEnum):
    """Which way in."""

    KAFKA = "kafka"
    HTTP = "http"


class _Way:
    """Sends batches of good rows; sets bad ones aside."""

    def __init__(self, settings: Settings, to: Entrance, name: str) -> None:
        self._settings, self._to, self._name = settings, to, name

    async def __aenter__(self) -> Self:
        servers = self._settings.kafka_servers or ""
        await asyncio.to_thread(ensure_topics, servers, self._settings)
        self._producer = await Producer(servers, client_id="ringback-feed").start()
        key = self._settings.feed_key.get_secret_value() if self._settings.feed_key else ""
        self._http = httpx.AsyncClient(
            base_url=self._settings.web_url, headers={"Authorization": f"Bearer {key}"}, timeout=HTTP_WITHIN_S
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        await self._producer.stop()

    async def send(self, rows: Sequence[FileRow]) -> int:
        good = [each.row for each in rows if isinstance(each.row, Good)]
        bad = [
            Outgoing(
                TRANSACTIONS_REFUSED,
                None,
                refusal_message(
                    each.row.raw,
                    reason=each.row.reason,
                    detail=each.row.detail,
                    origin=Origin(kind="file", name=self._name, row=each.line),
                    refused_at=utc_now(),
                ),
            )
            for each in rows
            if isinstance(each.row, Bad)
        ]
        if self._to is Entrance.HTTP and good:
            await self._post(good)
            good_messages = []
        else:
            good_messages = [Outgoing(TRANSACTIONS, row.card_id, row.raw) for row in good]
        for outcome in await self._producer.send_all([*good_messages, *bad]):
            if isinstance(outcome, StreamsError):
                raise outcome
        return len(good)

    async def _post(self, rows: Sequence[Good]) -> None:
        try:
            answer = await self._http.post(
                "/v1/transactions",
                content=b"\n".join(row.raw for row in rows),
                headers={"Content-Type": "application/x-ndjson"},
            )
        except httpx.TransportError as error:
            raise BrokerAway(f"{self._settings.web_url} does not answer: {type(error).__name__}") from error
        if answer.status_code != httpx.codes.ACCEPTED:
            raise BrokerAway(f"the feed answered {answer.status_code}; send the file again, that is harmless")


def feed(
    file: Annotated[Path, typer.Argument(help="NDJSON, or CSV by its ending.", exists=True, dir_okay=False)],
    rate: Annotated[float | None, typer.Option(min=0.001, help="Rows a second; none: as fast as it goes.")] = None,
    to: Annotated[Entrance, typer.Option(help="Into the topic, or through POST /v1/transactions.")] = Entrance.KAFKA,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome as JSON, for scripts.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Replays a file of transactions into the feed. Sending a file again is harmless.

    Exit code 1 where rows were refused: they are listed by line, and kept in `transactions-refused`.
    """
    outcome = asyncio.run(_replay(connected_settings(), file, rate, to, quiet=as_json))
    console = Console()
    if as_json:
        console.print_json(json.dumps(outcome))
    else:
        _tell(console, outcome)
    if outcome["refused"]:
        raise typer.Exit(1)


async def _replay(settings: Settings, file: Path, rate: float | None, to: Entrance, *, quiet: bool) -> dict[str, Any]:
    accepted = 0
    refused: list[dict[str, Any]] = []
    size = _batch_size(rate)
    rows = read_file(file, allow_card_numbers=settings.allow_card_numbers)
    begun_s = monotonic()
    async with _Way(settings, to, file.name) as way:
        with _progress(quiet=quiet) as progress:
            bar = progress.add_task("rows", total=await asyncio.to_thread(_count_lines, file))
            for batch in _batches(rows, size):
                accepted += await way.send(batch)
                refused += [
                    {"line": each.line, "reason": each.row.reason, "detail": each.row.detail}
                    for each in batch
                    if isinstance(each.row, Bad)
                ]
                progress.update(bar, completed=accepted + len(refused))
                if rate:
                    ahead_s = (accepted + len(refused)) / rate - (monotonic() - begun_s)
                    await asyncio.sleep(max(0.0, ahead_s))
            progress.update(bar, total=accepted + len(refused))
    elapsed_s = monotonic() - begun_s
    return {"accepted": accepted, "refused": len(refused), "elapsed_s": round(elapsed_s, 3), "refusals": refused}


def _batch_size(rate: float | None) -> int:
    """A tenth of a second's rows at a time, so that a rate looks like a stream and not like bursts."""
    return BATCH if rate is None else max(1, min(BATCH, ROWS_AT_MOST, int(rate / 10)))


def _batches(rows: Iterator[FileRow], size: int) -> Iterator[list[FileRow]]:
    while batch := list(islice(rows, size)):
        yield batch


def _count_lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


def _progress(*, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet,
    )


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
