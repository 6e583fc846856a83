"""The encoding that is hashed: fixed by a file of vectors, and the same here as inside PostgreSQL."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from infra.history.canonical import COLUMNS, StoredEvent, canonical_json, encoding, event_hash
from infra.history.store import History

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())["events"]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- the offset is added
EVENTS = st.builds(
    StoredEvent,
    position=st.integers(1, 2**62),
    stream=TEXT,
    version=st.integers(1, 2**62),
    event_id=st.uuids(),
    type=TEXT,
    schema_version=st.integers(1, 2**31 - 1),
    occurred_at=MOMENTS,
    recorded_at=MOMENTS,
    actor=TEXT,
    subject=st.none() | TEXT,
    correlation_id=st.none() | TEXT,
    causation_id=st.none() | TEXT,
    payload=st.binary(max_size=60),
    personal=st.none() | st.binary(max_size=60),
    key_id=st.none() | st.uuids(),
    previous_hash=st.binary(min_size=32, max_size=32),
    hash=st.just(b""),
)


def from_vector(fields: dict[str, Any]) -> StoredEvent:
    raw = {name: bytes.fromhex(fields[name]) for name in ("payload", "previous_hash")}
    personal = None if fields["personal"] is None else bytes.fromhex(fields["personal"])
    return StoredEvent(
        **{
            **fields,
            **raw,
            "personal": personal,
            "event_id": UUID(fields["event_id"]),
            "key_id": UUID(fields["key_id"]) if fields["key_id"] else None,
            "occurred_at": datetime.fromisoformat(fields["occurred_at"]),
            "recorded_at": datetime.fromisoformat(fields["recorded_at"]),
            "hash": b"",
        }
    )


def test_the_encoding_is_the_one_that_was_fixed() -> None:
    for vector in VECTORS:
        event = from_vector(vector["event"])
        assert encoding(event).hex() == vector["encoding"]
        assert event_hash(event).hex() == vector["hash"]


def test_json_is_sorted_compact_and_utf_8() -> None:
    assert (
        canonical_json({"b": 1, "a": {"ភ": "é", "Z": [1.5, None]}}) == '{"a":{"Z":[1.5,null],"ភ":"é"},"b":1}'.encode()
    )


@given(JSON)
def test_the_same_value_gives_the_same_bytes_and_comes_back(value: Any) -> None:
    once = canonical_json(value)
    assert msgspec.json.decode(once) == value
    assert canonical_json(msgspec.json.decode(once)) == once


@given(EVENTS, EVENTS)
def test_different_events_have_different_encodings(one: StoredEvent, other: StoredEvent) -> None:
    assert (one == other) == (encoding(one) == encoding(other))


@given(EVENTS, st.sampled_from(["stream", "type", "actor"]))
def test_text_that_moves_from_one_field_to_the_next_shows(event: StoredEvent, name: str) -> None:
    following = {"stream": "type", "type": "actor", "actor": "subject"}[name]
    moved = msgspec.structs.replace(
        event, **{name: "", following: getattr(event, name) + (getattr(event, following) or "")}
    )
    assert (moved == event) == (encoding(moved) == encoding(event))


@given(EVENTS)
def test_the_offset_of_a_moment_does_not_matter(event: StoredEvent) -> None:
    elsewhere = event.occurred_at.astimezone(timezone(timedelta(hours=7)))
    assert encoding(msgspec.structs.replace(event, occurred_at=elsewhere)) == encoding(event)


async def test_postgresql_computes_the_same_hash(history: History) -> None:
    placeholders = ", ".join(["%s"] * len(StoredEvent.__struct_fields__))
    query = f"SELECT history.event_hash(e) FROM (SELECT ({placeholders})::history.events AS e) AS one"  # noqa: S608 -- placeholders
    events = [from_vector(vector["event"]) for vector in VECTORS]
    async with history.pool.connection() as conn:
        for event in events:
            values = [getattr(event, name) for name in COLUMNS.split(", ")]
            cursor = await conn.execute(query.encode(), values)
            assert await cursor.fetchone() == (event_hash(event),)
