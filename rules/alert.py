"""The alert as it stands on the topic ``fraud-alerts`` and in the output of ``judge``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID, uuid5

import msgspec

from rules.evidence import gather
from rules.gazetteer import Gazetteer, world
from rules.memory import Severity, Verdict
from rules.ruleset import LIVE, RuleSet
from rules.transaction import Transaction
from rules.verdict import Finding, Status

RULE: Final = "impossible_location"
BLOCKED_CARD_USED: Final = "blocked_card_used"

Mode: TypeAlias = Literal["live", "shadow"]

_NAMESPACE: Final = UUID("0d1f5f5e-5c0e-5b52-8f0a-3a4d6f9b2c71")
_encode = msgspec.json.Encoder().encode


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert message; the later in the partition's order stands.

    Attributes:
        alert_id: of card and suspect.
        raised_by: the transaction on whose arrival it became known.
        suspect: transaction id; so ``against``, which a rule may leave out.
        evidence: ``rules.evidence.Evidence`` as plain data.
        raised_at: when it was told.
        arrived_at: the broker's time stamp of the record that made it known, a payment or a word on payments; null in
            ``judge``.
    """

    alert_id: str
    status: Status
    card_id: str
    raised_by: str
    suspect: str
    against: str | None
    verdict: Verdict
    severity: Severity
    rule: str
    ruleset_version: str
    mode: Mode
    evidence: dict[str, Any]
    raised_at: datetime
    arrived_at: datetime | None


def alert_id(card_id: str, suspect: str) -> UUID:
    """UUIDv5 of card and suspect: one alert a suspect, whatever is replayed, whichever rule set."""
    return uuid5(_NAMESPACE, f"{card_id}\x1f{suspect}")


def make_alert(
    finding: Finding,
    card_id: str,
    known: Mapping[int, Transaction],
    *,
    raised_at: datetime,
    arrived_at: datetime | None,
    ruleset: RuleSet = LIVE,
    mode: Mode = "live",
    gazetteer: Gazetteer | None = None,
) -> Alert:
    """The alert of a finding.

    Args:
        finding: what changed.
        card_id: whose memory it was found in.
        known: what could be looked up of ``finding.refs()``; of the rest the evidence shows what the memory knows.
        raised_at: now, UTC.
        arrived_at: the broker's time stamp of the record that made it known.
        ruleset: the one that the finding was made under.
        mode: ``shadow`` where that one only runs beside the live one.
        gazetteer: none: the world's.
    """
    return Alert(
        alert_id=str(alert_id(card_id, finding.suspect.transaction_id)),
        status=finding.status,
        card_id=card_id,
        raised_by=finding.raised_by,
        suspect=finding.suspect.transaction_id,
        against=None if finding.against is None else finding.against.transaction_id,
        verdict=finding.verdict,
        severity=finding.severity,
        rule=BLOCKED_CARD_USED if finding.against is None else RULE,
        ruleset_version=ruleset.version,
        mode=mode,
        evidence=msgspec.to_builtins(gather(finding, known, gazetteer or world(), ruleset)),
        raised_at=raised_at,
        arrived_at=arrived_at,
    )


def encode(alert: Alert) -> bytes:
    """The alert as JSON, one line without its end."""
    return _encode(alert)
