"""The stored form of an event, byte for byte, and the hash that chains it to the one before.

The hash is SHA-256 over the text ``ringback.event.1`` followed by these fields in this order, each as its length (four
bytes, big-endian, two's complement) and its bytes; a missing one is the length -1 and no bytes::

    position, previous_hash, recorded_at, version,
    stream, event_id, type, schema_version, occurred_at, actor, subject, correlation_id, causation_id,
    payload, personal, key_id

First the event's place, then what its writer said. Numbers are eight bytes, big-endian; moments are whole microseconds
since 2000-01-01T00:00:00Z as such a number; texts are UTF-8; ids are their sixteen bytes; ``payload`` and ``personal``
are the stored bytes, the latter still encrypted: destroying a key leaves the chain whole. The first event's
``previous_hash`` is 32 zero bytes.

These are PostgreSQL's own binary forms: a row of ``COPY (SELECT`` :data:`ENCODED` ``…) TO STDOUT (FORMAT binary)``
is, behind its count of fields, the encoding itself, so that a verification hashes what comes over the wire.
``history.event_hash`` in append.sql computes the same inside PostgreSQL.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

FIRST_PREVIOUS_HASH = bytes(32)
TAG = b"ringback.event.1"
_MISSING = (-1).to_bytes(4, "big", signed=True)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What an event has wherever it is kept, in the table as in a file: its place, its name, when, and who did it."""

    position: int
    stream: str
    version: int
    event_id: UUID
    type: str
    schema_version: int
    occurred_at: datetime
    recorded_at: datetime
    actor: str


class StoredEvent(Envelope, frozen=True, gc=False):
    """A row of ``history.events`` as it is stored: personal data encrypted, payload as bytes."""

    subject: str | None
    correlation_id: str | None
    causation_id: str | None
    payload: bytes
    personal: bytes | None
    key_id: UUID | None
    previous_hash: bytes
    hash: bytes


COLUMNS = ", ".join(StoredEvent.__struct_fields__)
"""The columns of ``history.events``, in the order of :class:`StoredEvent`'s fields: a row is its arguments."""


ENCODED = (
    "position, previous_hash, recorded_at, version, stream, event_id, type, schema_version, occurred_at, actor,"
    " subject, correlation_id, causation_id, payload, personal, key_id"
)
"""The columns of ``history.events`` in the order in which they are hashed."""


def canonical_json(value: Any) -> bytes:
    """JSON as UTF-8 with sorted keys and no spaces: the same value gives the same bytes.

    Takes what JSON can say (after ``msgspec.to_builtins``); a float that is no number becomes null.
    """
    return msgspec.json.encode(value, order="deterministic")


def event_hash(event: StoredEvent) -> bytes:
    """The SHA-256 of the event's canonical encoding; 32 bytes. ``event.hash`` itself is not looked at."""
    return hashlib.sha256(encoding(event)).digest()


def encoding(event: StoredEvent) -> bytes:
    """The bytes that are hashed, as the module describes them."""
    return TAG + b"".join(
        (
            _number(event.position),
            _framed(event.previous_hash),
            _number(_microseconds(event.recorded_at)),
            _number(event.version),
            _text(event.stream),
            _framed(event.event_id.bytes),
            _text(event.type),
            _number(event.schema_version),
            _number(_microseconds(event.occurred_at)),
            _text(event.actor),
            _text(event.subject),
            _text(event.correlation_id),
            _text(event.causation_id),
            _framed(event.payload),
            _framed(event.personal),
            _framed(event.key_id.bytes if event.key_id else None),
        )
    )


def _framed(field: bytes | None) -> bytes:
    return _MISSING if field is None else len(field).to_bytes(4, "big", signed=True) + field


def _text(field: str | None) -> bytes:
    return _framed(None if field is None else field.encode())


def _number(field: int) -> bytes:
    return _framed(field.to_bytes(8, "big", signed=True))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
