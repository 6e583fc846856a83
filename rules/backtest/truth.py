"""What is known about fraud in a history: which transactions, and which cases they make."""

from collections.abc import Iterable
from typing import Final

import msgspec

CARD_ABSENT: Final = "card_absent"
CARD_PRESENT: Final = "card_present"
CASE_GAP_US: Final = 72 * 3600 * 1_000_000
"""What happens on one card within so long of each other is one case: the time for which a card is remembered."""


class TrueCase(msgspec.Struct, frozen=True):
    """One compromised card.

    Attributes:
        kind: what was done with it; ``card_absent`` cannot be seen by where a card is, and must not alarm.
        reach: how far from home, where that is known.
        pattern: ``single`` or ``burst``.
        first_us: its first payment, microseconds since 1970 UTC.
    """

    case_id: str
    card_id: str
    kind: str
    reach: str
    pattern: str
    payments: int
    first_us: int
    last_us: int
    cents: int


class Truth(msgspec.Struct):
    """Fraudulent transactions by id, each with its case, and the cases by id; ``known`` is false without labels."""

    case_of: dict[str, str] = msgspec.field(default_factory=dict)
    cases: dict[str, TrueCase] = msgspec.field(default_factory=dict)
    known: bool = True

    @property
    def visible(self) -> dict[str, TrueCase]:
        """The cases in which a card, or a copy of it, was somewhere."""
        return {name: case for name, case in self.cases.items() if case.kind != CARD_ABSENT}


class FraudRow(msgspec.Struct, frozen=True):
    """A transaction that its bank has marked as fraud."""

    transaction_id: str
    card_id: str
    at_us: int
    present: bool
    cents: int


def cases_from(rows: Iterable[FraudRow]) -> Truth:
    """The cases that marked transactions make: a card's, as long as no three days lie between."""
    truth = Truth()
    open_case: list[FraudRow] = []

    def close() -> None:
        if open_case:
            first = open_case[0]
            case_id = f"{first.card_id}/{first.transaction_id}"
            truth.cases[case_id] = TrueCase(
                case_id=case_id,
                card_id=first.card_id,
                kind=CARD_PRESENT if any(each.present for each in open_case) else CARD_ABSENT,
                reach="unknown",
                pattern="single" if len(open_case) == 1 else "burst",
                payments=len(open_case),
                first_us=first.at_us,
                last_us=open_case[-1].at_us,
                cents=sum(each.cents for each in open_case),
            )
            truth.case_of.update({each.transaction_id: case_id for each in open_case})
            open_case.clear()

    for row in sorted(rows, key=lambda each: (each.card_id, each.at_us, each.transaction_id)):
        last = open_case[-1] if open_case else None
        if last is not None and (row.card_id != last.card_id or row.at_us - last.at_us > CASE_GAP_US):
            close()
        open_case.append(row)
    close()
    return truth
