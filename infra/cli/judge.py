"""``ringback judge``: the same rules as the worker's, without servers and without state.

What the customers have said of their payments may come in a second file, a JSON object a line: ``{"after":
transaction_id, "card_id", "confirmed": [ids], "struck_out": [ids]}``, each applied once that transaction is judged.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, TextIO
from zoneinfo import ZoneInfo

import msgspec
import typer

from infra.cli.ruleset_option import chosen_ruleset
from infra.cli.zone import Zone
from infra.clock import Clock, utc_now
from rules.alert import Alert, encode, make_alert
from rules.drawing import map_of
from rules.evidence import Evidence
from rules.layout import NOTHING, unpack
from rules.local_time import with_offset
from rules.ruleset import LIVE, RuleSet
from rules.transaction import Refusal, Transaction, decode
from rules.verdict import Finding
from rules.watch import Watch

_FORGET_AT: Final = 512
"""A card that holds so many transactions lets go of those that its memory no longer refers to."""


class NoTransactionsError(ValueError):
    """Every row was refused; the message says what is read."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of a card's payments, and after which transaction: the last that is judged before it."""

    after: str
    card_id: str
    confirmed: tuple[str, ...] = ()
    struck_out: tuple[str, ...] = ()


def read_words(lines: Iterable[bytes], errors: TextIO) -> dict[str, list[Word]]:
    """The words by the transaction that they follow, in their order; what is none is named by line."""
    words: dict[str, list[Word]] = {}
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        try:
            word = msgspec.json.decode(line, type=Word)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            errors.write(f"context line {number}: {error}\n")
            continue
        if both := sorted({*word.confirmed} & {*word.struck_out}):
            errors.write(f"context line {number}: {', '.join(both)} cannot be hers and not hers\n")
            continue
        words.setdefault(word.after, []).append(word)
    return words


class Judge:
    """Judges transactions in the order in which they come, as one partition.

    It keeps each card's memory, and of each card the transactions that this memory refers to.

    Args:
        clock: read once for "ahead of its time", at the start, and for each alert's ``raised_at``.
        words: what is said after a transaction, once it was judged for the first time.
        ruleset: under which it judges.
    """

    def __init__(self, clock: Clock, words: dict[str, list[Word]] | None = None, *, ruleset: RuleSet = LIVE) -> None:
        self.words = words or {}
        self._clock = clock
        self._stamp_ms = int(clock().timestamp() * 1000)
        self._ruleset = ruleset
        self._watch = Watch(ruleset)
        self._cards: dict[str, tuple[bytes, dict[int, Transaction]]] = {}
        self.counts: Counter[str] = self._watch.counts

    def judge(self, line: bytes, number: int) -> list[Alert]:
        """The alerts that become known by one row, usually none.

        Raises:
            Refusal: the row is no transaction, or ahead of its time.
        """
        transaction = decode(line)
        memory, known = self._cards.get(transaction.card_id, (NOTHING, {}))
        memory, found = self._watch.observe(memory, transaction, number, self._stamp_ms)
        self._cards[transaction.card_id] = memory, known
        known[number] = transaction
        alerts = [self._alert(finding, transaction.card_id, known) for finding in found]
        for word in self.words.pop(transaction.transaction_id, ()):
            alerts += self._hear(word)
        memory, known = self._cards[transaction.card_id]
        if len(known) >= _FORGET_AT:
            kept = unpack(memory).refs()
            self._cards[transaction.card_id] = (memory, {ref: known[ref] for ref in known if ref in kept})
        return alerts

    def _hear(self, word: Word) -> list[Alert]:
        memory, known = self._cards.get(word.card_id, (NOTHING, {}))
        memory, found = self._watch.say(memory, word.confirmed, word.struck_out)
        self._cards[word.card_id] = memory, known
        return [self._alert(finding, word.card_id, known) for finding in found]

    def _alert(self, finding: Finding, card_id: str, known: dict[int, Transaction]) -> Alert:
        return make_alert(finding, card_id, known, raised_at=self._clock(), arrived_at=None, ruleset=self._ruleset)


def judge(
    file: Annotated[
        Path | None,
        typer.Argument(help="NDJSON, a transaction a line; none: standard input.", exists=True, dir_okay=False),
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option("--map", help="Draw each alert's evidence into this folder, as ALERT_ID.svg.", file_okay=False),
    ] = None,
    zone: Zone = None,
    ruleset: Annotated[
        str | None,
        typer.Option(
            "--ruleset", metavar="A", help="A version, or a file of one (TOML, JSON); none: the built-in one."
        ),
    ] = None,
    context: Annotated[
        Path | None,
        typer.Option(
            help="What customers said of their payments, as NDJSON: after, card_id, confirmed, struck_out.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Transactions as NDJSON in, alerts as NDJSON out as they become known, in order of arrival.

    Rows that cannot be read are named on standard error by line, with the reason; they do not stop what follows.
    """
    if maps is not None:
        maps.mkdir(parents=True, exist_ok=True)
    judged_under = chosen_ruleset(ruleset)
    words: dict[str, list[Word]] = {}
    if context is not None:
        with context.open("rb") as lines:
            words = read_words(lines, sys.stderr)
    told: dict[str, Any] = {"maps": maps, "zone": zone, "words": words, "ruleset": judged_under}
    if file is None:
        good = run(sys.stdin.buffer, sys.stdout.buffer, sys.stderr, utc_now, **told)
    else:
        with file.open("rb") as lines:
            good = run(lines, sys.stdout.buffer, sys.stderr, utc_now, **told)
    if not good:
        raise NoTransactionsError(
            "no row is a transaction, see above why (NDJSON is read here; `ringback backtest` reads CSV and Parquet)"
        )


def run(
    lines: Iterable[bytes],
    out: BinaryIO,
    errors: TextIO,
    clock: Clock,
    *,
    maps: Path | None = None,
    zone: ZoneInfo | None = None,
    words: dict[str, list[Word]] | None = None,
    ruleset: RuleSet = LIVE,
) -> bool:
    """Judges every line; alerts go to ``out``, each flushed, refusals and the summary to ``errors``.

    With a folder of ``maps`` each alert is drawn there; a later word on the same alert is drawn over the earlier.
    With a ``zone``, a time without an offset is a local time there (``rules.local_time``).

    Returns:
        Whether there was a transaction, or nothing at all.
    """
    judging = Judge(clock, words, ruleset=ruleset)
    told: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        told["transactions"] += 1
        try:
            alerts = judging.judge(line if zone is None else with_offset(line, zone), number)
        except Refusal as refusal:
            told["refused"] += 1
            errors.write(f"line {number}: {refusal}\n")
            continue
        for alert in alerts:
            told[alert.status] += 1
            out.write(encode(alert) + b"\n")
            if maps is not None:
                drawn = map_of(msgspec.convert(alert.evidence, Evidence))
                (maps / f"{alert.alert_id}.svg").write_text(drawn, encoding="utf-8")
        if alerts:
            out.flush()
    errors.writelines(
        f"context: {after} did not come; what was said after it is not heard\n" for after in judging.words
    )
    told.update(judging.counts)
    rows, refused = told.pop("transactions", 0), told.pop("refused", 0)
    found = ", ".join(f"{name} {count:,}" for name, count in sorted(told.items())) or "nothing found"
    errors.write(f"{rows:,} rows, {refused:,} refused; {found}\n")
    return refused < rows or not rows
