"""Transactions from a file: NDJSON, or CSV whose columns are the contract's fields (``merchant.city``, …).

Every row is read by itself. What cannot be read is named by its line, and does not stop what follows.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from streams.feed.rows import Bad, Good, read_row

_NUMBERS: Final = frozenset({"location.lat", "location.lon", "location.radius_km"})
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_FIELD_AT_MOST: Final = 128 * 1024


class FileRow(NamedTuple):
    """A row of a file, and the line (from 1) that it begins on."""

    line: int
    row: Good | Bad


class NotATransactionFileError(Exception):
    """The file is neither NDJSON nor CSV with the contract's columns; the message says what is missing."""


def read_file(path: Path, *, allow_card_numbers: bool = False) -> Iterator[FileRow]:
    """The rows of a file in their order; ``.csv`` is CSV, everything else NDJSON. Blank lines are no rows.

    Raises:
        OSError: the file cannot be read.
        NotATransactionFileError: a CSV file without the required columns.
    """
    with path.open("rb") as file:
        raws = _csv_rows(file) if path.suffix.lower() == ".csv" else _lines(file)
        for line, raw in raws:
            row = raw if isinstance(raw, Bad) else read_row(raw, allow_card_numbers=allow_card_numbers)
            yield FileRow(line, row)


def _lines(file: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        if stripped := line.strip(b" \t\r\n"):
            yield number, stripped


def _csv_rows(file: Iterable[bytes]) -> Iterator[tuple[int, bytes | Bad]]:
    csv.field_size_limit(_FIELD_AT_MOST)
    # One character a byte: a row that is no UTF-8 is refused by itself, and the ones behind it are still read.
    reader = csv.reader((line.decode("latin-1") for line in file), strict=True)
    columns = [name.strip().removeprefix("\u00ef\u00bb\u00bf") for name in next(reader, [])]
    missing = {"transaction_id", "card_id", "occurred_at"} - set(columns)
    if missing:
        raise NotATransactionFileError(f"the first line names no column {', '.join(sorted(missing))}")
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
