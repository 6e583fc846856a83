"""Findings: what changed among a card's standing suspects, and what is made of it."""

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec

from rules.itinerary import Suspect
from rules.memory import RECENT, Entry, Memory, Severity, Standing, Verdict
from rules.ruleset import RuleSet

Status: TypeAlias = Literal["raised", "revised", "withdrawn"]
_SECOND_US: Final = 1_000_000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One change among the standing suspects of a card.

    Attributes:
        status: ``raised``, ``revised`` (it now contradicts another sighting, or one of the two is told differently) or
            ``withdrawn``.
        against: the believed sighting that the suspect contradicts; of a withdrawn one, contradicted. None: the use of
            a blocked card, wherever it was.
        verdict: ``review`` if it was first raised on something more than a day behind the watermark, or if the two are
            of two devices.
        raised_by: the transaction on whose arrival this became known, or of which something was said.
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
        """Every ref that the evidence would like to have looked up."""
        sides = {self.suspect.ref} if self.against is None else {self.suspect.ref, self.against.ref}
        return sides | {*self.recent}


def findings(
    memory: Memory,
    suspects: Iterable[Suspect],
    watermark_us: int,
    ruleset: RuleSet,
    *,
    arrived: Entry | None,
    cause: str,
) -> list[Finding]:
    """Compares the suspects that now stand with those told before, and remembers the new ones in the memory.

    What was said of the card's payments arrives without a transaction; ``cause`` then names one that it was said of.
    First what is raised, then what is revised, then what is withdrawn: so a case that one suspect leaves has the
    other already. What has aged out of the memory is not withdrawn.
    """
    late_us = watermark_us - ruleset.late_s * _SECOND_US
    told = memory.standing
    standing: dict[str, Standing] = {}
    raised: list[Finding] = []
    revised: list[Finding] = []
    for suspect, against, review in suspects:
        before = told.get(suspect.transaction_id)
        if before is None:
            late = (suspect.at_us if arrived is None else min(suspect.at_us, arrived.at_us)) < late_us
        else:
            late = before.late
        now = Standing(suspect, against, "review" if late or review else "alert", late)
        if before is None:
            raised.append(_finding("raised", now, memory, cause))
        elif before != now:
            revised.append(_finding("revised", now, memory, cause))
        standing[suspect.transaction_id] = now
    withdrawn = [_finding("withdrawn", told[name], memory, cause) for name in told if name not in standing]
    memory.standing = standing
    return raised + revised + withdrawn


def standing_findings(memory: Memory) -> list[Finding]:
    """What stands, told again as ``raised``, each by its own suspect."""
    return [_finding("raised", each, memory, each.suspect.transaction_id) for each in memory.standing.values()]


def _finding(status: Status, standing: Standing, memory: Memory, cause: str) -> Finding:
    return Finding(
        status=status,
        suspect=standing.suspect,
        against=standing.against,
        verdict=standing.verdict,
        severity=standing.suspect.severity,
        raised_by=cause or standing.suspect.transaction_id,
        recent=tuple(RECENT.unpack(each)[1] for each in reversed(memory.recent())),
    )
