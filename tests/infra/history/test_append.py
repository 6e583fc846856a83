"""What an append promises, on a real server."""

import asyncio
from contextlib import aclosing
from uuid import uuid4

import psycopg
import pytest

from infra.clock import utc_now
from infra.history.errors import Conflict, IdTaken, PartlyRecorded, SubjectMissing, Unavailable
from infra.history.store import ANY, NO_STREAM, Connection, History, StreamWrite
from infra.history.subscription import Subscription
from tests.infra.history.conftest import Make
from tests.infra.history.notes import Counted, NoteTaken


async def test_what_is_appended_is_read_back_as_it_was(history: History, note: Make) -> None:
    new = note(
        NoteTaken(about="card", text="ភ្នំពេញ 🏦", details={"b": 1, "a": [1.5, None]}, places=[{"city": "Paris"}]),
        correlation_id="case-1",
        causation_id="alert-1",
    )
    appended = await history.append(StreamWrite("case-1", [new], NO_STREAM))
    (read,) = await history.read_stream("case-1")
    assert (appended.position, appended.versions, appended.repeated) == (1, {"case-1": 1}, False)
    assert read.event == new.event
    assert (read.event_id, read.occurred_at, read.actor, read.subject) == (
        new.event_id,
        new.occurred_at,
        new.actor,
        new.subject,
    )
    assert (read.correlation_id, read.causation_id, read.position, read.version) == ("case-1", "alert-1", 1, 1)
    assert not read.erased


async def test_a_writer_with_an_old_version_is_told_what_it_missed(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(), note()]))
    with pytest.raises(Conflict) as refused:
        await history.append(StreamWrite("case-1", [note()], 1))
    assert (refused.value.stream, refused.value.expected, refused.value.found) == ("case-1", 1, 2)
    assert (await history.head()).position == 2


