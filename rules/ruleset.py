"""Rule sets: thresholds are data with a version."""

import msgspec


class RuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """Every threshold of the detection."""

    version: str


LIVE = RuleSet(version="2026.1")
"""The rule set in force."""
