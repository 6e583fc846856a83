"""``ringback simulate``: labelled transactions out of a seed, in the order in which a bank hears of them.

Blocks of cards are simulated side by side and kept as numbers beside the file; then hour by hour their rows are merged,
spelt out and appended. Memory holds a block or a slice of time for each process, however many transactions there are.
"""

import json
import os
import shutil
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.progress import Progress

from infra.cli.place import checked_place
from infra.cli.processes import worker_processes
from infra.cli.screen import progress_bar
from rules.simulate.rows import frame_of, labels_of
from rules.simulate.simulation import START, CaseTruth, Plan, simulate_block

ROWS_A_SLICE: Final = 100_000
_MONDAY: Final = START.replace(tzinfo=None)


class Format(StrEnum):
    """What the file is, by its ending."""

    NDJSON = ".ndjson"
    CSV = ".csv"
    PARQUET = ".parquet"


def simulate(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Where to: NDJSON as the feed takes it, or by its ending .csv or .parquet.",
            dir_okay=False,
            writable=True,
        ),
    ] = Path("transactions.ndjson"),
    *,
    cards: Annotated[int, typer.Option(metavar="N", min=1, help="Cards; each pays a little more than once a day.")] = (
        10_000
    ),
    days: Annotated[int, typer.Option(metavar="D", min=1, max=366)] = 30,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="The same seed gives the same bytes.")] = 1,
    start: Annotated[
        datetime, typer.Option(metavar="DATE", formats=["%Y-%m-%d"], help="The first day, UTC; best a Monday.")
    ] = _MONDAY,
    processes: Annotated[int | None, typer.Option(metavar="N", min=1, help="As many as there are cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was written as JSON, for scripts.")] = False,
) -> None:
    """Card transactions with known journeys and known fraud, and beside them the truth.

    FILE.labels.csv names every transaction that is not an ordinary one and what it is in truth; FILE.cases.csv every
    compromised card. No message carries any of it. An earlier simulation under the same name is written over, another
    file is not.
    """
    if file.suffix.lower() not in list(Format):
        raise typer.BadParameter(f"ends with none of {', '.join(Format)}", param_hint="FILE")
    checked_place(file, "FILE")
    if file.exists() and not labels_file(file).exists():
        raise typer.BadParameter(
            f"{file} is there already, and no simulation of ours: {labels_file(file).name} is missing beside it."
            " Name another, or move it away",
            param_hint="FILE",
        )
    plan = Plan(cards=cards, days=days, seed=seed, start=start.replace(tzinfo=UTC))
    begun_s = monotonic()
    made = write(plan, file, count=processes or os.cpu_count() or 1, quiet=as_json)
    seconds = monotonic() - begun_s
    if as_json:
        typer.echo(json.dumps(asdict(made) | {"elapsed_s": round(seconds, 2), "file": str(file)}))
        return
    Console().print(
        f"{made.transactions:,} transactions of {cards:,} cards in {days} days, {made.fraudulent:,} of them fraudulent"
        f" in {made.cases:,} cases\n{seconds:,.1f} s, {made.transactions / seconds:,.0f} a second\n"
        f"{file}\n{labels_file(file)}\n{cases_file(file)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@dataclass(frozen=True)
class Made:
    """What was written."""

    transactions: int
    fraudulent: int
    cases: int


def labels_file(file: Path) -> Path:
    """Where the truth about the transactions of a file is."""
    return file.with_suffix(".labels.csv")


def cases_file(file: Path) -> Path:
    """Where the truth about its cases is."""
    return file.with_suffix(".cases.csv")


def write(plan: Plan, file: Path, *, count: int, quiet: bool) -> Made:
    """Simulates the plan into the file and the two beside it, with so many processes; they appear when they are whole.

    Raises:
        ProcessKilledError: one of the processes was killed.
        OSError: they cannot be written.
    """
    room = Path(mkdtemp(prefix=f".{file.name}.", dir=file.parent))
    try:
        with progress_bar(quiet=quiet) as progress, worker_processes(count) as pool:
            bar = progress.add_task("people", total=plan.blocks)
            counts, fraudulent = [], 0
            cases: list[CaseTruth] = []
            for rows, bad, found in pool.map(_simulate, [plan] * plan.blocks, range(plan.blocks), [room] * plan.blocks):
                counts.append(rows)
                fraudulent += bad
                cases += found
                progress.advance(bar)
            _merge(pool, progress, plan, room, kind=Format(file.suffix.lower()), total=sum(counts))
        _write_cases(cases, room / "cases.csv")
        for made, wanted in (("all", file), ("all.labels", labels_file(file)), ("cases.csv", cases_file(file))):
            (room / made).replace(wanted)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return Made(sum(counts), fraudulent, len(cases))


def _simulate(plan: Plan, number: int, room: Path) -> tuple[int, int, list[CaseTruth]]:
    rows, cases = simulate_block(plan, number)
    np.save(room / f"block-{number:05d}.npy", rows)
    return len(rows), int((rows["case"] > 0).sum()), cases


def _merge(pool: Executor, progress: Progress, plan: Plan, room: Path, *, kind: Format, total: int) -> None:
    """Appends slice after slice of time, in order, each made by whichever process is free."""
    bar = progress.add_task("transactions", total=total)
    count = max(1, total // ROWS_A_SLICE)
    start_ms, end_ms = int(plan.start.timestamp() * 1000), int(plan.start.timestamp() * 1000) + plan.days * 86_400_000
    inner = np.linspace(start_ms, end_ms, count + 1)[1:-1].astype(np.int64).tolist()
    edges = list(pairwise([-(2**62), *inner, 2**62]))
    parts: list[Path] = []
    jobs = ([plan] * count, [room] * count, range(count), edges, [kind] * count)
    with (room / "all.labels").open("wb") as labels, (room / "all").open("wb") as whole:
        for number, written in enumerate(pool.map(_spell_out, *jobs)):
            part = _part(room, number)
            _append(labels, part.with_suffix(".labels"))
            if kind is Format.PARQUET:
                parts.append(part)
            else:
                _append(whole, part)
            progress.advance(bar, written)
    if parts:
        pl.scan_parquet(parts).sink_parquet(room / "all", maintain_order=True)


def _spell_out(plan: Plan, room: Path, number: int, edge: tuple[int, int], kind: Format) -> int:
    """One slice of time, out of every block, as the file has it."""
    slices, blocks = [], []
    for block in range(plan.blocks):
        rows = np.load(room / f"block-{block:05d}.npy", mmap_mode="r")
        low, high = np.searchsorted(rows["arrived_ms"], edge)
        slices.append(np.array(rows[low:high]))
        blocks.append(np.full(high - low, block))
    merged, block_of = np.concatenate(slices), np.concatenate(blocks)
    order = np.argsort(merged["arrived_ms"], kind="stable")
    merged, block_of = merged[order], block_of[order]
    frame = frame_of(merged, plan.world, block_of)
    part = _part(room, number)
    if kind is Format.NDJSON:
        frame.write_ndjson(part)
    elif kind is Format.PARQUET:
        frame.write_parquet(part)
    else:
        _flat(frame).write_csv(part, include_header=number == 0)
    labels = labels_of(merged, block_of).filter(pl.col("truth") != "ordinary").drop("fraud")
    labels.write_csv(part.with_suffix(".labels"), include_header=number == 0)
    return len(merged)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Nested fields as columns with a dot in their names, as the feed reads CSV."""
    columns: list[pl.Expr] = []
    for name, kind in frame.schema.items():
        if isinstance(kind, pl.Struct):
            columns += [pl.col(name).struct.field(each.name).alias(f"{name}.{each.name}") for each in kind.fields]
        else:
            columns.append(pl.col(name))
    return frame.select(columns)


def _write_cases(cases: list[CaseTruth], path: Path) -> None:
    moment = pl.col("first_ms", "last_ms").cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    numbers = {"payments", "first_ms", "last_ms", "cents"}
    schema = {each.name: pl.Int64 if each.name in numbers else pl.String for each in fields(CaseTruth)}
    frame = pl.DataFrame([asdict(each) for each in cases], schema=schema)
    frame.with_columns(moment).rename({"first_ms": "first_at", "last_ms": "last_at"}).write_csv(path)


def _part(room: Path, number: int) -> Path:
    return room / f"part-{number:06d}"


def _append(whole: Any, part: Path) -> None:
    with part.open("rb") as file:
        shutil.copyfileobj(file, whole, 1 << 20)
    part.unlink()
