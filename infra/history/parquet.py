"""An export as Parquet: the same fields as NDJSON, a row an event, written and read in batches."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl
from polars.io.plugins import register_io_source

from infra.history.canonical import StoredEvent
from infra.history.exported import BATCH, FORMAT, Heading, Line, UnreadableExport, line_of, stored

_KEY: Final = "ringback"
_MOMENT: Final = pl.Datetime("us", "UTC")
_TYPES: Final[dict[str, Any]] = {
    "position": pl.Int64,
    "version": pl.Int64,
    "schema_version": pl.Int64,
    "occurred_at": _MOMENT,
    "recorded_at": _MOMENT,
}
SCHEMA: Final = pl.Schema({name: _TYPES.get(name, pl.String) for name in Line.__struct_fields__})


def write_parquet(path: Path, heading: Heading, batches: Iterator[Sequence[StoredEvent]]) -> None:
    """Writes everything that the batches give; what they raise is raised.

    Raises:
        OSError: the file cannot be written.
    """
    raised: list[BaseException] = []

    def source(_columns: Any, _predicate: Any, _n_rows: Any, _size: Any) -> Iterator[pl.DataFrame]:
        try:
            for batch in batches:
                yield _frame(batch)
        except BaseException as error:  # polars would wrap it in an error of its own
            raised.append(error)
            raise

    frames = register_io_source(source, schema=SCHEMA)
    try:
        # A group of rows is what is read in one go.
        frames.sink_parquet(path, metadata={_KEY: msgspec.json.encode(heading).decode()}, row_group_size=BATCH)
    except Exception:
        if raised:
            raise raised[0] from None
        raise


def read_parquet(path: Path) -> tuple[Heading, Iterator[list[StoredEvent | str]]]:
    """The heading, and the events in batches; a row that is no event comes as the sentence that says so.

    Raises:
        UnreadableExport: the file is no Parquet, or no export of a history.
    """
    try:
        said = pl.read_parquet_metadata(path).get(_KEY)
        heading = msgspec.json.decode(said or "", type=Heading)
    except (pl.exceptions.PolarsError, msgspec.DecodeError) as error:
        raise UnreadableExport(f"{path} is not the Parquet of an exported history") from error
    if heading.format != FORMAT:
        raise UnreadableExport(f"{path} has the format {heading.format!r}; this Ringback reads {FORMAT}")
    return heading, _batches(path)


def _batches(path: Path) -> Iterator[list[StoredEvent | str]]:
    frames = pl.scan_parquet(path)
    begin = 0
    while True:
        try:
            frame = frames.slice(begin, BATCH).collect()
        except pl.exceptions.PolarsError as error:
            yield [f"the rows from {begin + 1} on cannot be read: {error}"]
            return
        if frame.is_empty():
            return
        yield [_stored(row, begin + number) for number, row in enumerate(frame.iter_rows(named=True), 1)]
        begin += len(frame)


def _stored(row: dict[str, Any], number: int) -> StoredEvent | str:
    try:
        return stored(msgspec.convert(row, Line))
    except (msgspec.ValidationError, ValueError) as error:
        return f"row {number} is no event: {error}"


def _frame(events: Sequence[StoredEvent]) -> pl.DataFrame:
    lines = [line_of(event) for event in events]
    columns: dict[str, Any] = {name: [_plain(name)(getattr(line, name)) for line in lines] for name in SCHEMA}
    return pl.DataFrame(columns, schema=SCHEMA)


def _plain(name: str) -> Callable[[Any], Any]:
    if name in {"event_id", "key_id"}:
        return lambda value: None if value is None else str(value)
    return lambda value: value
