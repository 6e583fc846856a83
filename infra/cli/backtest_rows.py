"""A history of any format as partitions of cards: rows of the contract as JSON, in order of arrival, on disk.

NDJSON is split by ranges of bytes side by side; CSV and Parquet go through polars in batches. A row's ref is where it
is found again: its offset in NDJSON, its number elsewhere.
"""

import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

import msgspec
import polars as pl

from rules.backtest.columns import ColumnMap, as_contract
from rules.backtest.truth import FraudRow

ROWS_A_PARTITION: Final = 250_000
LEAST_PARTITIONS: Final = 4
RANGES_A_PROCESS: Final = 3
BATCH: Final = 100_000
_BYTES_A_ROW: Final = 450
_FLUSH_AT: Final = 1 << 20
_MARK: Final = b"\xef\xbb\xbf"


class UnusableHistoryError(ValueError):
    """The file is not what its ending says, or holds no transactions; the message says which."""


class History(NamedTuple):
    """The file that is to be judged, and how its columns are read.

    Attributes:
        token_key: card numbers become keyed hashes under it; none: they stay as they are.
    """

    file: Path
    mapping: ColumnMap | None = None
    token_key: bytes | None = None

    @property
    def tabular(self) -> bool:
        """Whether polars reads it."""
        return self.file.suffix.lower() in {".csv", ".parquet"} or self.mapping is not None


class Job(NamedTuple):
    """One range of the history, for one process: bytes of NDJSON, or rows."""

    number: int
    start: int
    end: int


class Split(NamedTuple):
    """What a range gave: how many rows, and those that its bank has marked as fraud."""

    rows: int
    frauds: list[FraudRow]


class _Card(msgspec.Struct):
    card_id: str


_card = msgspec.json.Decoder(_Card).decode


