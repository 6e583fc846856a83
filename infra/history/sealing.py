"""From an event to what is stored of it, and back: the split into plain payload and sealed personal data."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
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


Decode = Callable[[bytes], Event]


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


def opened_all(rows: Iterable[StoredEvent], keys: Mapping[UUID, bytes | None]) -> list[Recorded[Event]]:
    """As :func:`opened`, of each; the quicker way where one kind follows another.

    Raises:
        Unreadable: the key is there, and the row does not open or does not fit its class.
    """
    plain: dict[tuple[str, int], Decode | None] = {}
    found = []
    for stored in rows:
        kind = stored.type, stored.schema_version
        if kind not in plain:
            plain[kind] = _plain(*kind)
        decode = plain[kind]
        if decode is None or stored.personal is not None:
            found.append(opened(stored, keys))
            continue
        try:
            event = decode(stored.payload)
        except msgspec.MsgspecError as error:
            raise _unreadable(stored, error) from error
        found.append(_recorded(stored, event, erased=False))
    return found


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
        fields = _FIELDS.decode(stored.payload)
        if cls is None:
            # Which of its fields are personal is not known here: they stay sealed.
            event = UnknownEvent(type_name=stored.type, type_version=stored.schema_version, payload=fields)
        else:
            old = version != stored.schema_version
            fields |= personal_before(stored.type, stored.schema_version) if old else personal_fields(cls)
            if stored.personal is not None and key is not None:
                fields |= _FIELDS.decode(unseal(key, stored.personal, stored.event_id.bytes))
            event = msgspec.convert(lifted(stored.type, stored.schema_version, fields), cls)
    except (msgspec.MsgspecError, Unreadable) as error:
        raise _unreadable(stored, error) from error
    return _recorded(stored, event, erased=erased)


def _plain(type_name: str, version: int) -> Decode | None:
    """What reads an event in one go, twice as quick as by way of a mapping; None where something is to be put to it."""
    cls = find(type_name, version)
    if cls is None or version_today(type_name, version) != version or personal_fields(cls):
        return None
    return _decoder(cls).decode


def _unreadable(stored: StoredEvent, why: Exception) -> Unreadable:
    return Unreadable(
        f"position {stored.position} ({stored.type} version {stored.schema_version}) cannot be read: {why}"
    )


def _recorded(stored: StoredEvent, event: Event, *, erased: bool) -> Recorded[Event]:
    return Recorded(
        stored.position,
        stored.stream,
        stored.version,
        stored.event_id,
        _in_utc(stored.occurred_at),
        _in_utc(stored.recorded_at),
        stored.actor,
        stored.subject,
        stored.correlation_id,
        stored.causation_id,
        event,
        erased,
    )


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
