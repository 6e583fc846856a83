"""The grounds of an alert as the case page shows them: two places, two local times, and why nobody could do both."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from infra.history.event import Recorded
from outreach.cases.events import AlertJoined, AlertRevised
from outreach.cases.state import AlertState, CaseState
from outreach.desk.map import JourneyMap, Place, draw
from outreach.desk.words import (
    CHANNELS_OF_PAYMENT,
    ENTRY_MODES,
    amount,
    distance,
    duration,
    local,
    moment,
    said,
    utc_offset,
)

REACH = 11
"""A card's last ten payments and the suspect: as many as an alert brings; more alerts bring a few more."""


MAPS_KEPT = 128
"""A case is looked at again with everything that happens in it, and its map is most of the work: about 30 kB each."""

_drawn = lru_cache(maxsize=MAPS_KEPT)(draw)


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two payments. ``offset``: of its local time, ``UTC+7``."""

    transaction_id: str
    place: str
    country: str
    merchant: str
    amount: str
    local_time: str
    zone: str
    offset: str
    at: datetime | None
    how: str
    outcome: str
    point: tuple[float, float] | None


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. ``answer``: ``genuine``, ``fraud``, or empty while nobody has said. ``revised_at``: the last time.

    ``against_struck``: what it contradicts was not the customer's, as an operator has heard.
    """

    alert_id: str
    severity: str
    verdict: str
    rule: str
    words: str
    possible_if: str
    distance: str
    elapsed: str
    fastest: str
    means: str
    withdrawn: bool
    revised_at: datetime | None
    answer: str
    suspect: End
    against: End | None
    against_struck: bool
    map: JourneyMap | None


class PaymentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One of the card's recent payments.

    ``mark``: ``suspect``, ``believed``, ``struck out`` (it was believed, and was not the customer's), ``taken back``
    (it was a suspect, and is none any more), or empty.
    """

    transaction_id: str
    at: datetime | None
    merchant: str
    place: str
    amount: str
    how: str
    outcome: str
    mark: str


def evidence_of(recorded: Sequence[Recorded[Any]]) -> dict[str, Mapping[str, Any]]:
    """The newest evidence of each alert of the case, in the order in which the alerts came."""
    newest: dict[str, Mapping[str, Any]] = {}
    for each in recorded:
        if isinstance(each.event, AlertJoined | AlertRevised):
            newest[each.event.alert_id] = each.event.evidence
    return newest


def ends_against(recorded: Sequence[Recorded[Any]]) -> list[End]:
    """Every payment that a suspect of the case was ever told to contradict, in the order in which they were told."""
    told = [each.event for each in recorded if isinstance(each.event, AlertJoined | AlertRevised)]
    return [_end(each.evidence["against"], each.against) for each in told if each.evidence.get("against")]


def alert_view(
    alert: AlertState, evidence: Mapping[str, Any], rule: str, state: CaseState, revised_at: datetime | None
) -> AlertView:
    """The alert with its evidence; tolerant of whatever the evidence does not say."""
    suspect = _end(evidence.get("suspect"), alert.suspect)
    against = _end(evidence["against"], alert.against) if evidence.get("against") else None
    raw_journey = evidence.get("journey")
    journey: Mapping[str, Any] = raw_journey if isinstance(raw_journey, Mapping) else {}
    answer = "genuine" if alert.suspect in state.confirmed else "fraud" if alert.suspect in state.denied else ""
    return AlertView(
        alert_id=alert.alert_id,
        severity=alert.severity,
        verdict=alert.verdict,
        rule=said({}, rule),
        words=str(evidence.get("words", "")),
        possible_if=str(evidence.get("possible_if", "")),
        distance=distance(evidence.get("distance_km")),
        elapsed=duration(evidence.get("elapsed_s")),
        fastest=duration(journey.get("fastest_s")),
        means=str(journey.get("means", "")),
        withdrawn=alert.withdrawn,
        revised_at=revised_at,
        answer=answer,
        suspect=suspect,
        against=against,
        against_struck=alert.against in state.struck_out,
        map=_map(against, suspect),
    )


def payments(evidence: Collection[Mapping[str, Any]], state: CaseState) -> list[PaymentRow]:
    """The payments that the alerts' evidence names, newest first, each once."""
    standing = [alert for alert in state.alerts.values() if not alert.withdrawn]
    suspects = {alert.suspect for alert in state.alerts.values()}
    marks = dict.fromkeys(suspects, "taken back")
    marks |= {alert.against: "believed" for alert in standing if alert.against}
    marks |= {alert.suspect: "suspect" for alert in standing}
    marks |= dict.fromkeys(state.struck_out, "struck out")
    rows: dict[str, PaymentRow] = {}
    for card in evidence:
        named = [_recent_of(card[end]) for end in ("suspect", "against") if isinstance(card.get(end), Mapping)]
        recent = card.get("recent")
        for payment in [*(recent if isinstance(recent, Sequence) else ()), *named]:
            transaction_id = str(payment.get("transaction_id", ""))
            rows.setdefault(transaction_id, _payment(payment, transaction_id, marks.get(transaction_id, "")))
    ordered = sorted(rows.values(), key=lambda row: (row.at is not None, row.at), reverse=True)
    return ordered[: REACH + len(suspects)]


def _recent_of(end: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**end, "occurred_at": end.get("at"), "city": end.get("place")}


def _payment(payment: Mapping[str, Any], transaction_id: str, mark: str) -> PaymentRow:
    place = ", ".join(str(part) for part in (payment.get("city"), payment.get("country")) if part)
    return PaymentRow(
        transaction_id=transaction_id,
        at=moment(payment.get("occurred_at")),
        merchant=str(payment.get("merchant") or "unnamed merchant"),
        place=place,
        amount=amount(payment.get("amount"), payment.get("currency")),
        how=_how(payment),
        outcome=str(payment.get("outcome") or ""),
        mark=mark,
    )


def _how(payment: Mapping[str, Any]) -> str:
    entry = str(payment.get("entry_mode") or "")
    channel = str(payment.get("channel") or "")
    # A chip was somebody present, a web shop was not: the channel is said only where the entry mode does not say it.
    said_channel = "" if entry and channel != "atm" else said(CHANNELS_OF_PAYMENT, channel)
    return ", ".join(filter(None, (said_channel, said(ENTRY_MODES, entry))))


def _end(said_of_it: object, transaction_id: str) -> End:
    end: Mapping[str, Any] = said_of_it if isinstance(said_of_it, Mapping) else {}
    lat, lon = end.get("lat"), end.get("lon")
    located = isinstance(lat, int | float) and isinstance(lon, int | float)
    at = moment(end.get("at"))
    zone_name = str(end.get("zone") or "")
    return End(
        transaction_id=str(end.get("transaction_id") or transaction_id),
        place=str(end.get("place") or ""),
        country=str(end.get("country") or ""),
        merchant=str(end.get("merchant") or "unnamed merchant"),
        amount=amount(end.get("amount"), end.get("currency")),
        local_time=local(at, zone_name),
        zone=zone_name,
        offset=utc_offset(at, zone_name),
        at=at,
        how=_how(end),
        outcome=str(end.get("outcome") or ""),
        point=(float(lat or 0), float(lon or 0)) if located else None,
    )


def _map(against: End | None, suspect: End) -> JourneyMap | None:
    if suspect.point is None:
        return None
    return _drawn(_place(against) if against else None, _place(suspect) or Place(lat=0, lon=0, name=""))


def _place(end: End) -> Place | None:
    if end.point is None:
        return None
    return Place(lat=end.point[0], lon=end.point[1], name=end.place or end.country, note=end.local_time)
