"""Findings: what changed among a card's standing suspects."""

from typing import Literal, TypeAlias

import msgspec

from rules.memory import Entry, Severity, Verdict

Status: TypeAlias = Literal["raised", "revised", "withdrawn"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One change among the standing suspects of a card.

    Attributes:
        status: ``raised``, ``revised`` (it now contradicts another sighting, or is told differently) or ``withdrawn``.
        raised_by: the transaction on whose arrival this became known.
        recent: refs of the card's last payments of any kind, newest first, at most ten.
    """

    status: Status
    suspect: Entry
    against: Entry | None
    verdict: Verdict
    severity: Severity
    raised_by: str
    recent: tuple[int, ...]

    def refs(self) -> set[int]:
        """Every ref that the evidence would like to see looked up."""
        raise NotImplementedError
