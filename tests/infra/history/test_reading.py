"""The ways of reading: in the order of the history, whichever index they go by, and by an index at every size."""

import json
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from infra.history import reading
from infra.history.errors import Unreadable
from infra.history.store import History, StreamWrite
from tests.infra.history.conftest import Make
from tests.infra.history.notes import Counted
from tests.infra.history.ranges import small_ranges


@pytest.fixture
async def filled(history: History, note: Make) -> History:
    """Positions 1 to 9, three ranges of four."""
    async with history.pool.connection() as conn:
        await small_ranges(conn, 4)
    for n in range(3):
        await history.append(
            StreamWrite("case-1", [note(correlation_id="one")]),
            StreamWrite("case-2", [note(Counted(number=n), correlation_id="two")]),
            StreamWrite("customer-1", [note(correlation_id="one")]),
        )
    return history


def positions(events: Sequence[Any]) -> list[int]:
    return [event.position for event in events]


async def test_a_stream_is_read_from_a_version_and_from_its_end(filled: History) -> None:
    assert positions(await filled.read_stream("case-1")) == [1, 4, 7]
    assert positions(await filled.read_stream("case-1", after=1)) == [4, 7]
    assert positions(await filled.read_stream("case-1", after=1, limit=1)) == [4]
    assert positions(await filled.read_stream("case-1", backwards=True)) == [7, 4, 1]
    assert positions(await filled.read_stream("case-1", backwards=True, limit=2)) == [7, 4]
    assert positions(await filled.read_stream("case-1", after=2, backwards=True)) == [7]


async def test_a_category_is_read_in_order(filled: History) -> None:
    assert positions(await filled.read(after=0, category="case")) == [1, 2, 4, 5, 7, 8]
    assert positions(await filled.read(after=4, category="customer")) == [6, 9]
    assert positions(await filled.read(after=2, category="case", limit=2)) == [4, 5]
    assert await filled.read(after=0, category="cas") == []


async def test_a_conversation_is_read_over_its_streams(filled: History) -> None:
    assert positions(await filled.read(after=1, correlation_id="one")) == [3, 4, 6, 7, 9]
    assert positions(await filled.read_stored(after=0, correlation_id="two")) == [2, 5, 8]


async def test_several_types_are_merged_in_order(filled: History) -> None:
    assert positions(await filled.read(after=1, types=["note.taken", "note.counted"], limit=4)) == [2, 3, 4, 5]
    assert positions(await filled.read(after=1, types=["note.counted", "unheard of"])) == [2, 5, 8]
    assert await filled.read(after=0, types=[]) == []


async def test_one_way_of_reading_is_chosen_at_a_time(filled: History) -> None:
    with pytest.raises(ValueError, match="two of them"):
        await filled.read(after=0, types=["note.taken"], category="case")


async def test_what_postgresql_has_no_text_for_is_found_nowhere(filled: History) -> None:
    assert await filled.read_stream("case-\0") == []
    assert await filled.read(after=0, category="\0") == []
    assert await filled.read(after=0, correlation_id="\0") == []
    assert await filled.read(after=0, types=["\0"]) == []


async def test_a_stream_whose_event_is_not_there_is_not_read_as_if_it_were_shorter(
    filled: History, tampering: psycopg.AsyncConnection
) -> None:
    await tampering.execute("ALTER TABLE history.events DETACH PARTITION history.events_000000000005")
    with pytest.raises(Unreadable, match="version 3 at position 7"):
        await filled.read_stream("case-1")


async def test_each_way_of_reading_goes_by_an_index_and_stops_at_its_limit(history: History, note: Make) -> None:
    await assert_by_index(history, note, events=3_000, range_size=1_000)


