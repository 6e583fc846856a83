"""Seals: signed, numbered, kept in a file, and stronger than whoever owns the database."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.history.chain import Kind
from infra.history.seal_file import UnreadableSeals, append_seals, last_seal, line_of, read_seals, seal_of
from infra.history.sealer import BrokenChain, Sealer
from infra.history.seals import (
    HistorySealed,
    Seals,
    UnusableKey,
    holds,
    key_id,
    public_keys,
    public_text,
    sign,
    signed_bytes,
    signing_key,
)
from infra.history.store import History, StreamWrite
from infra.history.verify import Verification, verify, verify_stream
from tests.infra.history.conftest import Make

Superuser = psycopg.AsyncConnection
KEY = signing_key(base64.b64encode(bytes(range(32))).decode())
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())["seals"]

# What an owner of the database does who is not caught by the chain: changes a row, and computes all hashes again.
CHAINED_AGAIN = """
DO $$
DECLARE e history.events%ROWTYPE; last bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR e IN SELECT * FROM history.events ORDER BY position LOOP
        UPDATE history.events SET previous_hash = last WHERE position = e.position;
        UPDATE history.events x SET hash = history.event_hash(x) WHERE position = e.position RETURNING hash INTO last;
    END LOOP;
    UPDATE history.head SET hash = last;
