"""Events as they were written, one of each class and version, and the fields that each version has.

``events.jsonl`` holds the stored bytes; ``fields.json`` says what they are made of. Both only ever grow: what is there
is never written anew, because histories with such events in them are not either. ``python -m
tests.infra.history.golden`` adds what is missing.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from infra.history.canonical import StoredEvent
from infra.history.event import PERSONAL, PLAIN, Event, NewEvent, derived_id
from infra.history.sealing import sealed, split

EVENTS = Path(__file__).with_name("events.jsonl")
FIELDS = Path(__file__).with_name("fields.json")

KEY = bytes(range(32))
KEY_ID = UUID(int=1)
AT = datetime(2026, 3, 14, 10, 12, 0, 123456, tzinfo=UTC)
SUBJECT = "customer-golden"


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """One stored event: the payload as it lies there; what is personal as it was sealed with :data:`KEY`, in base64."""

    type: str
    schema_version: int
    payload: str
    personal: str | None

    @property
    def stored(self) -> StoredEvent:
        """The row."""
        sealed_bytes = None if self.personal is None else base64.b64decode(self.personal)
        return StoredEvent(
            position=1,
            stream="golden-1",
            version=1,
            event_id=event_id(self.type, self.schema_version),
            type=self.type,
            schema_version=self.schema_version,
            occurred_at=AT,
            recorded_at=AT,
            actor="system:golden",
            subject=SUBJECT,
            correlation_id=None,
            causation_id=None,
            payload=self.payload.encode(),
            personal=sealed_bytes,
            key_id=None if sealed_bytes is None else KEY_ID,
            previous_hash=bytes(32),
            hash=bytes(32),
        )


def event_id(wire_name: str, version: int) -> UUID:
    """What binds the sealed half of a golden event."""
    return derived_id("golden", wire_name, version)


def new_event(event: Event) -> NewEvent:
    """The event on its way into the history, as the golden one was."""
    return NewEvent(
        event=event,
        event_id=event_id(event.wire_name, event.schema_version),
        occurred_at=AT,
        actor="system:golden",
        subject=SUBJECT,
    )


def golden(cls: type[Event]) -> Golden:
    """What an event of the class, with something in every field, is stored as."""
    hints = get_type_hints(cls, include_extras=True)
    event = cls(**{name: _something(name, hints[name]) for name in cls.__struct_fields__})
    halves = split(new_event(event))
    box, _ = sealed(new_event(event), halves, {SUBJECT: (KEY_ID, KEY)})
    return Golden(
        type=cls.wire_name,
        schema_version=cls.schema_version,
        payload=halves.payload.decode(),
        personal=None if box is None else base64.b64encode(box).decode(),
    )


def written() -> list[Golden]:
    """The golden events that there are."""
    lines = EVENTS.read_bytes().splitlines() if EVENTS.exists() else []
    return [msgspec.json.decode(line, type=Golden) for line in lines]


def known_fields() -> dict[str, dict[str, dict[str, str]]]:
    """By wire name and version, what each field is."""
    return msgspec.json.decode(FIELDS.read_bytes()) if FIELDS.exists() else {}


def fields_of(cls: type[Event]) -> dict[str, str]:
    """What each field of the class is: its type, whether it is personal or plain, whether it may be missing."""
    hints = get_type_hints(cls, include_extras=True)
    infos = {field.name: field for field in msgspec.structs.fields(cls)}
    return {
        name: _said(hints[name]) + ("" if infos[name].required else ", may be missing")
        for name in cls.__struct_fields__
    }


def _said(hint: Any) -> str:
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if mark in {PERSONAL, PLAIN}]
    while hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    arguments = [_said(part) for part in get_args(hint) if part is not ...]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        parts = get_type_hints(hint, include_extras=True)
        arguments = [f"{name}: {_said(parts[name])}" for name in hint.__struct_fields__]
    origin = get_origin(hint) or hint
    name = "or" if origin in {Union, UnionType} else getattr(origin, "__name__", str(origin))
    whole = f"{name}[{', '.join(arguments)}]" if arguments else name
    return " ".join([*marks, whole])


def _something(name: str, hint: Any) -> Any:
    """A value that is not the default, whatever the field is."""
    while hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in {Union, UnionType}:
        return _something(name, next(part for part in arguments if part is not NoneType))
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        parts = get_type_hints(origin, include_extras=True)
        return origin(**{part: _something(part, parts[part]) for part in origin.__struct_fields__})
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _something(name, arguments[1])}
    if origin in {list, tuple, set, frozenset}:
        return origin([_something(name, arguments[0])])
    values: dict[Any, Any] = {str: f"some {name}", int: 7, float: 1.5, bool: True, datetime: AT, Any: f"any {name}"}
    if origin not in values:
        raise TypeError(f"say in {__name__} what stands for a field of type {hint}")
    return values[origin]
