"""Personal data: nowhere readable without its key, and gone with it."""

import secrets
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from infra.clock import utc_now
from infra.history.box import seal, unseal
from infra.history.errors import HistoryError, Unreadable, WrongMasterKey
from infra.history.event import UnknownEvent
from infra.history.store import History, StreamWrite
from tests.infra.history.conftest import Make
from tests.infra.history.notes import NoteTaken

SECRET = "Sokha Chan +14155550123"


async def everything(conn: psycopg.AsyncConnection) -> bytes:
    """All bytes of all tables of the store, as they lie there."""
    tables = await (
        await conn.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema IN ('history', 'keys', 'views')"
        )
    ).fetchall()
    out = b""
    for schema, table in tables:
        async with conn.cursor().copy(
            sql.SQL("COPY (SELECT * FROM {}) TO STDOUT (FORMAT binary)").format(sql.Identifier(schema, table))
        ) as rows:
            async for part in rows:
                out += bytes(part)
    return out


async def test_personal_text_is_nowhere_in_the_tables(
    history: History, note: Make, tampering: psycopg.AsyncConnection
) -> None:
    event = NoteTaken(about="card-1", text=SECRET, details={"name": SECRET}, places=[{"who": SECRET}])
    await history.append(StreamWrite("case-1", [note(event)]))
    stored = await everything(tampering)
    assert b"card-1" in stored
    assert not any(part.encode() in stored for part in SECRET.split())


async def test_the_customers_keys_are_nowhere_in_the_tables(
    history: History, note: Make, tampering: psycopg.AsyncConnection, master_key: bytes
) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    (key,) = [entry[0] for entry in history._keys._by_id.values()]
    stored = await everything(tampering)
    assert key is not None
    assert key not in stored
    assert master_key not in stored


async def test_each_customer_has_one_key(history: History, note: Make, tampering: psycopg.AsyncConnection) -> None:
    for subject in ("sokha", "dara", "sokha"):
        await history.append(StreamWrite(f"customer-{subject}", [note(subject=subject)]))
    cursor = await tampering.execute(
        "SELECT subject FROM keys.customer_keys WHERE subject NOT LIKE 'installation/%' ORDER BY subject"
    )
    assert await cursor.fetchall() == [("dara",), ("sokha",)]
    stored = await history.read_stored(after=0)
    assert stored[0].key_id == stored[2].key_id != stored[1].key_id


async def test_without_its_key_personal_data_is_empty_and_the_rest_stays(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(NoteTaken(about="card-1", text=SECRET, details={"a": 1}))]))
    await history.destroy_keys(["sokha"])
    (read,) = await history.read_stream("case-1")
    assert (read.event, read.erased) == (NoteTaken(about="card-1", text="", details={}, places=[]), True)


async def test_a_customer_whose_key_is_destroyed_gets_a_new_one(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    await history.destroy_keys(["sokha"])
    await history.append(StreamWrite("case-1", [note()]))
    assert [read.erased for read in await history.read_stream("case-1")] == [True, False]


async def test_an_event_without_personal_data_is_never_erased(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(NoteTaken(about="card-1", text=""), subject=None)]))
    (stored,) = await history.read_stored(after=0)
    (read,) = await history.read(after=0)
    assert (stored.personal, stored.key_id, read.erased) == (None, None, False)


async def test_another_master_key_is_named_as_the_fault(history: History, note: Make, postgres_url: str) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    with pytest.raises(WrongMasterKey, match="RINGBACK_MASTER_KEY"):
        await History.open(postgres_url, master_key=secrets.token_bytes(32), clock=utc_now)


async def test_what_needs_no_personal_data_needs_no_master_key(history: History, note: Make, postgres_url: str) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    async with await History.open(postgres_url, master_key=None, clock=utc_now) as sealed:
        assert len(await sealed.read_stored(after=0)) == 1
        with pytest.raises(WrongMasterKey, match="RINGBACK_MASTER_KEY"):
            await sealed.read_stream("case-1")
        with pytest.raises(WrongMasterKey, match="RINGBACK_MASTER_KEY"):
            await sealed.append(StreamWrite("case-2", [note()]))


async def test_a_master_key_of_the_wrong_length_is_refused(postgres_url: str) -> None:
    with pytest.raises(HistoryError, match="32"):
        await History.open(postgres_url, master_key=b"short", clock=utc_now)


async def test_sealed_data_cannot_be_moved_to_another_event(
    history: History, note: Make, tampering: psycopg.AsyncConnection
) -> None:
    await history.append(StreamWrite("case-1", [note(), note()]))
    await tampering.execute(
        "UPDATE history.events SET personal = (SELECT personal FROM history.events WHERE position = 1)"
        " WHERE position = 2"
    )
    with pytest.raises(Unreadable, match="position 2"):
        await history.read(after=0)


async def test_an_event_that_this_version_does_not_know_is_carried(
    history: History, note: Make, tampering: psycopg.AsyncConnection
) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    await tampering.execute("UPDATE history.events SET type = 'note.of-tomorrow', schema_version = 9")
    (read,) = await history.read(after=0)
    assert read.event == UnknownEvent(type_name="note.of-tomorrow", type_version=9, payload={"about": "card"})


def test_what_is_sealed_opens_only_with_its_key_and_its_binding() -> None:
    key, other = bytes(32), bytes(31) + b"\x01"
    box = seal(key, b"text", UUID(int=1).bytes)
    assert unseal(key, box, UUID(int=1).bytes) == b"text"
    for wrong in ((other, box, UUID(int=1).bytes), (key, box, UUID(int=2).bytes), (key, box[:-1], UUID(int=1).bytes)):
        with pytest.raises(Unreadable):
            unseal(*wrong)
    assert seal(key, b"text", b"") != seal(key, b"text", b"")
