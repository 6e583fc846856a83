"""One partition's judge: transactions in order of arrival, findings out."""

from collections import Counter
from collections.abc import Sequence

from rules.gazetteer import Gazetteer
from rules.memory import Memory
from rules.ruleset import LIVE, RuleSet
from rules.transaction import Transaction
from rules.verdict import Finding

NEVER = -(2**62)
"""The watermark of a partition that has seen nothing."""


class Watch:
    """Judges the transactions of one partition (``judge``: of one file) against their cards' memories.

    Attributes:
        watermark_us: the greatest ``occurred_at`` judged, microseconds since 1970 UTC; to be stored with the state.
        counts: what was only counted, by name, since this object was made.
    """

    def __init__(
        self, ruleset: RuleSet = LIVE, *, watermark_us: int = NEVER, gazetteer: Gazetteer | None = None
    ) -> None:
        self.watermark_us = watermark_us
        self.counts: Counter[str] = Counter()

    def observe(self, memory: Memory, transaction: Transaction, ref: int, stamp_ms: int) -> Sequence[Finding]:
        """Takes one transaction into its card's memory and says what changed.

        Args:
            memory: of the transaction's card; changed in place.
            transaction: as decoded.
            ref: finds the transaction again; opaque.
            stamp_ms: the broker's time stamp of the record (``judge``: the time at its start), milliseconds.

        Raises:
            Refusal: more than a day ahead of the stamp; neither memory nor watermark has changed.
        """
        raise NotImplementedError

    def standing(self, memory: Memory) -> list[Finding]:
        """What stands, as findings with status ``raised``, ``raised_by`` being the suspect itself."""
        raise NotImplementedError
