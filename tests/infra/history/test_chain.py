"""The chain without a server: whatever is done to it shows."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from infra.history.canonical import FIRST_PREVIOUS_HASH, StoredEvent, event_hash
from infra.history.chain import Chain, Kind, Segment, row_of
from infra.history.store import Head

START = datetime(2026, 3, 1, tzinfo=UTC)
CONTENTS = st.lists(
    st.tuples(
        st.sampled_from(["case-1", "case-2", "customer-1"]), st.binary(max_size=8), st.none() | st.binary(max_size=8)
    ),
    min_size=2,
    max_size=8,
)


def chained(contents: list[tuple[str, bytes, bytes | None]]) -> list[StoredEvent]:
    events: list[StoredEvent] = []
    for position, (stream, payload, personal) in enumerate(contents, 1):
        event = StoredEvent(
            position=position,
            stream=stream,
            version=sum(one.stream == stream for one in events) + 1,
            event_id=UUID(int=position),
            type="note.taken",
            schema_version=1,
            occurred_at=START,
            recorded_at=START + timedelta(seconds=position),
            actor="system:test",
            subject=None,
            correlation_id=None,
            causation_id=None,
            payload=payload,
            personal=personal,
            key_id=None if personal is None else UUID(int=7),
            previous_hash=events[-1].hash if events else FIRST_PREVIOUS_HASH,
            hash=b"",
        )
        events.append(msgspec.structs.replace(event, hash=event_hash(event)))
    return events


def found(events: list[StoredEvent], head: Head, cut: int = 0) -> list[tuple[int, Kind]]:
    """What a walk finds, in two segments where they are cut."""
    chain = Chain()
    for part in (events[:cut], events[cut:]):
        segment = Segment()
        segment.walk(row_of(event) for event in part)
        chain.join(segment)
    chain.close(head.position, head.hash)
    return sorted((problem.position, problem.kind) for problem in chain.problems)


def problems(events: list[StoredEvent], head: Head) -> list[int]:
    cuts = [found(events, head, cut) for cut in range(len(events))]
    assert all(each == cuts[0] for each in cuts), "where it is cut does not matter"
    return [position for position, _ in cuts[0]]


def head_of(events: list[StoredEvent]) -> Head:
    return Head(events[-1].position, events[-1].hash)


@given(CONTENTS)
def test_a_chain_as_it_was_written_is_whole(contents: list[Any]) -> None:
    events = chained(contents)
    assert problems(events, head_of(events)) == []


@given(CONTENTS, st.data())
def test_an_altered_byte_is_found_where_it_is(contents: list[Any], data: st.DataObject) -> None:
    events = chained(contents)
    head = head_of(events)
    at = data.draw(st.integers(0, len(events) - 1))
    events[at] = msgspec.structs.replace(events[at], payload=events[at].payload + b"!")
    assert problems(events, head) == [at + 1]


@given(CONTENTS, st.data())
def test_a_missing_event_is_found_where_it_was(contents: list[Any], data: st.DataObject) -> None:
    events = chained(contents)
    head = head_of(events)
    at = data.draw(st.integers(0, len(events) - 1))
    del events[at]
    assert at + 1 in problems(events, head)


@given(CONTENTS, st.data())
def test_a_rewritten_event_with_a_hash_of_its_own_is_found(contents: list[Any], data: st.DataObject) -> None:
    events = chained(contents)
    head = head_of(events)
    at = data.draw(st.integers(0, len(events) - 1))
    forged = msgspec.structs.replace(events[at], actor="nobody")
    events[at] = msgspec.structs.replace(forged, hash=event_hash(forged))
    assert problems(events, head) != []


@given(CONTENTS, st.data())
def test_events_in_each_others_place_are_found(contents: list[Any], data: st.DataObject) -> None:
    events = chained(contents)
    head = head_of(events)
    one = data.draw(st.integers(0, len(events) - 2))
    other = data.draw(st.integers(one + 1, len(events) - 1))
    events[one], events[other] = (
        msgspec.structs.replace(events[other], position=one + 1),
        msgspec.structs.replace(events[one], position=other + 1),
    )
    assert {one + 1, other + 1} <= set(problems(events, head))


@given(CONTENTS, st.data())
def test_a_row_that_has_not_the_form_of_an_event_is_found(contents: list[Any], data: st.DataObject) -> None:
    events = chained(contents)
    at = data.draw(st.integers(0, len(events) - 1))
    rows = [row_of(event) for event in events]
    rows[at] = rows[at][: data.draw(st.integers(0, len(rows[at]) - 1))]
    segment = Segment()
    segment.walk(rows)
    assert segment.problems
