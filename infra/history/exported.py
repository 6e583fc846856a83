"""The history in a file: which fields it has, as NDJSON or Parquet, and reading it back byte for byte.

NDJSON: the first line is the heading, each further line an event. Parquet: the heading is in the file's metadata under
``ringback``, an event is a row. Both hold the same fields: texts and numbers as they are, moments as RFC 3339 in UTC
with microseconds (a timestamp in Parquet), hashes as 64 hexadecimal digits, ``payload`` as the text that it is,
``personal`` in base64, still encrypted. A payload that is no UTF-8 (nothing of ours) is base64 in ``payload_base64``.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol
from uuid import UUID

import msgspec

from infra.history.canonical import Envelope, StoredEvent
from infra.history.errors import HistoryError

FORMAT: Final = "ringback.history.1"
BATCH: Final = 10_000


class UnreadableExport(HistoryError):
    """The file is no export of a history, or ends in the middle of one; the message says where."""


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """What an export says of itself: which positions it holds, and the hashes at its two ends, in hex."""

    format: str = FORMAT
    first: int
    last: int
    previous_hash: str
    hash: str


class Line(Envelope, frozen=True, kw_only=True, omit_defaults=True):
    """An event as the file has it."""

    subject: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    payload: str | None = None
    payload_base64: str | None = None
    personal: str | None = None
    key_id: UUID | None = None
    previous_hash: str
    hash: str


class Writer(Protocol):
    """Writes an export, batch by batch."""

    def write(self, events: Sequence[StoredEvent]) -> None:
        """Adds the next events."""
        ...


class NdjsonWriter:
    """Lines into an open file."""

    def __init__(self, file: BinaryIO, heading: Heading) -> None:
        self._file = file
        self._encode = msgspec.json.Encoder().encode
        self._file.write(self._encode(heading) + b"\n")

    def write(self, events: Sequence[StoredEvent]) -> None:
        """Adds the next events."""
        self._file.write(b"".join(self._encode(line_of(event)) + b"\n" for event in events))


def read_ndjson(path: Path) -> tuple[Heading, Iterator[list[StoredEvent | str]]]:
    """The heading, and the events in batches; a line that is no event comes as the sentence that says so.

    Raises:
        UnreadableExport: the file has no heading.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            heading = msgspec.json.decode(file.readline(), type=Heading)
        except msgspec.DecodeError as error:
            raise UnreadableExport(f"{path} does not begin with the heading of an exported history") from error
    if heading.format != FORMAT:
        raise UnreadableExport(f"{path} has the format {heading.format!r}; this Ringback reads {FORMAT}")
    return heading, _ndjson_batches(path)


def _ndjson_batches(path: Path) -> Iterator[list[StoredEvent | str]]:
    decode = msgspec.json.Decoder(Line).decode
    batch: list[StoredEvent | str] = []
    with path.open("rb") as file:
        file.readline()
        for number, line in enumerate(file, 2):
            try:
                batch.append(stored(decode(line)))
            except (msgspec.DecodeError, ValueError, binascii.Error) as error:
                batch.append(f"line {number} is no event: {error}")
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def line_of(event: StoredEvent) -> Line:
    """The event as the file has it."""
    try:
        payload, raw = event.payload.decode(), None
    except UnicodeDecodeError:
        payload, raw = None, base64.b64encode(event.payload).decode()
    fields: dict[str, Any] = {name: getattr(event, name) for name in _AS_THEY_ARE}
    return Line(
        **fields,
        payload=payload,
        payload_base64=raw,
        personal=None if event.personal is None else base64.b64encode(event.personal).decode(),
        previous_hash=event.previous_hash.hex(),
        hash=event.hash.hex(),
    )


def stored(line: Line) -> StoredEvent:
    """The event as it was stored.

    Raises:
        ValueError: a hash is not hexadecimal, a moment has no offset, or there is no payload.
        binascii.Error: what should be base64 is not.
    """
    if line.payload is None and line.payload_base64 is None:
        raise ValueError("it has no payload")
    if line.occurred_at.tzinfo is None or line.recorded_at.tzinfo is None:
        raise ValueError("a moment has no offset")
    raw = line.payload.encode() if line.payload is not None else _base64(line.payload_base64)
    fields: dict[str, Any] = {name: getattr(line, name) for name in _AS_THEY_ARE}
    return StoredEvent(
        **fields,
        payload=raw or b"",
        personal=_base64(line.personal),
        previous_hash=bytes.fromhex(line.previous_hash),
        hash=bytes.fromhex(line.hash),
    )


def _base64(given: str | None) -> bytes | None:
    return None if given is None else base64.b64decode(given, validate=True)


_AS_THEY_ARE: Final = tuple(
    name for name in StoredEvent.__struct_fields__ if name not in {"payload", "personal", "previous_hash", "hash"}
)
