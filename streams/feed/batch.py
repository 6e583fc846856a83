"""A request's body into rows: bounded decompression, and splitting in a way that no crafted row can become two.

NDJSON is split at its line feeds; an array by a JSON parser that hands over each element's own bytes. Either way each
row is decoded alone afterwards, so that bytes which look like the end of one row and the beginning of another are one
row that is refused.
"""

import json
import zlib
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec
import zstandard

Form: TypeAlias = Literal["json", "ndjson"]

ROWS_AT_MOST: Final = 5_000
BYTES_AT_MOST: Final = 16 * 1024 * 1024
"""Of a batch, as sent and as unpacked: 5,000 rows of 3,300 bytes each, ten times a usual row."""

_ZSTD_WINDOW_BYTES: Final = 8 * 1024 * 1024  # what RFC 9659 asks a decoder of HTTP content to support
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_SPACE: Final = b" \t\r\n"


class BatchError(Exception):
    """Root of what makes a whole batch unusable; permanent."""


class TooLarge(BatchError):
    """More rows or bytes than one batch may have."""


class Unpackable(BatchError):
    """The body is not what its ``Content-Encoding`` says."""


def unpack(body: bytes, encoding: str, *, limit: int = BYTES_AT_MOST) -> bytes:
    """The body as it was before ``encoding`` (``identity``, ``gzip`` or ``zstd``).

    Never holds more than ``limit`` unpacked bytes, whatever the body promises.

    Raises:
        TooLarge: more than ``limit`` bytes.
        Unpackable: cut off, corrupt, or another encoding.
    """
    if encoding in {"", "identity"}:
        unpacked = body[: limit + 1]
    elif encoding in {"gzip", "x-gzip"}:
        unpacked = _gunzip(body, limit)
    elif encoding == "zstd":
        unpacked = _unzstd(body, limit)
    else:
        raise Unpackable(f"the content encoding {encoding[:20]!r} is none of gzip, zstd and identity")
    if len(unpacked) > limit:
        raise TooLarge(f"more than {limit} bytes unpacked")
    return unpacked


def _gunzip(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    held = 0
    rest = body
    while rest:
        stream = zlib.decompressobj(wbits=31)
        try:
            part = stream.decompress(rest, limit + 1 - held)
        except zlib.error as error:
            raise Unpackable("the body is not gzip, or was damaged on its way") from error
        parts.append(part)
        held += len(part)
        if held > limit:
            break
        if not stream.eof:
            raise Unpackable("the gzip body is cut off")
        rest = stream.unused_data
    return b"".join(parts)


def _unzstd(body: bytes, limit: int) -> bytes:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    parts: list[bytes] = []
    held = 0
    try:
        with unpacker.stream_reader(body, read_across_frames=True) as stream:
            while held <= limit and (part := stream.read(min(1 << 20, limit + 1 - held))):
                parts.append(part)
                held += len(part)
    except zstandard.ZstdError as error:
        raise Unpackable("the body is not zstd, is cut off, or was damaged on its way") from error
    return b"".join(parts)


def split(body: bytes, form: Form, *, limit: int = ROWS_AT_MOST) -> list[bytes]:
    """The rows of a batch, each as its own bytes without the white space around it; blank lines are no rows.

    An array that is cut off or broken gives the rows before the break, and as a last one all that follows, even
    if that is nothing.

    Raises:
        TooLarge: more than ``limit`` rows.
    """
    rows = _lines(body, limit) if form == "ndjson" else _elements(body, limit)
    if len(rows) > limit:
        raise TooLarge(f"more than {limit} rows")
    return rows


def _lines(body: bytes, limit: int) -> list[bytes]:
    rows: list[bytes] = []
    for line in _each_line(body):
        row = line.strip(_SPACE)
        if row:
            rows.append(row)
            if len(rows) > limit:
                break
    return rows


def _each_line(body: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        yield body[start:end]
        start = end + 1


def _elements(body: bytes, limit: int) -> list[bytes]:
    body = body.strip(_SPACE)
    if not body:
        return []
    try:
        return [bytes(row).strip(_SPACE) for row in _ARRAY.decode(body)]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _before_the_break(body, limit)


def _before_the_break(body: bytes, limit: int) -> list[bytes]:
    if not body.startswith(b"["):
        return [body]
    # One character a byte, so that a place in the text is a place in the bytes; the rows are decoded for good later.
    text = body.decode("latin-1")
    parse = json.JSONDecoder().raw_decode
    rows: list[bytes] = []
    at = _past_space(text, 1)
    while at < len(text) and len(rows) <= limit:
        try:
            _, end = parse(text, at)
        except (ValueError, RecursionError):
            break
        after = _past_space(text, end)
        if after < len(text) and text[after] != ",":
            break
        rows.append(body[at:end])
        at = _past_space(text, after + 1)
    # Where the body ends between two rows, what is missing is told as a row without bytes.
    return [*rows, body[at:]]


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