async def assert_by_index(history: History, note: Make, *, events: int, range_size: int) -> None:
    """Fills the history with copies of one event, and looks at the plan of each query, its parameters unknown."""
    async with history.pool.connection() as conn:
        await small_ranges(conn, range_size)
    await history.append(StreamWrite("case-0", [note(correlation_id="0")]))
    async with history.pool.connection() as conn:
        await fill(conn, events, range_size)
        for name, (query, kinds, values) in QUERIES.items():
            plan = await explained(conn, name, query, kinds, values)
            nodes = list(walk(plan))
            assert not [node for node in nodes if node["Node Type"] in {"Seq Scan", "Hash Join", "Merge Join"}], name
            read = sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes if "Relation Name" in node)
            assert read <= 4 * LIMIT, f"{name} looked at {read} rows for {LIMIT}: {json.dumps(plan)}"


LIMIT = 100
AFTER = 500
QUERIES: dict[str, tuple[str, str, str]] = {
    "everything": (reading.EVERYTHING, "bigint, bigint", f"{AFTER}, {LIMIT}"),
    "frequent_type": (reading.OF_TYPE, "text, bigint, bigint", f"'note.taken', {AFTER}, {LIMIT}"),
    "rare_type": (reading.OF_TYPE, "text, bigint, bigint", f"'note.rare', {AFTER}, {LIMIT}"),
    "types": (
        reading.OF_TYPES,
        "text[], bigint, bigint, bigint",
        f"'{{note.taken,note.rare}}', {AFTER}, {LIMIT}, {LIMIT}",
    ),
    "category": (reading.OF_CATEGORY, "text, bigint, bigint", f"'rare', {AFTER}, {LIMIT}"),
    "correlation": (reading.OF_CORRELATION, "text, bigint, bigint", f"'7', {AFTER}, {LIMIT}"),
    "stream": (reading.STREAM, "text, bigint, bigint", f"'case-7', 0, {LIMIT}"),
    "stream_backwards": (reading.STREAM_BACKWARDS, "text, bigint, bigint", "'case-7', 0, NULL"),
}


async def fill(conn: psycopg.AsyncConnection[Any], events: int, range_size: int) -> None:
    """Copies of the first event: streams of thirty, one type and one category in a thousand; not chained."""
    await conn.execute("SET session_replication_role = replica")
    for first in range(range_size + 1, events + 1, range_size):
        await conn.execute("SELECT history.make_range(%s, %s)", (first, range_size))
    await conn.execute(
        "INSERT INTO history.events SELECT n, CASE WHEN n %% 1000 = 0 THEN 'rare-' ELSE 'case-' END || n / 30,"
        " n %% 30 + 1, gen_random_uuid(), CASE WHEN n %% 1000 = 0 THEN 'note.rare' ELSE type END, schema_version,"
        " occurred_at, recorded_at, actor, subject, (n / 30)::text, causation_id, payload, personal, key_id, hash, hash"
        " FROM history.events CROSS JOIN generate_series(2, %s::bigint) AS n WHERE position = 1",
        (events,),
    )
    await conn.execute(
        "INSERT INTO history.stream_versions SELECT stream, version, position FROM history.events WHERE position > 1"
    )
    await conn.execute("ANALYZE history.events, history.stream_versions")
    await conn.execute("SET session_replication_role = DEFAULT")


async def explained(conn: psycopg.AsyncConnection[Any], name: str, query: str, kinds: str, values: str) -> Any:
    numbered = query
    for place in range(1, query.count("%s") + 1):
        numbered = numbered.replace("%s", f"${place}", 1)
    await conn.execute("SET plan_cache_mode = force_generic_plan")
    await conn.execute(f"PREPARE {name} ({kinds}) AS {numbered}".encode())
    cursor = await conn.execute(f"EXPLAIN (ANALYZE, FORMAT json) EXECUTE {name} ({values})".encode())
    row = await cursor.fetchone()
    assert row is not None
    return row[0][0]["Plan"]


def walk(plan: Any) -> Any:
    yield plan
    for child in plan.get("Plans", []):
        yield from walk(child)