async def test_a_stream_that_should_not_exist_yet_conflicts_when_it_does(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    with pytest.raises(Conflict):
        await history.append(StreamWrite("case-1", [note()], NO_STREAM))


async def test_the_same_ids_again_are_a_repeat_even_under_an_old_version(history: History, note: Make) -> None:
    batch = StreamWrite("case-1", [note(), note()], NO_STREAM)
    first = await history.append(batch)
    await history.append(StreamWrite("case-1", [note()], 2))
    again = await history.append(batch)
    assert (again.repeated, again.position, again.versions) == (True, first.position, first.versions)
    assert (await history.head()).position == 3


async def test_a_batch_of_which_a_part_is_there_says_which(history: History, note: Make) -> None:
    old, new = note(), note()
    await history.append(StreamWrite("case-1", [old]))
    with pytest.raises(PartlyRecorded) as refused:
        await history.append(StreamWrite("case-1", [old, new]))
    assert (refused.value.present, refused.value.missing) == ((old.event_id,), (new.event_id,))
    assert (await history.head()).position == 1


async def test_an_id_of_another_stream_is_not_taken_for_a_repeat(history: History, note: Make) -> None:
    old = note()
    await history.append(StreamWrite("case-1", [old]))
    with pytest.raises(IdTaken):
        await history.append(StreamWrite("case-2", [old]))


async def test_several_streams_are_written_together(history: History, note: Make) -> None:
    appended = await history.append(
        StreamWrite("case-1", [note(), note()], NO_STREAM), StreamWrite("customer-1", [note()], NO_STREAM)
    )
    assert (appended.position, appended.versions) == (3, {"case-1": 2, "customer-1": 1})
    assert [read.stream for read in await history.read(after=0)] == ["case-1", "case-1", "customer-1"]


async def test_a_conflict_in_one_stream_leaves_the_others_unwritten(history: History, note: Make) -> None:
    await history.append(StreamWrite("customer-1", [note()]))
    with pytest.raises(Conflict):
        await history.append(StreamWrite("case-1", [note()], NO_STREAM), StreamWrite("customer-1", [note()], NO_STREAM))
    assert await history.read_stream("case-1") == []


async def test_an_empty_write_checks_its_version_and_adds_nothing(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    appended = await history.append(StreamWrite("case-1", [], 1))
    assert (appended.position, appended.versions, appended.repeated) == (1, {"case-1": 1}, False)
    with pytest.raises(Conflict):
        await history.append(StreamWrite("case-1", [], 0))


async def test_within_runs_in_the_same_transaction(history: History, note: Make) -> None:
    async with history.pool.connection() as conn:
        await conn.execute("CREATE TABLE views.seen (n integer)")

    async def seen(conn: Connection) -> None:
        await conn.execute("INSERT INTO views.seen VALUES (1)")

    async def refused(conn: Connection) -> None:
        await seen(conn)
        raise LookupError("no")

    batch = StreamWrite("case-1", [note()])
    await history.append(batch, within=seen)
    await history.append(batch, within=seen)
    with pytest.raises(LookupError):
        await history.append(StreamWrite("case-1", [note()]), within=refused)
    with pytest.raises(Conflict):
        await history.append(StreamWrite("case-1", [note()], 7), within=seen)
    async with history.pool.connection() as conn:
        cursor = await conn.execute("SELECT count(*) FROM seen")
        assert await cursor.fetchone() == (2,)
    assert (await history.head()).position == 1


async def test_a_key_that_was_rolled_back_is_not_used_again(history: History, note: Make) -> None:
    async def refused(_: Connection) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError):
        await history.append(StreamWrite("case-1", [note()]), within=refused)
    new = note()
    await history.append(StreamWrite("case-1", [new]))
    (read,) = await history.read_stream("case-1")
    assert read.event == new.event


async def test_personal_data_without_a_subject_is_refused(history: History, note: Make) -> None:
    with pytest.raises(SubjectMissing, match=r"note\.taken"):
        await history.append(StreamWrite("case-1", [note(subject=None)]))
    await history.append(StreamWrite("case-1", [note(Counted(number=1), subject=None)]))


async def test_what_cannot_be_one_append_is_said_before_anything_is_asked(history: History, note: Make) -> None:
    twice = note()
    with pytest.raises(ValueError, match="stream stands twice"):
        await history.append(StreamWrite("case-1", [note()]), StreamWrite("case-1", [note()]))
    with pytest.raises(ValueError, match="id stands twice"):
        await history.append(StreamWrite("case-1", [twice, twice]))
    with pytest.raises(ValueError, match="no offset"):
        await history.append(StreamWrite("case-1", [note(occurred_at=utc_now().replace(tzinfo=None))]))
    with pytest.raises(ValueError, match="NUL"):
        await history.append(StreamWrite("case-\0", [note()]))
    assert await history.read_stream("case-\0") == []


async def test_writers_at_once_leave_no_hole_and_a_reader_misses_nothing(history: History, note: Make) -> None:
    writers, each = 16, 12
    seen: list[int] = []

    async def read() -> None:
        async with aclosing(Subscription(history, "reader").batches(limit=7)) as batches:
            async for batch in batches:
                seen.extend(recorded.position for recorded in batch)
                if len(seen) >= writers * each:
                    return

    async def write(writer: int) -> None:
        for _ in range(each):
            await history.append(StreamWrite(f"case-{writer % 5}", [note(subject=f"customer-{writer % 3}")], ANY))

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        for writer in range(writers):
            tasks.create_task(write(writer))
    assert seen == list(range(1, writers * each + 1))
    moments = [recorded.recorded_at for recorded in await history.read(after=0)]
    assert moments == sorted(moments)


async def test_two_writers_with_the_same_expected_version_are_one_winner(history: History, note: Make) -> None:
    outcomes = await asyncio.gather(
        *(history.append(StreamWrite("customer-1", [note()], NO_STREAM)) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 5
    assert (await history.head()).position == 1


async def test_only_the_wanted_types_are_read(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(), note(Counted(number=1)), note()]))
    assert [read.position for read in await history.read(after=0, types={"note.counted"})] == [2]
    assert [read.position for read in await history.read(after=1, limit=1, types=["note.taken"])] == [3]


async def test_events_can_be_neither_changed_nor_removed(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    for change in (
        b"UPDATE history.events SET actor = 'nobody'",
        b"DELETE FROM history.events",
        b"TRUNCATE history.events",
        b"DELETE FROM history.event_ids",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            async with history.pool.connection() as conn:
                await conn.execute(change)


async def test_a_connection_that_dies_is_a_retryable_error_and_the_retry_is_recognised(
    history: History, note: Make, postgres_url: str
) -> None:
    async def cut(conn: Connection) -> None:
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as other:
            await other.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))

    batch = StreamWrite("case-1", [note()], NO_STREAM)
    with pytest.raises(Unavailable):
        await history.append(batch, within=cut)
    assert not (await history.append(batch)).repeated
    assert (await history.append(batch)).repeated


async def test_a_server_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch, master_key: bytes) -> None:
    monkeypatch.setattr("infra.history.store._OPEN_WITHIN_S", 0.5)
    with pytest.raises(Unavailable):
        await History.open("postgresql://127.0.0.1:1/none?connect_timeout=1", master_key=master_key, clock=utc_now)


async def test_processes_that_start_at_once_make_the_tables_once(postgres_url: str, master_key: bytes) -> None:
    opened = await asyncio.gather(*(History.open(postgres_url, master_key=master_key, clock=utc_now) for _ in range(4)))
    for history in opened:
        assert (await history.head()).position == 0
        await history.close()


async def test_an_append_without_events_still_runs_what_belongs_to_it(history: History) -> None:
    ran = []

    async def within(_: Connection) -> None:
        ran.append(uuid4())

    appended = await history.append(within=within)
    assert (len(ran), appended.position, appended.versions) == (1, 0, {})


async def test_the_streams_that_moved_between_two_positions_are_told_with_their_newest(
    history: History, note: Make
) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    await history.append(StreamWrite("case-2", [note(), note()]), StreamWrite("customer-1", [note()]))
    head = (await history.head()).position
    await history.append(StreamWrite("case-1", [note()]))
    assert await history.moved("case-", after=1, up_to=head, limit=10) == {"case-2": 3}
    assert (await history.moved("case-", after=0, up_to=head + 1, limit=10)).keys() == {"case-1", "case-2"}
    assert len(await history.moved("case-", after=0, up_to=head, limit=1)) == 1
