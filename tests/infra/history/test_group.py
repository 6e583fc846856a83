"""Writers that share a commit: what one is refused for, or does, is nothing to the others."""

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import psycopg

from infra.history.appending import Batch
from infra.history.errors import Conflict, IdTaken, PartlyRecorded, Unavailable
from infra.history.group import GroupAppend
from infra.history.store import NO_STREAM, Appended, Connection, History, StreamWrite
from tests.infra.history.conftest import Make
from tests.infra.history.notes import Counted


async def commits(history: History) -> int:
    """How many transactions have written events."""
    async with history.pool.connection() as conn:
        cursor = await conn.execute("SELECT count(DISTINCT xmin::text) FROM history.event_ids")
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def together(*appends: Awaitable[Any]) -> list[Any]:
    """What each came to, raised or returned."""
    return await asyncio.gather(*appends, return_exceptions=True)


async def test_writers_who_come_at_once_share_a_commit(history: History, note: Make) -> None:
    answers = await together(*(history.append(StreamWrite(f"case-{n}", [note()], NO_STREAM)) for n in range(20)))
    assert [answer.versions for answer in answers] == [{f"case-{n}": 1} for n in range(20)]
    assert (await history.head()).position == 20
    assert await commits(history) == 1


async def test_what_one_is_refused_for_undoes_nothing_of_the_others(history: History, note: Make) -> None:
    old = note()
    await history.append(StreamWrite("case-1", [old]))
    good, conflicting, partly, taken, repeated, unsealable = await together(
        history.append(StreamWrite("case-2", [note()], NO_STREAM)),
        history.append(StreamWrite("case-3", [note()]), StreamWrite("case-1", [note()], NO_STREAM)),
        history.append(StreamWrite("case-1", [old, note()])),
        history.append(StreamWrite("case-4", [old])),
        history.append(StreamWrite("case-1", [old], NO_STREAM)),
        history.append(StreamWrite("case-5", [note()], NO_STREAM)),
    )
    assert isinstance(conflicting, Conflict)
    assert (conflicting.stream, conflicting.expected, conflicting.found) == ("case-1", 0, 1)
    assert isinstance(partly, PartlyRecorded)
    assert isinstance(taken, IdTaken)
    assert (repeated.repeated, repeated.position, repeated.versions) == (True, 1, {"case-1": 1})
    assert (good.versions, unsealable.versions) == ({"case-2": 1}, {"case-5": 1})
    assert [(read.position, read.stream) for read in await history.read(after=0)] == [
        (1, "case-1"),
        (2, "case-2"),
        (3, "case-5"),
    ]


async def test_those_of_one_group_see_each_others_versions(history: History, note: Make) -> None:
    first, second, third = await together(
        history.append(StreamWrite("case-1", [note(), note()], NO_STREAM)),
        history.append(StreamWrite("case-1", [note()], NO_STREAM)),
        history.append(StreamWrite("case-1", [note()], 2)),
    )
    assert (first.versions, third.versions) == ({"case-1": 2}, {"case-1": 3})
    assert isinstance(second, Conflict)
    assert second.found == 2
    assert [read.version for read in await history.read_stream("case-1")] == [1, 2, 3]


async def test_the_same_batch_twice_in_one_moment_is_one_append_and_one_repeat(history: History, note: Make) -> None:
    batch = StreamWrite("case-1", [note()], NO_STREAM)
    first, again = await together(history.append(batch), history.append(batch))
    assert (first.repeated, again.repeated) == (False, True)
    assert (first.position, first.versions) == (again.position, again.versions)


async def test_a_writer_that_breaks_the_transaction_breaks_it_for_itself_only(history: History, note: Make) -> None:
    broken = note(actor="a lone surrogate \ud800")  # no UTF-8 says it
    answers = await together(
        history.append(StreamWrite("case-1", [note()])),
        history.append(StreamWrite("case-2", [broken])),
        history.append(StreamWrite("case-3", [note()])),
    )
    assert [type(answer) for answer in answers] == [Appended, UnicodeEncodeError, Appended]
    assert (await history.head()).position == 2


