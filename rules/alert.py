"""The alert as it stands on the topic ``fraud-alerts``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from rules.memory import Severity, Verdict
from rules.ruleset import LIVE, RuleSet
from rules.transaction import Transaction
from rules.verdict import Finding, Status


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert message."""

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
    mode: str
    evidence: dict[str, Any]
    raised_at: datetime
    arrived_at: datetime | None


def alert_id(card_id: str, suspect: str) -> UUID:
    """UUIDv5 of card and suspect: one alert a suspect, whatever is replayed, whichever rule set."""
    raise NotImplementedError


def make_alert(
    finding: Finding,
    card_id: str,
    known: Mapping[int, Transaction],
    *,
    raised_at: datetime,
    arrived_at: datetime | None,
    ruleset: RuleSet = LIVE,
) -> Alert:
    """The alert of a finding; ``known`` holds what could be looked up of ``finding.refs()``."""
    raise NotImplementedError


def encode(alert: Alert) -> bytes:
    """The alert as JSON, one line."""
    return msgspec.json.encode(alert)
