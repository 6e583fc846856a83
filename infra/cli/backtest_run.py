"""A backtest over many processes: the history is split into partitions of cards, and each is judged by itself."""

import resource
import shutil
from collections.abc import Mapping, Sequence
from itertools import repeat
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import Final, NamedTuple

import polars as pl

from infra.cli.backtest_rows import History, card_of, jobs_of, partition_lines, partition_of, partitions_of, split
from infra.cli.processes import worker_processes
from infra.cli.screen import progress_bar
from rules.backtest.judging import LIVE, Part, judge_factors, judge_partition
from rules.backtest.mistakes import explain, worst
from rules.backtest.outcome import Outcome, is_true, outcome
from rules.backtest.score import Tally
from rules.backtest.truth import FraudRow, Truth, cases_from
from rules.ruleset import RuleSet

_MOST_LABELS: Final = 50_000


class Asked(NamedTuple):
    """What is to be found out.

    Attributes:
        rulesets: ``live``, and ``against`` if there is one.
        labels: what transactions are in truth, beside the history; none: the map's column of fraud says.
        compare: others' rules and the curve over the thresholds too.
    """

    history: History
    rulesets: Mapping[str, RuleSet]
    truth: Truth | None
    labels: Path | None
    compare: bool
    stamp_ms: int
    allow_card_numbers: bool = False


class _Judged(NamedTuple):
    part: Part
    factors: dict[float, Tally]
    peak_kb: int


def run(asked: Asked, *, count: int, quiet: bool) -> Outcome:
    """Judges the history, with so many processes.

    Raises:
        ProcessKilledError: one of them was killed.
        UnusableMapError: a column is missing.
        OSError: the history cannot be read, or there is no room beside the temporary files.
    """
    begun_s = monotonic()
    room = Path(mkdtemp(prefix="ringback-backtest-"))
    try:
        with progress_bar(quiet=quiet) as progress, worker_processes(count) as pool:
            jobs, partitions = jobs_of(asked.history, count), partitions_of(asked.history)
            bar = progress.add_task("split", total=len(jobs))
            frauds: list[FraudRow] = []
            rows = 0
            for done in pool.map(split, *zip(*((asked.history, job, room, partitions) for job in jobs), strict=True)):
                frauds += done.frauds
                rows += done.rows
                progress.advance(bar)
            truth = asked.truth or cases_from(frauds)
            truth.known = asked.truth is not None or _marked(asked.history)
            bar = progress.add_task("judge", total=rows)
            parts: list[Part] = []
            factors: dict[float, Tally] = {}
            peak_kb = 0
            same = map(repeat, (asked, truth, room, len(jobs)))
            for judged in pool.map(_judge, range(partitions), *same):
                parts.append(judged.part)
                peak_kb = max(peak_kb, judged.peak_kb)
                for factor, counted in judged.factors.items():
                    factors.setdefault(factor, Tally()).add(counted)
                progress.advance(bar, judged.part.rows)
            found = outcome(
                parts,
                factors,
                truth,
                file=asked.history.file.name,
                ruleset=asked.rulesets[LIVE].version,
                against=asked.rulesets["against"].version if "against" in asked.rulesets else None,
            )
            _look_into(found, parts, asked, truth, room=room, jobs=len(jobs))
    finally:
        shutil.rmtree(room, ignore_errors=True)
    found.simulated = asked.labels is not None and asked.truth is not None
    found.elapsed_s = round(monotonic() - begun_s, 2)
    own_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found.peak_mb = round(max(peak_kb, own_kb) / 1024, 1)
    return found


def _marked(history: History) -> bool:
    return history.mapping is not None and history.mapping.fraud is not None


def _judge(partition: int, asked: Asked, truth: Truth, room: Path, jobs: int) -> _Judged:
    part = judge_partition(
        partition_lines(room, partition, jobs),
        asked.rulesets,
        truth,
        stamp_ms=asked.stamp_ms,
        compare=asked.compare,
        allow_card_numbers=asked.allow_card_numbers,
    )
    factors: dict[float, Tally] = {}
    if asked.compare:
        flagged, part.flagged = part.flagged, set()
        factors = judge_factors(
            ((ref, raw) for ref, raw in partition_lines(room, partition, jobs) if card_of(raw) in flagged),
            asked.rulesets[LIVE],
            truth,
            stamp_ms=asked.stamp_ms,
            allow_card_numbers=asked.allow_card_numbers,
        )
    return _Judged(part, factors, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _look_into(found: Outcome, parts: Sequence[Part], asked: Asked, truth: Truth, *, room: Path, jobs: int) -> None:
    """The worst mistakes with their evidence, and what false alarms are in truth."""
    told = [each for part in parts for each in part.told[LIVE]]
    false = [each for each in told if not is_true(each, truth)]
    names = {name for each in false for name in (each.suspect, each.against)}
    circumstances = _circumstances(asked.labels, names)
    for each in false:
        known = [circumstances[name] for name in (each.suspect, each.against) if name in circumstances]
        cause = next((name for name in known if name not in _HARMLESS), known[0] if known else "ordinary")
        found.false_alarms[cause] = found.false_alarms.get(cause, 0) + 1
    if not truth.known:
        return
    wanted = worst(told, truth)
    rows: dict[str, list[bytes]] = {}
    cards = {each.card_id for each in wanted}
    for partition in sorted({partition_of(card, len(parts)) for card in cards}):
        for _, raw in partition_lines(room, partition, jobs):
            card = card_of(raw)
            if card in cards:
                rows.setdefault(card, []).append(raw)
    found.mistakes = list(
        explain(wanted, rows, truth, circumstances, asked.rulesets[LIVE], allow_card_numbers=asked.allow_card_numbers)
    )


_HARMLESS: Final = frozenset(("commuting", "outing or journey", "duplicate", "repeat"))
"""What does not mislead by itself: the other side says more."""


def _circumstances(labels: Path | None, names: set[str]) -> dict[str, str]:
    if labels is None or not names:
        return {}
    wanted = pl.scan_csv(labels, infer_schema=False).filter(pl.col("transaction_id").is_in(list(names)))
    frame = wanted.select("transaction_id", "truth").head(_MOST_LABELS).collect()
    return dict(frame.iter_rows())
