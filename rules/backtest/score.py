"""Precision, recall, and how sure one can be of them."""

from collections.abc import Iterable
from itertools import groupby
from math import sqrt
from typing import Final

import msgspec

from rules.backtest.truth import CASE_GAP_US, Truth

Z_95: Final = 1.959964
"""Two-sided 95 %."""


class Share(msgspec.Struct, frozen=True):
    """A share of a count, with the interval in which the true share lies in 95 of 100 cases.

    Wilson's score interval (E. B. Wilson, Journal of the American Statistical Association 22, 1927): it holds for small
    counts and for shares near 0 and 1. ``value`` is null of nothing.
    """

    hits: int
    of: int
    value: float | None
    low: float
    high: float


def share(hits: int, of: int) -> Share:
    """The share and its interval."""
    if not of:
        return Share(0, 0, None, 0.0, 1.0)
    part, z2 = hits / of, Z_95**2
    middle = (part + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 / (1 + z2 / of) * sqrt(part * (1 - part) / of + z2 / (4 * of * of))
    # rounding must not put the share outside of its own interval
    return Share(hits, of, part, max(0.0, min(part, middle - half)), min(1.0, max(part, middle + half)))


class Raised(msgspec.Struct, frozen=True, gc=False):
    """What scoring needs of an alert: the card, the two transactions, and the suspect's time."""

    card_id: str
    suspect: str
    against: str
    at_us: int


class Tally(msgspec.Struct):
    """What a rule did, as counts that may be added up over partitions.

    Attributes:
        alerts: raised, whatever became of them; ``alerts_true``: those that cite a fraudulent payment on either side.
        cases_true, cases_false: cases as a bank would open them, a card's alerts within three days of each other; true
            if one of their alerts is.
        cards_true, cards_false: cards that were alarmed for, likewise.
        found: the true cases that an alert cites; ``opposed``: those that an alert holds against the customer's own
            payment. Two payments of a thief in one town may alarm too, by luck.
    """

    alerts: int = 0
    alerts_true: int = 0
    cases_true: int = 0
    cases_false: int = 0
    cards_true: int = 0
    cards_false: int = 0
    found: set[str] = msgspec.field(default_factory=set)
    opposed: set[str] = msgspec.field(default_factory=set)

    def add(self, other: "Tally") -> None:
        """Adds another partition's."""
        for name in ("alerts", "alerts_true", "cases_true", "cases_false", "cards_true", "cards_false"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.found |= other.found
        self.opposed |= other.opposed


class Score(msgspec.Struct, frozen=True):
    """A rule's figures; "false per true" is false cases for each true one.

    ``recall_opposed`` counts only cases in which an alert holds the thief's payment against the customer's: what the
    journey says, and not luck.
    """

    alerts: int
    alerts_per_1000_cards_a_day: float
    precision_case: Share
    recall_case: Share
    recall_opposed: Share
    precision_card: Share
    recall_card: Share
    precision_alert: Share
    false_per_true: float | None


def tally(raised: Iterable[Raised], truth: Truth) -> Tally:
    """Counts one rule's alerts; all of a card's must be among them."""
    counted = Tally()
    by_card = groupby(sorted(raised, key=lambda one: (one.card_id, one.at_us, one.suspect)), lambda one: one.card_id)
    for _, alerts in by_card:
        until, cases = -(2**62), list[bool]()
        for each in alerts:
            cited = {truth.case_of[name] for name in (each.suspect, each.against) if name in truth.case_of}
            if each.at_us > until:
                cases.append(False)
            cases[-1] = cases[-1] or bool(cited)
            until = each.at_us + CASE_GAP_US
            counted.alerts += 1
            counted.alerts_true += bool(cited)
            counted.found |= cited
            if (each.suspect in truth.case_of) != (each.against in truth.case_of):
                counted.opposed |= cited
        counted.cases_true += sum(cases)
        counted.cases_false += len(cases) - sum(cases)
        counted.cards_true += any(cases)
        counted.cards_false += not any(cases)
    return counted


def score(counted: Tally, truth: Truth, *, cards: int, days: float) -> Score:
    """The figures of a rule.

    Args:
        counted: over every partition.
        truth: what was fraud; cases without the card do not count for recall.
        cards: how many there are in the history.
        days: how long it is.
    """
    visible = truth.visible
    found = len(counted.found & visible.keys())
    cards_hit = {visible[name].card_id for name in counted.found if name in visible}
    return Score(
        alerts=counted.alerts,
        alerts_per_1000_cards_a_day=counted.alerts / max(cards, 1) / max(days, 1e-9) * 1000,
        precision_case=share(counted.cases_true, counted.cases_true + counted.cases_false),
        recall_case=share(found, len(visible)),
        recall_opposed=share(len(counted.opposed & visible.keys()), len(visible)),
        precision_card=share(counted.cards_true, counted.cards_true + counted.cards_false),
        recall_card=share(len(cards_hit), len({case.card_id for case in visible.values()})),
        precision_alert=share(counted.alerts_true, counted.alerts),
        false_per_true=counted.cases_false / counted.cases_true if counted.cases_true else None,
    )
