"""``ringback backtest``: how good the rules are, on a labelled history, by the production core."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from infra.cli.backtest_rows import History, UnusableHistoryError, new_token_key
from infra.cli.backtest_run import Asked, run
from infra.cli.place import checked_place
from infra.cli.ruleset_option import chosen_ruleset
from infra.cli.screen import harmless
from infra.cli.simulate import cases_file, labels_file
from infra.clock import utc_now
from rules.backtest.columns import PRESETS, ColumnMap, UnusableMapError, preset, read_map
from rules.backtest.judging import OUR_SIGHTINGS
from rules.backtest.outcome import Outcome
from rules.backtest.report import page
from rules.backtest.score import Score, Share
from rules.backtest.truth import TrueCase, Truth

_SMALL_BYTES: Final = 4 * 2**20
"""What is smaller has been judged before a second process has started."""
_REASONS_SHOWN: Final = 5


class UnusableLabelsError(ValueError):
    """The labels beside the history are not as ``simulate`` writes them."""


def backtest(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="The history: NDJSON, CSV or Parquet, in order of arrival.",
            exists=True,
            dir_okay=False,
        ),
    ],
    *,
    ruleset: Annotated[
        str | None, typer.Option(metavar="A", help="A version, or a file of one (TOML, JSON); none: the built-in one.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="B", help="Another rule set: what would change, case by case.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="R.html", help="One page of HTML that needs nothing beside it.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--map", metavar="MAP", help=f"Your own columns: a TOML file, or {' or '.join(PRESETS)}."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="What transactions are in truth (FILE.labels.csv).", exists=True),
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Compromised cards (FILE.cases.csv).", exists=True)
    ] = None,
    tokenise: Annotated[bool, typer.Option("--tokenise", help="Replace card numbers by a keyed hash.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Neither others' rules nor the curve: quicker.")] = False,
    processes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="As many as there are cores, if it pays.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, for scripts.")] = False,
) -> None:
    """Judges a labelled history and says how right that was: precision, recall, alerts a day, delays, mistakes.

    Fraud is known from the files that `simulate` writes beside its own, or from the column that the map names.
    """
    if report is not None:
        checked_place(report, "--report")
    mapping = _map(columns)
    labels = labels or _beside(labels_file(file))
    cases = cases or _beside(cases_file(file))
    rulesets = {"live": chosen_ruleset(ruleset)} | ({"against": chosen_ruleset(against)} if against else {})
    asked = Asked(
        history=History(file, mapping, new_token_key() if tokenise else None),
        rulesets=rulesets,
        truth=_truth(labels, cases) if labels is not None and cases is not None else None,
        labels=labels,
        compare=not plain,
        stamp_ms=int(utc_now().timestamp() * 1000),
    )
    found = run(asked, count=processes or _count_for(file), quiet=as_json)
    if not found.rows:
        raise UnusableHistoryError(f"{file.name} has no rows")
    nothing = sum(found.refused.values()) == found.rows
    if report is not None and not nothing:
        report.write_text(page(found, rulesets), encoding="utf-8")
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
    elif not nothing:
        _tell(Console(), found, report)
    if nothing:
        raise UnusableHistoryError(_nothing_in(file, found))


def _map(columns: str | None) -> ColumnMap | None:
    if columns is None:
        return None
    if columns in PRESETS:
        return preset(columns)
    if not Path(columns).is_file():
        raise typer.BadParameter(
            f"{columns} is neither a file nor one of the maps that come with Ringback: {', '.join(PRESETS)}",
            param_hint="--map",
        )
    try:
        return read_map(Path(columns).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UnusableMapError(f"{columns} is no TOML: it is not text") from error


def _nothing_in(file: Path, found: Outcome) -> str:
    counted = sorted(found.refused.items(), key=lambda item: -item[1])[:_REASONS_SHOWN]
    reasons = ", ".join(f"{count:,}: {harmless(reason)}" for reason, count in counted)
    way = (
        "--tokenise replaces card numbers by a keyed hash"
        if counted[0][0].startswith("card_number")
        else "NDJSON, .csv and .parquet are read, and --map says where your own columns go, and how times are written"
    )
    return f"none of the {found.rows:,} rows of {file.name} is a transaction ({reasons}); {way}"


def _count_for(file: Path) -> int:
    """How many processes pay for a file of this size."""
    return 1 if file.stat().st_size < _SMALL_BYTES else os.cpu_count() or 1


def _beside(path: Path) -> Path | None:
    return path if path.is_file() else None


def _truth(labels: Path, cases: Path) -> Truth:
    """What ``simulate`` wrote beside its transactions."""
    try:
        marked = pl.scan_csv(labels, infer_schema=False).filter(pl.col("case_id").is_not_null())
        case_of = dict(marked.select("transaction_id", "case_id").collect().iter_rows())
        rows = pl.read_csv(cases, infer_schema=False).to_dicts()
        found = [
            TrueCase(
                case_id=row["case_id"],
                card_id=row["card_id"],
                kind=row["kind"],
                reach=row["reach"],
                pattern=row["pattern"],
                payments=int(row["payments"]),
                first_us=_micros(row["first_at"]),
                last_us=_micros(row["last_at"]),
                cents=int(row["cents"]),
            )
            for row in rows
        ]
    except (pl.exceptions.PolarsError, KeyError, TypeError, ValueError) as error:
        why = str(error).strip().partition("\n")[0]
        raise UnusableLabelsError(f"{labels.name}, {cases.name}: not as simulate writes them ({why})") from error
    return Truth(case_of=case_of, cases={case.case_id: case for case in found})


def _micros(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1_000_000)


def _tell(console: Console, found: Outcome, report: Path | None) -> None:
    """The figures on a terminal."""
    console.print(
        f"{found.rows:,} rows, {sum(found.refused.values()):,} refused; {found.cards:,} cards, {found.days:.1f} days;"
        f" {found.cases_visible:,} cases in which a card was somewhere, of {found.cases:,}",
        highlight=False,
    )
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)  # fits 80 columns
    table.add_column("rule", no_wrap=True)
    for name in ("precision", "recall"):
        table.add_column(f"{name}\n(95 % interval)", justify="right", no_wrap=True)
    table.add_column("alerts per\n1,000 cards\na day", justify="right")
    table.add_column("false per\ntrue case", justify="right")
    _row(table, f"Ringback {found.ruleset}", found.live)
    if found.reviews:
        _row(table, "  alerts alone", found.acted_on)
        _row(table, "  reviews alone", found.for_review)
    if found.changes is not None:
        _row(table, f"Ringback {found.against}", found.changes.score)
    for feed, group in found.others.items():
        for name, each in group.items():
            _row(table, name if feed == OUR_SIGHTINGS else f"{name} ({feed})", each)
    console.print(table)
    for reason, count in sorted(found.refused.items(), key=lambda item: -item[1])[:10]:
        console.print(f"refused {count:,}: {harmless(reason)}", markup=False, highlight=False)
    rate = found.rows / max(found.elapsed_s, 1e-9)
    console.print(
        f"{found.elapsed_s:,.1f} s, {rate:,.0f} transactions a second, {found.peak_mb:,.0f} MB at most in a process"
        + (f"\n{report}" if report is not None else ""),
        highlight=False,
    )


def _row(table: Table, name: str, each: Score) -> None:
    false = "–" if each.false_per_true is None else f"{each.false_per_true:.2f}"  # noqa: RUF001 - a dash for none
    table.add_row(
        name, _share(each.precision_case), _share(each.recall_case), f"{each.alerts_per_1000_cards_a_day:.3f}", false
    )


def _share(each: Share) -> str:
    if each.value is None:
        return "–"  # noqa: RUF001 - a dash for none
    return f"{each.value:.1%} ({100 * each.low:.1f}–{100 * each.high:.1f})"  # noqa: RUF001 - from one to the other
