"""Today's history against an earlier export of it."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from infra.history.against import NotWhole, verify_against
from infra.history.chain import Kind
from infra.history.exporting import export_history
from infra.history.store import History, StreamWrite
from infra.history.verify import verify
from tests.infra.history.conftest import Make

Superuser = psycopg.AsyncConnection


@pytest.fixture
async def exported(history: History, note: Make, tampering: Superuser, tmp_path: Path) -> Path:
    """Five events that were exported, and two that have come since."""
    del tampering
    for number in range(5):
        await history.append(StreamWrite(f"case-{number % 2}", [note()]))
    path = tmp_path / "then.ndjson"
    await export_history(history, path)
    await history.append(StreamWrite("case-0", [note(), note()]))
    return path


async def rechain(owner: Superuser) -> None:
    """Every hash computed again, as whoever owns the database can."""
    last = bytes(32)
    for (at,) in await (await owner.execute("SELECT position FROM history.events ORDER BY position")).fetchall():
        await owner.execute("UPDATE history.events SET previous_hash = %s WHERE position = %s", (last, at))
        cursor = await owner.execute(
            "UPDATE history.events e SET hash = history.event_hash(e) WHERE position = %s RETURNING hash", (at,)
        )
        ((last,),) = await cursor.fetchall()
    await owner.execute("UPDATE history.head SET hash = %s", (last,))


def change(path: Path) -> None:
    """One field of one line, in the file."""
    path.write_bytes(path.read_bytes().replace(b'"actor":"system:test"', b'"actor":"nobody"', 1))


def behead(path: Path) -> None:
    """The heading stays, and nothing behind it."""
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


async def test_a_history_that_only_grew_holds_every_exported_event(history: History, exported: Path) -> None:
    told: list[tuple[int, int]] = []
    compared = await verify_against(history, exported, lambda done, of: told.append((done, of)))
    assert (compared.first, compared.last, compared.same, compared.problem, told) == (1, 5, 5, None, [(5, 5)])


async def test_a_past_that_was_rewritten_and_chained_anew_is_found(
    history: History, exported: Path, tampering: Superuser
) -> None:
    await tampering.execute("UPDATE history.events SET actor = 'nobody', subject = NULL WHERE position = 3")
    await rechain(tampering)
    assert (await verify(history)).intact
    compared = await verify_against(history, exported)
    assert compared.problem is not None
    assert (compared.same, compared.problem.position, compared.problem.kind) == (2, 3, Kind.REWRITTEN)
    assert compared.problem.why == (
        "it is not what was exported: actor, subject, hash; 3 events of the export differ in all"
    )


async def test_another_history_is_said_to_be_one(history: History, exported: Path, tampering: Superuser) -> None:
    await tampering.execute("UPDATE history.events SET event_id = gen_random_uuid()")
    compared = await verify_against(history, exported)
    assert compared.problem is not None
    assert (compared.same, compared.problem.position, compared.problem.kind) == (0, 1, Kind.REWRITTEN)
    assert "is it another history?" in compared.problem.why


async def test_an_event_that_was_removed_is_missed(history: History, exported: Path, tampering: Superuser) -> None:
    await tampering.execute("DELETE FROM history.events WHERE position = 2")
    compared = await verify_against(history, exported)
    assert compared.problem is not None
    assert (compared.same, compared.problem.position, compared.problem.kind) == (4, 2, Kind.MISSING)


async def test_an_end_that_was_cut_off_is_told_by_the_first_that_is_gone(
    history: History, exported: Path, tampering: Superuser
) -> None:
    await tampering.execute("DELETE FROM history.events WHERE position > 3")
    compared = await verify_against(history, exported)
    assert compared.problem is not None
    assert (compared.problem.position, compared.problem.kind) == (4, Kind.CUT)
    assert "ends at 3" in compared.problem.why


async def test_a_part_of_the_history_can_be_held_against_it(history: History, exported: Path, tmp_path: Path) -> None:
    del exported
    path = tmp_path / "part.parquet"
    await export_history(history, path, first=3, last=4)
    compared = await verify_against(history, path)
    assert (compared.first, compared.last, compared.same, compared.problem) == (3, 4, 2, None)


async def test_an_export_that_is_broken_itself_is_refused_and_says_where(history: History, exported: Path) -> None:
    await asyncio.to_thread(change, exported)
    with pytest.raises(NotWhole, match="position 1"):
        await verify_against(history, exported)
    await asyncio.to_thread(behead, exported)
    with pytest.raises(NotWhole, match=r"then\.ndjson is not whole itself"):
        await verify_against(history, exported)