def partitions_of(history: History) -> int:
    """How many partitions; it depends on the file alone, so that the same file is judged alike everywhere.

    Raises:
        UnusableHistoryError: it is no Parquet, although it is called so.
    """
    rows = _count(history) if history.file.suffix.lower() == ".parquet" else history.file.stat().st_size // _BYTES_A_ROW
    return max(LEAST_PARTITIONS, -(-rows // ROWS_A_PARTITION))


def jobs_of(history: History, processes: int) -> list[Job]:
    """The ranges in their order; CSV is one, as its rows cannot be found without reading those before."""
    if history.file.suffix.lower() == ".parquet":
        total = _count(history)
    elif history.tabular:
        return [Job(0, 0, 2**62)]
    else:
        total = history.file.stat().st_size
    count = processes * RANGES_A_PROCESS
    edges = [total * number // count for number in range(count)] + [total]
    return [Job(number, edges[number], edges[number + 1]) for number in range(count)]


def split(history: History, job: Job, room: Path, partitions: int) -> Split:
    """Writes the rows of a range into the pieces of their partitions.

    Raises:
        UnusableMapError: a column is missing.
        UnusableHistoryError: it cannot be read as what it is called.
    """
    pieces = _Pieces(room, job.number, partitions)
    frauds: list[FraudRow] = []
    rows = 0
    if history.tabular:
        for first, frame in _frames(history, job):
            told = as_contract(frame, history.mapping, first)
            if history.token_key is not None:
                told = _tokenised(told, history.token_key)
            if "fraud" in told.columns:
                frauds += _frauds(told)
                told = told.drop("fraud")
            lines = told.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()
            for number, (card_id, line) in enumerate(zip(told["card_id"].to_list(), lines, strict=True), start=first):
                pieces.add(card_id or "", number, line.encode())
            rows += told.height
    else:
        for offset, line in _lines(history.file, job):
            pieces.add(card_of(line), offset, line)
            rows += 1
    pieces.close()
    return Split(rows, frauds)


def partition_lines(room: Path, partition: int, jobs: int) -> Iterator[tuple[int, bytes]]:
    """The rows of a partition, each with its ref, in order of arrival."""
    for number in range(jobs):
        piece = _piece(room, number, partition)
        if piece.exists():
            with piece.open("rb") as lines:
                for line in lines:
                    ref, _, raw = line.partition(b"\t")
                    yield int(ref), raw


def partition_of(card_id: str, partitions: int) -> int:
    """The partition of a card; the same everywhere."""
    return crc32(card_id.encode()) % partitions


class _Pieces:
    """One range's share of every partition."""

    def __init__(self, room: Path, number: int, partitions: int) -> None:
        self._room, self._number = room, number
        self._buffers = [bytearray() for _ in range(partitions)]

    def add(self, card_id: str, ref: int, line: bytes) -> None:
        partition = partition_of(card_id, len(self._buffers))
        buffer = self._buffers[partition]
        buffer += b"%d\t%b\n" % (ref, line)
        if len(buffer) >= _FLUSH_AT:
            self._flush(partition)

    def close(self) -> None:
        for partition in range(len(self._buffers)):
            self._flush(partition)

    def _flush(self, partition: int) -> None:
        with _piece(self._room, self._number, partition).open("ab") as piece:
            piece.write(self._buffers[partition])
        self._buffers[partition].clear()


def _piece(room: Path, number: int, partition: int) -> Path:
    return room / f"{partition:04d}-{number:04d}"


def card_of(line: bytes) -> str:
    """The card of a row; none of one that cannot be read, which is refused later, with its reason."""
    try:
        return _card(line).card_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _lines(file: Path, job: Job) -> Iterator[tuple[int, bytes]]:
    """The lines that begin within a range of bytes."""
    with file.open("rb") as lines:
        lines.seek(max(0, job.start - 1))
        if job.start:
            lines.readline()  # the end of a line that begins before, or the line feed itself
        offset = lines.tell()
        while offset < job.end and (line := lines.readline()):
            stripped = (line.removeprefix(_MARK) if offset == 0 else line).strip()
            if stripped:
                yield offset, stripped
            offset += len(line)


def _count(history: History) -> int:
    with _reading(history.file):
        return int(pl.scan_parquet(history.file).select(pl.len()).collect().item())


def _frames(history: History, job: Job) -> Iterator[tuple[int, pl.DataFrame]]:
    with _reading(history.file):
        yield from _batches(history, job)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """What polars cannot read is told in one line."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        what = {".csv": "CSV with a line of column names", ".parquet": "Parquet"}.get(file.suffix.lower(), "NDJSON")
        why = str(error).strip().partition("\n")[0]
        raise UnusableHistoryError(f"{file.name} cannot be read as {what}: {why}") from error


def _batches(history: History, job: Job) -> Iterator[tuple[int, pl.DataFrame]]:
    suffix = history.file.suffix.lower()
    if suffix == ".parquet":
        for first in range(job.start, job.end, BATCH):
            yield first, pl.scan_parquet(history.file).slice(first, min(BATCH, job.end - first)).collect()
        return
    scanned = (
        pl.scan_csv(history.file, infer_schema=False, separator=_separator(history.file))
        if suffix == ".csv"
        else pl.scan_ndjson(history.file, infer_schema_length=None)
    )
    first = 0
    for frame in scanned.collect_batches(chunk_size=BATCH, maintain_order=True):
        yield first, frame
        first += frame.height


def _separator(file: Path) -> str:
    with file.open("rb") as lines:
        head = lines.readline().decode("utf-8", "replace")
    return max((",", ";", "\t"), key=head.count)


def _tokenised(frame: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Card numbers replaced by a keyed hash (HMAC-SHA256, 128 bits of it), the same for the same number."""
    cards = frame["card_id"].drop_nulls().unique().to_list()
    tokens = {card: "k" + hmac.new(key, card.encode(), hashlib.sha256).hexdigest()[:32] for card in cards}
    return frame.with_columns(pl.col("card_id").replace_strict(tokens, default=None, return_dtype=pl.String))


def new_token_key() -> bytes:
    """A key that lives as long as one run: tokens of two runs have nothing in common."""
    return os.urandom(32)


def _frauds(frame: pl.DataFrame) -> list[FraudRow]:
    found = []
    marked = frame.filter("fraud").select("transaction_id", "card_id", "occurred_at", "channel", "amount")
    for transaction_id, card_id, occurred_at, channel, amount in marked.iter_rows():
        try:
            at_us = int(datetime.fromisoformat(occurred_at).timestamp() * 1_000_000)
            cents = round(float(amount) * 100)
        except (TypeError, ValueError):
            continue  # such a row is refused, and judges nothing
        found.append(FraudRow(transaction_id, card_id, at_us, channel != "card_not_present", cents))
    return found
