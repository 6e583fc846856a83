"""What an event is: a frozen fact with a stable wire name, a schema version, and declared personal fields."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, TypeAlias, TypeVar
from uuid import UUID, uuid5

import msgspec

PERSONAL = "personal"
"""Marks a field whose value is stored only encrypted with the key of the event's subject."""

PLAIN = "plain"
"""Marks a string field that names nobody and may be read by everyone who may read the history."""

Personal: TypeAlias = Annotated[str, PERSONAL]
Plain: TypeAlias = Annotated[str, PLAIN]
PersonalData: TypeAlias = Annotated[dict[str, Any], PERSONAL]
PersonalList: TypeAlias = Annotated[list[dict[str, Any]], PERSONAL]

NAMESPACE = UUID("5f0c7a3e-3d0b-5a51-9f0e-6f6a1d9f7c11")
"""The namespace of every identifier that Ringback derives (UUIDv5)."""


def derived_id(*parts: object) -> UUID:
    """The UUIDv5 of what caused a thing: the same cause gives the same identifier, whoever derives it and how often."""
    return uuid5(NAMESPACE, "\x1f".join(str(part) for part in parts))


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact. Each concrete class sets ``wire_name`` (never changed once written) and ``schema_version``."""

    wire_name: ClassVar[str]
    schema_version: ClassVar[int] = 1


EventT = TypeVar("EventT", bound=Event)
AnyEvent_co = TypeVar("AnyEvent_co", bound=Event, covariant=True)


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way into the history.

    Attributes:
        event: the fact.
        event_id: derived from its cause, so that an append that happened is recognised.
        occurred_at: when it happened, UTC.
        actor: who did it: ``system:casework``, ``operator:dara``, ``customer``, ``bank``, ``provider:twilio``.
        subject: the customer whose key encrypts the personal fields; required where the event has any.
        correlation_id: the case (or other conversation) that it belongs to.
        causation_id: the event, alert or message that it follows from.
    """

    event: Event
    event_id: UUID
    occurred_at: datetime
    actor: str
    subject: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


class Recorded(msgspec.Struct, Generic[AnyEvent_co], frozen=True, gc=False):
    """An event as the history holds it.

    Attributes:
        position: place in the whole history, from 1, without holes.
        stream: for example ``case-…`` or ``customer-…``.
        version: place in its stream, from 1, without holes.
        recorded_at: when it was committed, UTC; never goes back along the positions.
        erased: the subject's key is destroyed; personal fields hold their type's empty value.
    """

    position: int
    stream: str
    version: int
    event_id: UUID
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    subject: str | None
    correlation_id: str | None
    causation_id: str | None
    event: AnyEvent_co
    erased: bool = False


class UnknownEvent(Event, frozen=True, kw_only=True):
    """An event whose type this version of the code does not know: carried, never dropped."""

    wire_name: ClassVar[str] = "unknown"
    type_name: Plain
    type_version: int
    payload: Mapping[str, Any]
