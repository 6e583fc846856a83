"""Transactions from a file: NDJSON, or CSV whose columns are the contract's fields (``merchant.city``, …).

CSV is separated by commas, semicolons or tabs, whichever the first line has most of; the names of columns may be in
capitals; columns that the contract does not know are kept as unknown fields. An amount has a decimal point whatever
separates the cells: a comma may stand for thousands, and is refused.

Every row is read by itself. What cannot be read is named by its line, and does not stop what follows.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from rules.local_time import with_offset
from rules.transaction import Merchant, Refusal, Transaction
from streams.feed.rows import Bad, Good, read_row

_NUMBERS: Final = frozenset({"location.lat", "location.lon", "location.radius_km"})
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_REQUIRED: Final = ("transaction_id", "card_id", "occurred_at", "amount", "currency", "channel", "entry_mode")
_KNOWN: Final = frozenset(
    {*Transaction.__struct_fields__, *(f"merchant.{name}" for name in Merchant.__struct_fields__), *_NUMBERS}
)
_SEPARATORS: Final = (",", ";", "\t")
_MARK: Final = b"\xef\xbb\xbf"
"""What some programs write before UTF-8."""

_FIELD_AT_MOST: Final = 128 * 1024


class FileRow(NamedTuple):
    """A row of a file, and the line (from 1) that it begins on."""

    line: int
    row: Good | Bad


class NotATransactionFileError(Exception):
    """The file is neither NDJSON nor CSV with the contract's columns; the message says what is missing."""


def read_file(path: Path, *, allow_card_numbers: bool = False, zone: ZoneInfo | None = None) -> Iterator[FileRow]:
    """The rows of a file in their order; ``.csv`` is CSV, everything else NDJSON. Blank lines are no rows.

    With a zone, times without an offset are local times there (``rules.local_time``); without one they are refused.

    Raises:
        OSError: the file cannot be read.
        NotATransactionFileError: a CSV file without the required columns.
    """
    with path.open("rb") as file:
        raws = _csv_rows(file) if path.suffix.lower() == ".csv" else _lines(file)
        for line, raw in raws:
            told = raw if isinstance(raw, Bad) or zone is None else _with_offset(raw, zone)
            row = told if isinstance(told, Bad) else read_row(told, allow_card_numbers=allow_card_numbers)
            yield FileRow(line, row)


def _with_offset(raw: bytes, zone: ZoneInfo) -> bytes | Bad:
    try:
        return with_offset(raw, zone)
    except Refusal as refusal:
        return Bad(raw, refusal.reason, f"the field {refusal.field} is a time that no clock of {zone.key} has shown")


def _lines(file: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        if stripped := (line.removeprefix(_MARK) if number == 1 else line).strip(b" \t\r\n"):
            yield number, stripped


def _csv_rows(file: Iterable[bytes]) -> Iterator[tuple[int, bytes | Bad]]:
    csv.field_size_limit(_FIELD_AT_MOST)
    # One character a byte: a row that is no UTF-8 is refused by itself, and the ones behind it are still read.
    lines = iter(line.decode("latin-1") for line in file)
    head = next(lines, "").removeprefix(_MARK.decode("latin-1"))
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(chain([head], lines), delimiter=separator, strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise NotATransactionFileError(f"the first line is no CSV: {error}") from error
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise NotATransactionFileError(
            f"the first line of a CSV file names its columns, as the contract names its fields (merchant.city for what"
            f" is inside of merchant); it does not name {', '.join(missing)}"
        )
    if twice := sorted({name for name in columns if name and columns.count(name) > 1} & _KNOWN):
        raise NotATransactionFileError(f"the first line names {', '.join(twice)} twice")
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Bad(b"", "not_csv", str(error))
            continue
        if any(cells):
            yield line, _object(columns, cells)


def _object(columns: list[str], cells: list[str]) -> bytes | Bad:
    original = ",".join(cells).encode("latin-1", "replace")
    if len(cells) != len(columns):
        return Bad(original, "not_csv", f"{len(cells)} cells under {len(columns)} columns")
    document: dict[str, Any] = {}
    try:
        for name, cell in zip(columns, cells, strict=True):
            text = cell.encode("latin-1").decode()
            if text == "" or not name:
                continue
            part, _, inner = name.partition(".")
            value = _value(name, text)
            if inner:
                document.setdefault(part, {})[inner] = value
            else:
                document[name] = value
    except UnicodeDecodeError:
        return Bad(original, "not_utf8", "the row is not UTF-8")
    except (AttributeError, TypeError):
        return Bad(original, "not_csv", "a column is named both by itself and with a dot")
    return msgspec.json.encode(document)


def _value(name: str, text: str) -> Any:
    if name in _NUMBERS:
        try:
            return float(text)
        except ValueError:
            return text
    if name == "deferred":
        return _BOOLEANS.get(text.strip().lower(), text)
    return text