async def test_a_writer_that_is_cancelled_leaves_the_group(history: History, note: Make) -> None:
    async with asyncio.timeout(30):
        appends = [asyncio.create_task(history.append(StreamWrite(f"case-{n}", [note()]))) for n in range(6)]
        await asyncio.sleep(0)  # all wait now, and nothing has been sent
        appends[2].cancel()
        answers = await together(*appends)
    assert isinstance(answers[2], asyncio.CancelledError)
    assert [answer.position for answer in answers if isinstance(answer, Appended)] == [1, 2, 3, 4, 5]


async def test_a_writer_that_gives_up_while_its_commit_is_under_way_breaks_nothing(
    history: History, note: Make, postgres_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_url) as other, asyncio.timeout(30):
        await other.execute("SELECT * FROM history.head FOR UPDATE")
        batch = StreamWrite("case-1", [note()])
        impatient = asyncio.create_task(history.append(batch))
        patient = asyncio.create_task(history.append(StreamWrite("case-2", [note()])))
        while not await waiting_for_a_lock(other):  # noqa: ASYNC110 -- the server is what is waited for
            await asyncio.sleep(0.01)
        impatient.cancel()
        late = asyncio.create_task(history.append(StreamWrite("case-3", [note()])))
        await asyncio.wait({impatient})
        await other.rollback()
        assert (await patient).versions == {"case-2": 1}
        assert (await late).versions == {"case-3": 1}
        assert (await history.append(batch)).repeated


async def test_when_the_connection_is_cut_each_writer_can_ask_again(
    history: History, note: Make, postgres_url: str
) -> None:
    batches = [StreamWrite(f"case-{n}", [note()], NO_STREAM) for n in range(5)]
    async with await psycopg.AsyncConnection.connect(postgres_url) as other, asyncio.timeout(30):
        await other.execute("SELECT * FROM history.head FOR UPDATE")
        appends = [asyncio.create_task(history.append(batch)) for batch in batches]
        while not await waiting_for_a_lock(other):  # noqa: ASYNC110 -- the server is what is waited for
            await asyncio.sleep(0.01)
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        answers = await together(*appends)
    assert [type(answer) for answer in answers] == [Unavailable] * 5
    assert len({id(answer) for answer in answers}) == 5
    again = await together(*(history.append(batch) for batch in batches))
    assert [answer.repeated for answer in again] == [False] * 5


async def test_an_append_with_something_within_has_a_transaction_of_its_own(history: History, note: Make) -> None:
    async def fails(_: Connection) -> None:
        raise LookupError("no")

    async def harmless(_: Connection) -> None:
        return

    answers = await together(
        history.append(StreamWrite("case-1", [note()])),
        history.append(StreamWrite("case-2", [note()]), within=fails),
        history.append(StreamWrite("case-3", [note()]), within=harmless),
    )
    assert [type(answer) for answer in answers] == [Appended, LookupError, Appended]
    assert await commits(history) == 2


async def test_an_append_of_nothing_among_others_is_told_the_end(history: History, note: Make) -> None:
    first, nothing = await together(history.append(StreamWrite("case-1", [note()])), history.append())
    assert (first.position, nothing.position, nothing.versions) == (1, 1, {})


async def test_a_great_crowd_is_written_in_parts_and_in_order(history: History, note: Make) -> None:
    await together(
        *(
            history.append(StreamWrite(f"case-{n}", [note(Counted(number=i)) for i in range(100)], NO_STREAM))
            for n in range(15)
        )
    )
    assert (await history.head()).position == 1_500
    assert await commits(history) == 2


async def test_who_waits_when_the_history_is_closed_is_written_first(history: History, note: Make) -> None:
    appending = asyncio.create_task(history.append(StreamWrite("case-1", [note(event_id=uuid4())])))
    await asyncio.sleep(0)
    await history.close()
    assert (await appending).position == 1


async def waiting_for_a_lock(conn: psycopg.AsyncConnection) -> bool:
    cursor = await conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    row = await cursor.fetchone()
    return row is not None and row[0] > 0


async def test_what_the_connection_raises_is_told_to_each_who_waits(history: History, note: Make) -> None:
    class Broken(AbstractAsyncContextManager[Connection]):
        async def __aenter__(self) -> Connection:
            raise LookupError("no connection")

        async def __aexit__(self, *_: object) -> None:
            return

    group = GroupAppend(Broken, history._keys)
    answers = await together(*(group.append(Batch([StreamWrite(f"case-{n}", [note()])])) for n in range(3)))
    assert [type(answer) for answer in answers] == [LookupError] * 3
    await group.close()
