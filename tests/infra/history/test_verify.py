"""The chain against somebody who has the superuser's rights and no scruples."""

import asyncio

import psutil
import psycopg
import pytest

from infra.history import walking
from infra.history.chain import Segment
from infra.history.errors import Unavailable
from infra.history.store import History, StreamWrite
from infra.history.verify import Kind, verify
from tests.infra.history.conftest import Make

Superuser = psycopg.AsyncConnection


@pytest.fixture(autouse=True)
async def five_events(history: History, note: Make, tampering: Superuser) -> None:
    del tampering
    for number in range(5):
        await history.append(StreamWrite(f"case-{number % 2}", [note()]))


async def found(history: History) -> list[tuple[int, Kind]]:
    return [(problem.position, problem.kind) for problem in (await verify(history)).problems]


async def test_an_untouched_history_is_intact(history: History) -> None:
    told: list[tuple[int, int]] = []
    result = await verify(history, lambda done, of: told.append((done, of)))
    assert (result.intact, result.events, result.head, told) == (True, 5, await history.head(), [(5, 5)])


async def test_an_empty_history_is_intact(history: History, tampering: Superuser) -> None:
    await tampering.execute("TRUNCATE history.events, history.event_ids, history.stream_versions")
    await tampering.execute("UPDATE history.head SET position = 0, hash = decode(repeat('00', 32), 'hex')")
    assert (await verify(history)).intact


@pytest.mark.parametrize(
    "change",
    [
        "payload = payload || ' '::bytea",
        "personal = set_byte(personal, 20, get_byte(personal, 20) # 1)",
        "actor = 'nobody'",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "subject = NULL",
        "causation_id = ''",
        "schema_version = 2",
        "key_id = gen_random_uuid()",
    ],
)
async def test_an_altered_field_is_found_at_its_position(history: History, tampering: Superuser, change: str) -> None:
    await tampering.execute(f"UPDATE history.events SET {change} WHERE position = 3".encode())  # noqa: S608 -- the test's own
    assert await found(history) == [(3, Kind.ALTERED)]


async def test_an_altered_row_with_a_new_hash_breaks_the_chain_behind_it(
    history: History, tampering: Superuser
) -> None:
    await tampering.execute("UPDATE history.events SET actor = 'nobody' WHERE position = 3")
    await tampering.execute("UPDATE history.events e SET hash = history.event_hash(e) WHERE position = 3")
    assert await found(history) == [(4, Kind.UNCHAINED)]


async def test_a_removed_row_is_missed(history: History, tampering: Superuser) -> None:
    await tampering.execute("DELETE FROM history.events WHERE position = 3")
    assert (3, Kind.MISSING) in await found(history)


async def test_removed_rows_that_are_closed_up_are_found(history: History, tampering: Superuser) -> None:
    await tampering.execute("DELETE FROM history.events WHERE position = 3")
    await tampering.execute("UPDATE history.events SET position = 3 WHERE position = 4")
    assert {(3, Kind.ALTERED), (3, Kind.UNCHAINED), (4, Kind.MISSING)} <= set(await found(history))


async def test_removed_last_rows_are_missed(history: History, tampering: Superuser) -> None:
    await tampering.execute("DELETE FROM history.events WHERE position = 5")
    await tampering.execute("DELETE FROM history.event_ids WHERE position = 5")
    await tampering.execute("DELETE FROM history.stream_versions WHERE position = 5")
    assert await found(history) == [(5, Kind.MISSING)]


async def test_two_swapped_rows_are_found(history: History, tampering: Superuser) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        await tampering.execute("UPDATE history.events SET position = %s WHERE position = %s", (new, old))
    assert {(2, Kind.ALTERED), (2, Kind.UNCHAINED), (3, Kind.ALTERED), (3, Kind.UNCHAINED)} <= set(await found(history))


async def test_a_row_put_in_at_the_end_is_found(history: History, tampering: Superuser) -> None:
    await tampering.execute(
        "INSERT INTO history.events SELECT 6, stream, 4, gen_random_uuid(), type, schema_version, occurred_at,"
        " recorded_at, actor, subject, correlation_id, causation_id, payload, personal, key_id, hash, hash"
        " FROM history.events WHERE position = 5"
    )
    await tampering.execute("UPDATE history.events e SET hash = history.event_hash(e) WHERE position = 6")
    assert {(6, Kind.HEAD), (6, Kind.IDS)} <= set(await found(history))


async def test_a_moment_that_goes_back_is_found(history: History, tampering: Superuser) -> None:
    await tampering.execute("UPDATE history.events SET recorded_at = recorded_at - interval '1 day' WHERE position = 3")
    assert (3, Kind.BACKWARDS) in await found(history)


async def test_a_stream_that_was_set_back_is_found(history: History, tampering: Superuser) -> None:
    await tampering.execute("DELETE FROM history.stream_versions WHERE stream = 'case-1' AND version = 2")
    assert await found(history) == [(4, Kind.HEAD)]


async def test_each_finding_says_why(history: History, tampering: Superuser) -> None:
    await tampering.execute("DELETE FROM history.events WHERE position IN (2, 3)")
    assert "2 to 3 is not there" in (await verify(history)).problems[0].why


async def test_a_long_history_is_walked_by_several_processes_with_the_same_findings(
    history: History, tampering: Superuser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "RANGE", 2)
    assert (await verify(history, processes=2)).intact
    await tampering.execute("UPDATE history.events SET actor = 'nobody' WHERE position = 3")
    await tampering.execute("UPDATE history.events e SET hash = history.event_hash(e) WHERE position = 3")
    await tampering.execute("DELETE FROM history.events WHERE position = 5")
    alone, together = (await verify(history, processes=1)).problems, (await verify(history, processes=2)).problems
    assert alone == together
    assert [problem.position for problem in together][:2] == [4, 5]


async def test_a_process_that_is_killed_in_the_middle_ends_the_walk_and_is_said(
    history: History, note: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await history.append(StreamWrite("case-3", [note() for _ in range(40)]))
    monkeypatch.setattr(walking, "RANGE", 1)
    killed: list[psutil.Process] = []
    over, walk = asyncio.Event(), walking._Walker.walk

    async def walk_the_first(walker: walking._Walker, piece: walking.Range) -> Segment:
        if piece[0] > 1:  # or the processes may be done before this one hears of the first answer
            await over.wait()
        return await walk(walker, piece)

    monkeypatch.setattr(walking._Walker, "walk", walk_the_first)

    def kill(_done: int, _of: int) -> None:
        for child in psutil.Process().children():
            if walking.__name__ in child.cmdline():
                child.kill()
                killed.append(child)
        over.set()

    with pytest.raises(Unavailable, match=r"positions \d+ to \d+ was killed \(signal 9\)"):
        await verify(history, kill, processes=2)
    assert len(set(killed)) == 2


async def test_a_range_is_walked_by_itself(history: History, tampering: Superuser) -> None:
    await tampering.execute("UPDATE history.events SET actor = 'nobody' WHERE position = 3")
    assert [problem.position for problem in (await verify(history, first=2, last=4)).problems] == [3]
    assert (await verify(history, first=4)).intact
    assert (await verify(history, last=2)).intact
