"""An alert as the cases see it: what detection says of one suspect payment, whoever carried the message here."""

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

Severity = Literal["low", "medium", "high"]
Verdict = Literal["alert", "review"]
Status = Literal["raised", "revised", "withdrawn"]

BLOCKED_CARD_USED = "blocked_card_used"
"""The rule of an alert that contradicts nothing: the bank declined a payment because the card is blocked."""

SEVERITIES: tuple[str, ...] = ("", "low", "medium", "high")
"""From nothing to gravest; a severity's rank is its place here."""


class Alert(Struct, frozen=True, kw_only=True):
    """One message of `fraud-alerts`, contract version 1; fields that are not named here are ignored.

    Attributes:
        alert_id: derived from the card and the suspect, so that a repeat is the same alert.
        raised_by: the transaction on whose arrival this became known; with the status it tells two messages of one
            alert apart, and a repeat of the same message from both.
        suspect: the payment that cannot have been made by the customer's card where it was.
        against: the believed payment that it contradicts; empty where there is none.
        arrived_at: when the payment, or the word on payments, that made it known reached its topic, by the broker's
            clock, UTC.
    """

    alert_id: str
    status: Status
    card_id: str
    raised_by: str
    suspect: str
    against: str | None = None
    verdict: Verdict
    severity: Severity
    rule: str
    ruleset_version: str
    mode: Literal["live", "shadow"] = "live"
    evidence: dict[str, Any] = field(default_factory=dict)
    raised_at: datetime
    arrived_at: datetime | None = None

    @property
    def paid_at(self) -> datetime:
        """When the suspect payment was made; when the alert was raised, where the evidence does not say."""
        suspect = self.evidence.get("suspect")
        said = suspect.get("at") if isinstance(suspect, dict) else None
        if not isinstance(said, str):
            return self.raised_at
        try:
            paid = datetime.fromisoformat(said)
        except ValueError:
            return self.raised_at
        return paid if paid.tzinfo else self.raised_at
