"""What an operator without the task in hand sees of somebody: enough to recognise, too little to carry away."""

from typing import Any, get_type_hints

import msgspec

from infra.history.event import PERSONAL, Event, Recorded, UnknownEvent
from outreach.desk.timeline import HIDDEN

EVIDENCE = "evidence"
"""The grounds of the alert are what the desk decides by before anybody takes the task: shown to every operator."""


def masked_name(name: str) -> str:
    """``Sokha Chan`` becomes ``S•••• C•••``: initials and nothing of the length."""
    return " ".join(f"{part[0]}••••" for part in name.split()) or HIDDEN


def masked_phone(phone: str) -> str:
    """The last two digits, as the caller may name them."""
    return f"•••• •••• {phone[-2:]}" if phone else ""


def masked_email(email: str) -> str:
    """The first letter."""
    return f"{email[0]}••••@••••" if email else ""


def personal_fields(event: type[Event]) -> frozenset[str]:
    """The fields of an event class that are stored encrypted."""
    hints = get_type_hints(event, include_extras=True)
    return frozenset(name for name, hint in hints.items() if PERSONAL in getattr(hint, "__metadata__", ()))


def event_document(recorded: Recorded[Any], *, masked: bool) -> dict[str, Any]:
    """A recorded event as the API shows it; personal fields are replaced while masked, the evidence is not."""
    event = recorded.event
    if isinstance(event, UnknownEvent):  # carried: what is personal in it is still sealed
        name, version, data = event.type_name, event.type_version, dict(event.payload)
    else:
        name, version, data = type(event).wire_name, type(event).schema_version, msgspec.to_builtins(event)
    if masked:
        hidden = personal_fields(type(event)) - {EVIDENCE}
        data = {field: HIDDEN if field in hidden and value else value for field, value in data.items()}
    return {
        "position": recorded.position,
        "version": recorded.version,
        "event_id": str(recorded.event_id),
        "type": name,
        "schema_version": version,
        "occurred_at": recorded.occurred_at.isoformat(),
        "recorded_at": recorded.recorded_at.isoformat(),
        "actor": recorded.actor,
        "causation_id": recorded.causation_id,
        "erased": recorded.erased,
        "data": data,
    }