END $$"""


def clock() -> datetime:
    return NOON


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "seals.ndjson"


@pytest.fixture
def sealer(history: History, file: Path) -> Sealer:
    return Sealer(history, KEY, clock, file)


async def write(history: History, note: Make, count: int = 3) -> None:
    for number in range(count):
        await history.append(StreamWrite(f"case-{number % 2}", [note()]))


async def against(history: History, file: Path) -> Verification:
    return await verify(history, seals=Seals(read_seals(file), KEYS))


def kinds(result: Verification) -> list[tuple[int, Kind]]:
    return [(problem.position, problem.kind) for problem in result.problems]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["what"] for vector in VECTORS])
def test_a_seal_is_signed_as_was_fixed_for_good(vector: dict[str, str]) -> None:
    seal = seal_of(vector["line"].encode())
    assert signed_bytes(seal).hex() == vector["signed"]
    assert holds(seal, public_keys([vector["public_key"]])) == (vector["what"] == "holds")


def test_any_change_of_a_seal_breaks_its_signature() -> None:
    seal = sign(KEY, number=1, position=7, head_hash=bytes(32), recorded_at=NOON, now=NOON)
    assert holds(seal, KEYS)
    assert not holds(seal, {})
    for change in (
        {"number": 2},
        {"position": 8},
        {"hash": "ff" * 32},
        {"hash": "no"},
        {"recorded_at": NOON + timedelta(seconds=1)},
        {"sealed_at": NOON - timedelta(seconds=1)},
        {"signature": "AAAA"},
        {"signature": "é"},
        {"number": 2**80},
    ):
        assert not holds(msgspec.structs.replace(seal, **change), KEYS)


def test_a_key_is_base64_of_32_bytes() -> None:
    assert public_keys([public_text(KEY.public_key())]) == KEYS
    for wrong in ("", "AAAA", "not base64!"):
        with pytest.raises(UnusableKey):
            signing_key(wrong)


def test_a_seal_that_was_taken_out_of_the_file_is_missed() -> None:
    seals = [sign(KEY, number=n, position=n, head_hash=bytes(32), recorded_at=NOON, now=NOON) for n in (1, 2, 4)]
    assert [(problem.position, problem.kind) for problem in Seals(seals, KEYS).problems] == [(4, Kind.SEAL)]


def test_two_seals_with_one_number_are_told() -> None:
    seals = [sign(KEY, number=1, position=n, head_hash=bytes(32), recorded_at=NOON, now=NOON) for n in (1, 2)]
    assert len(Seals([*seals, seals[0]], KEYS).problems) == 1


def test_a_file_that_was_cut_in_the_middle_of_a_line_is_gone_on_with(file: Path) -> None:
    seals = [sign(KEY, number=n, position=n, head_hash=bytes(32), recorded_at=NOON, now=NOON) for n in (1, 2)]
    assert last_seal(file) is None
    append_seals(file, seals)
    file.write_bytes(file.read_bytes()[:-10])
    assert read_seals(file) == seals[:1]
    assert last_seal(file) == seals[0]
    append_seals(file, seals[1:])
    assert read_seals(file) == seals


def test_a_line_that_is_no_seal_is_named(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("{}\n")
    with pytest.raises(UnreadableSeals, match="line 1"):
        read_seals(file)
    with pytest.raises(UnreadableSeals):
        last_seal(file)


async def test_the_end_is_sealed_once_and_again_when_more_has_come(
    history: History, note: Make, sealer: Sealer, file: Path
) -> None:
    await write(history, note)
    head = await history.head()
    first = await sealer.seal()
    assert first is not None
    assert (first.number, first.position, first.hash) == (1, 3, head.hash.hex())
    assert await sealer.seal() is None
    await write(history, note, 1)
    second = await sealer.seal()
    assert second is not None
    assert (second.number, second.position) == (2, 5)
    assert read_seals(file) == [first, second]
    assert (await against(history, file)).intact


async def test_a_sealer_at_an_interval_seals_whatever_has_come(
    history: History, note: Make, sealer: Sealer, file: Path
) -> None:
    await write(history, note)
    running = asyncio.create_task(sealer.run(timedelta(milliseconds=5)))
    async with asyncio.timeout(15):
        while not read_seals(file):  # noqa: ASYNC110 -- a file is waited for
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert (await against(history, file)).sealed_up_to == 3


async def test_another_host_goes_on_and_has_all_seals_in_its_own_file(
    history: History, note: Make, sealer: Sealer, tmp_path: Path
) -> None:
    await write(history, note)
    await sealer.seal()
    await write(history, note)
    other = tmp_path / "elsewhere.ndjson"
    await Sealer(history, KEY, clock, other).seal()
    assert [seal.number for seal in read_seals(other)] == [1, 2]


async def test_a_new_key_goes_on_where_the_earlier_one_is_trusted(
    history: History, note: Make, sealer: Sealer, tmp_path: Path
) -> None:
    await write(history, note)
    await sealer.seal()
    await write(history, note)
    new = Ed25519PrivateKey.from_private_bytes(bytes(32))
    elsewhere = tmp_path / "elsewhere.ndjson"
    with pytest.raises(BrokenChain, match="no key that is trusted"):
        await Sealer(history, new, clock, elsewhere).seal()
    sealed = await Sealer(history, new, clock, elsewhere, trusted=KEYS).seal()
    assert sealed is not None
    assert sealed.number == 2


async def test_a_rewritten_past_is_seen_though_every_hash_was_computed_again(
    history: History, note: Make, sealer: Sealer, file: Path, tampering: Superuser
) -> None:
    for _ in range(3):
        await write(history, note)
        await sealer.seal()
    await tampering.execute("UPDATE history.events SET actor = 'nobody' WHERE position = 6")
    await tampering.execute(CHAINED_AGAIN)
    assert (await verify(history)).intact, "the chain alone cannot know"
    result = await against(history, file)
    assert (kinds(result), result.sealed_up_to, result.seals) == ([(4, Kind.REWRITTEN)], 3, 3)
    assert "positions 4 to 7" in result.problems[0].why


async def test_an_end_that_was_cut_off_is_seen_though_nothing_else_is_wrong(
    history: History, note: Make, sealer: Sealer, file: Path, tampering: Superuser
) -> None:
    await write(history, note)
    await sealer.seal()
    for table in ("events", "event_ids", "stream_versions"):
        await tampering.execute(f"DELETE FROM history.{table} WHERE position > 2".encode())  # noqa: S608 -- the test's own
    await tampering.execute(CHAINED_AGAIN)
    await tampering.execute("UPDATE history.head SET position = 2")
    assert (await verify(history)).intact
    assert kinds(await against(history, file)) == [(3, Kind.CUT)]


async def test_what_was_rewritten_is_not_sealed(
    history: History, note: Make, sealer: Sealer, tampering: Superuser
) -> None:
    await write(history, note)
    await sealer.seal()
    await tampering.execute("UPDATE history.events SET actor = 'nobody' WHERE position = 2")
    await tampering.execute(CHAINED_AGAIN)
    for _ in range(2):  # at once, and when more has come
        with pytest.raises(BrokenChain):
            await sealer.seal()
        await write(history, note)


async def test_seals_that_were_taken_out_of_the_history_are_missed(
    history: History, note: Make, sealer: Sealer, file: Path, tampering: Superuser
) -> None:
    await write(history, note)
    await sealer.seal()
    for table in ("events", "event_ids", "stream_versions"):
        await tampering.execute(f"DELETE FROM history.{table} WHERE position = 4".encode())  # noqa: S608 -- the test's own
    await tampering.execute("UPDATE history.head SET position = 3")
    with pytest.raises(BrokenChain, match="lost"):
        await Sealer(history, KEY, clock, file).seal()


async def test_a_stream_is_verified_by_itself_and_under_the_seal_behind_it(
    history: History, note: Make, sealer: Sealer, file: Path, tampering: Superuser
) -> None:
    await write(history, note, 5)
    await sealer.seal()
    seals = Seals(read_seals(file), KEYS)
    assert (await verify_stream(history, "case-1")).intact
    assert (await verify_stream(history, "case-1", seals)).sealed_up_to == 5
    await tampering.execute("UPDATE history.events SET actor = 'nobody' WHERE position = 4")
    assert kinds(await verify_stream(history, "case-1")) == [(4, Kind.ALTERED)]
    assert kinds(await verify_stream(history, "case-1", seals)) == [(4, Kind.ALTERED)]
    await tampering.execute(CHAINED_AGAIN)
    assert (await verify_stream(history, "case-1")).intact
    assert kinds(await verify_stream(history, "case-1", seals)) == [(2, Kind.REWRITTEN)]


async def test_an_event_that_a_stream_lost_is_missed(history: History, note: Make, tampering: Superuser) -> None:
    await write(history, note, 5)
    await tampering.execute("DELETE FROM history.events WHERE position = 4")
    assert Kind.MISSING in {kind for _, kind in kinds(await verify_stream(history, "case-1"))}


def test_a_seal_is_one_line(file: Path) -> None:
    del file
    line = line_of(sign(KEY, number=1, position=1, head_hash=bytes(32), recorded_at=NOON, now=NOON))
    assert set(json.loads(line)) == {"number", "position", "hash", "recorded_at", "sealed_at", "key_id", "signature"}
    assert isinstance(seal_of(line), HistorySealed)
