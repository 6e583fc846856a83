"""The two ways in for the rows of a file: into the topic, or through ``POST /v1/transactions``.

Both set aside what cannot be read in ``transactions-refused``, and both may be gone again with the same rows: a
transaction that is sent again is the same transaction.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

import httpx

from infra.clock import Clock
from infra.settings import Settings
from rules.card_number import mask_card_numbers
from streams.errors import StreamsError
from streams.feed.batch import BYTES_AT_MOST
from streams.feed.files import FileRow
from streams.feed.refused import Origin, refusal_message
from streams.feed.rows import ROW_BYTES_AT_MOST, Bad, Good
from streams.producer import Outgoing, Producer
from streams.topics import TRANSACTIONS, TRANSACTIONS_REFUSED, ensure_topics

PATIENCE_S: Final = 120.0
_WITHIN_S: Final = 60.0
_PAUSE_S: Final = 5.0
_PAUSE_AT_MOST_S: Final = 30.0
_LATER: Final = frozenset({408, 429, 502, 503, 504})
_READ: Final = frozenset({202, 422})
_OF_CSV: Final = frozenset({"not_csv", "not_utf8"})
"""Why a row of a CSV file never became JSON; every other row is read there as it was read here, from the same bytes."""
_NO_ID: Final = re.compile(r"[^A-Za-z0-9._-]")

Waiting = Callable[[str, float], None]
"""Told why a batch was not taken, and in how many seconds it is sent again."""


class NotTakenError(StreamsError):
    """The feed does not take the rows, and waiting does not help; the message says what may."""


class Way(Protocol):
    """One way in; an async context manager."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, rows: Sequence[FileRow]) -> list[FileRow]:
        """Sends the rows and answers, when the broker has them, those that were refused.

        Raises:
            StreamsError: not all were taken; send them again.
        """
        ...


class IntoTopic:
    """Writes into the topics as the bank's own producer would; the topics are made where they are missing."""

    def __init__(self, settings: Settings, name: str, *, clock: Clock) -> None:
        self._settings, self._name, self._clock = settings, name, clock
        self._producer = Producer(settings.kafka_servers or "", client_id="ringback-feed")

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(ensure_topics, self._settings.kafka_servers or "", self._settings)
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def send(self, rows: Sequence[FileRow]) -> list[FileRow]:
        """As of the protocol; what is refused keeps the file's name and the line as its origin."""
        for outcome in await self._producer.send_all([self._message(each) for each in rows]):
            if isinstance(outcome, StreamsError):
                raise outcome
        return [each for each in rows if isinstance(each.row, Bad)]

    def _message(self, each: FileRow) -> Outgoing:
        row = each.row
        if isinstance(row, Good):
            return Outgoing(TRANSACTIONS, row.card_id, row.raw)
        origin = Origin(kind="file", name=self._name, row=each.line)
        message = refusal_message(
            row.raw, reason=row.reason, detail=row.detail, origin=origin, refused_at=self._clock()
        )
        return Outgoing(TRANSACTIONS_REFUSED, None, message)


class OverHttp:
    """Posts batches with the feed's key, needs nothing but the web process, and obeys its ``Retry-After``.

    Args:
        settings: ``public_url`` (else host and port) and ``feed_key``.
        name: the file's; the requests' ids begin with it.
        waiting: told of each wait.
        patience_s: a batch that is not taken for so long ends the replay.
        transport: how requests travel; none: over the network.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        *,
        waiting: Waiting,
        patience_s: float = PATIENCE_S,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        key = settings.feed_key.get_secret_value() if settings.feed_key else ""
        self._url = settings.web_url
        self._name = _NO_ID.sub("_", name)[:40]
        self._waiting, self._patience_s, self._sleep = waiting, patience_s, sleep
        self._reached = False
        self._http = httpx.AsyncClient(
            base_url=self._url,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"},
            timeout=_WITHIN_S,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(self, rows: Sequence[FileRow]) -> list[FileRow]:
        """As of the protocol; rows that cannot be read are posted too, so that the feed sets them aside."""
        refused: list[FileRow] = []
        for part in _parts(rows):
            refused += await self._post(part)
        return refused

    async def _post(self, rows: Sequence[FileRow]) -> list[FileRow]:
        body = b"\n".join(_line(each.row) for each in rows)
        waited_s = 0.0
        while True:
            answer, why = await self._try(body, f"{self._name}.{rows[0].line}")
            if answer is not None and answer.status_code in _READ:
                return _refused(rows, answer)
            if answer is not None and answer.status_code not in _LATER:
                raise NotTakenError(f"{self._url} answered {why}")
            pause_s = _pause_s(answer)
            if waited_s + pause_s > self._patience_s:
                raise NotTakenError(f"{self._url}: {why}, for {waited_s:.0f} s; send the file again, that is harmless")
            self._waiting(why, pause_s)
            await self._sleep(pause_s)
            waited_s += pause_s

    async def _try(self, body: bytes, request_id: str) -> tuple[httpx.Response | None, str]:
        try:
            answer = await self._http.post("/v1/transactions", content=body, headers={"X-Request-ID": request_id})
        except httpx.TransportError as error:
            if not self._reached:  # more likely a wrong address than a process that is being started again
                raise NotTakenError(
                    f"{self._url} does not answer ({type(error).__name__}); is RINGBACK_PUBLIC_URL right?"
                ) from error
            return None, f"it does not answer ({type(error).__name__})"
        self._reached = True
        return answer, f"{answer.status_code}: {_told(answer)}"


def _parts(rows: Sequence[FileRow]) -> Iterator[list[FileRow]]:
    """The rows in portions that one request can carry."""
    part: list[FileRow] = []
    held = 0
    for each in rows:
        length = min(len(each.row.raw), ROW_BYTES_AT_MOST) + 64
        if part and held + length > BYTES_AT_MOST:
            yield part
            part, held = [], 0
        part.append(each)
        held += length
    if part:
        yield part


def _line(row: Good | Bad) -> bytes:
    """The row as one line of a body; one that cannot be read is surely refused again."""
    if isinstance(row, Good):
        return row.raw
    line = row.raw
    if row.reason in _OF_CSV:  # as JSON it may be something, or several lines
        line = b"(%s) %s" % (row.reason.encode(), line.replace(b"\r", b" ").replace(b"\n", b" "))
    # Cut only what is masked: half a card number would be recognised by nobody.
    return line if len(line) <= ROW_BYTES_AT_MOST else mask_card_numbers(line)[: ROW_BYTES_AT_MOST + 1]


def _refused(rows: Sequence[FileRow], answer: httpx.Response) -> list[FileRow]:
    refused = []
    for each, result in zip(rows, answer.json()["results"], strict=True):
        if result["result"] != "refused":
            continue
        row = each.row
        refused.append(
            each if isinstance(row, Bad) else FileRow(each.line, Bad(row.raw, result["reason"], result["detail"]))
        )
    return refused


def _told(answer: httpx.Response) -> str:
    """The problem in its own words."""
    try:
        problem = answer.json()
        return ": ".join(part for part in (problem["title"], problem.get("detail", "")) if part)
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase


def _pause_s(answer: httpx.Response | None) -> float:
    said = answer.headers.get("Retry-After", "") if answer is not None else ""
    return min(float(said), _PAUSE_AT_MOST_S) if said.isdecimal() else _PAUSE_S
