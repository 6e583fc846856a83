"""The alerts of a case as they were last told, for another case to take over."""

from collections.abc import Sequence

from msgspec.structs import replace

from infra.history.event import Event, Recorded
from outreach.cases.alert import Alert
from outreach.cases.events import AlertJoined, AlertRevised, AlertWithdrawn


def told_alerts(timeline: Sequence[Recorded[Event]]) -> list[Alert]:
    """What stands, in the order in which it came; what detection took back is left out."""
    told: dict[str, Alert] = {}
    withdrawn: set[str] = set()
    for one in timeline:
        match one.event:
            case AlertJoined() as joined:
                told[joined.alert_id] = Alert(
                    alert_id=joined.alert_id,
                    status="raised",
                    card_id=joined.card_id,
                    raised_by=joined.raised_by,
                    suspect=joined.suspect,
                    against=joined.against or None,
                    verdict=joined.verdict,  # type: ignore[arg-type]  # as it came
                    severity=joined.severity,  # type: ignore[arg-type]  # the same
                    rule=joined.rule,
                    ruleset_version=joined.ruleset_version,
                    evidence=joined.evidence,
                    raised_at=joined.raised_at,
                    arrived_at=joined.arrived_at,
                )
            case AlertRevised() as revised if revised.alert_id in told:
                withdrawn.discard(revised.alert_id)
                told[revised.alert_id] = replace(
                    told[revised.alert_id],
                    raised_by=revised.raised_by,
                    against=revised.against or None,
                    verdict=revised.verdict,
                    severity=revised.severity,
                    evidence=revised.evidence,
                    raised_at=revised.raised_at,
                    arrived_at=revised.arrived_at,
                )
            case AlertWithdrawn(alert_id=alert_id):
                withdrawn.add(alert_id)
            case _:
                pass
    return [alert for alert_id, alert in told.items() if alert_id not in withdrawn]
