"""From an event to what is stored of it, and back: the split into plain payload and sealed personal data."""

from collections.abc import Mapping
from datetime import UTC
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from infra.history.box import seal, unseal
from infra.history.canonical import StoredEvent, canonical_json
from infra.history.errors import SubjectMissing, Unreadable
from infra.history.event import Event, NewEvent, Recorded, UnknownEvent
from infra.history.keys import CustomerKey
from infra.history.registry import find, personal_fields
from infra.history.upcasting import lifted, personal_before, version_today

_FIELDS = msgspec.json.Decoder(dict[str, Any])
"""Made once: to understand the type anew costs ten times what the decoding does."""


@cache
def _decoder(cls: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(cls)


class Split(msgspec.Struct, frozen=True):
    """An event's two halves as canonical JSON; ``personal`` is None where there is nothing personal to keep."""

    payload: bytes
    personal: bytes | None


def split(new: NewEvent) -> Split:
    """Divides an event by the annotations of its class.

    Raises:
        SubjectMissing: there is personal data, and nobody whose key could seal it.
    """
    fields: dict[str, Any] = msgspec.to_builtins(new.event)
    empties = personal_fields(type(new.event))
    personal = {name: fields.pop(name) for name in empties}
    if personal == empties:
        return Split(canonical_json(fields), None)
    if not new.subject:
        raise SubjectMissing(f"{new.event.wire_name} holds {', '.join(sorted(personal))} and names no subject")
    return Split(canonical_json(fields), canonical_json(personal))


def sealed(new: NewEvent, halves: Split, keys: Mapping[str, CustomerKey]) -> tuple[bytes | None, UUID | None]:
    """The personal half under the subject's key, and that key's id."""
    if halves.personal is None or new.subject is None:
        return None, None
    key_id, key = keys[new.subject]
    return seal(key, halves.personal, new.event_id.bytes), key_id


def opened(stored: StoredEvent, keys: Mapping[UUID, bytes | None]) -> Recorded[Event]:
    """The event as it was recorded, lifted to its newest version; without its personal data where the key is destroyed.

    One whose type or version this code does not know is carried as it is, what is personal in it still sealed.

    Raises:
        Unreadable: the key is there, and the row does not open or does not fit its class.
    """
    version = version_today(stored.type, stored.schema_version)
    cls = find(stored.type, version)
    key = keys.get(stored.key_id) if stored.key_id is not None else None
    erased = stored.personal is not None and key is None
    try:
        event: Event
        old = version != stored.schema_version
        if cls is not None and stored.personal is None and not old and not personal_fields(cls):
            event = _decoder(cls).decode(stored.payload)  # twice as quick as by way of a mapping
            return _recorded(stored, event, erased=False)
        fields = _FIELDS.decode(stored.payload)
        if cls is None:
            # Which of its fields are personal is not known here: they stay sealed.
            event = UnknownEvent(type_name=stored.type, type_version=stored.schema_version, payload=fields)
        else:
            fields |= personal_before(stored.type, stored.schema_version) if old else personal_fields(cls)
            if stored.personal is not None and key is not None:
                fields |= _FIELDS.decode(unseal(key, stored.personal, stored.event_id.bytes))
            event = msgspec.convert(lifted(stored.type, stored.schema_version, fields), cls)
    except (msgspec.MsgspecError, Unreadable) as error:
        raise Unreadable(
            f"position {stored.position} ({stored.type} version {stored.schema_version}) cannot be read: {error}"
        ) from error
    return _recorded(stored, event, erased=erased)


def _recorded(stored: StoredEvent, event: Event, *, erased: bool) -> Recorded[Event]:
    return Recorded(
        position=stored.position,
        stream=stored.stream,
        version=stored.version,
        event_id=stored.event_id,
        occurred_at=stored.occurred_at.astimezone(UTC),
        recorded_at=stored.recorded_at.astimezone(UTC),
        actor=stored.actor,
        subject=stored.subject,
        correlation_id=stored.correlation_id,
        causation_id=stored.causation_id,
        event=event,
        erased=erased,
    )
