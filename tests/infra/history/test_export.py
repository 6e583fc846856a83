"""The history in a file, and back: the same hash at the end, and every tampering with the file is seen."""

import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.clock import utc_now
from infra.history.chain import Kind
from infra.history.exported import UnreadableExport
from infra.history.exporting import (
    NotEmpty,
    Refused,
    WrongSuffix,
    export_history,
    import_history,
    verify_file,
)
from infra.history.seals import Seals, key_id, sign, signing_key
from infra.history.store import History, StreamWrite
from infra.history.verify import Verification, verify
from infra.servers import Addresses
from tests.databases import database
from tests.infra.history.conftest import Make
from tests.infra.history.notes import NoteTaken

KEY = signing_key(base64.b64encode(bytes(range(32))).decode())
KEYS = {key_id(KEY.public_key()): KEY.public_key()}


@pytest.fixture
async def empty(servers: Addresses, master_key: bytes) -> AsyncIterator[History]:
    with database(servers.postgres_url, "empty") as url:
        async with await History.open(url, master_key=master_key, clock=utc_now) as opened:
            yield opened


@pytest.fixture
async def written(history: History, note: Make) -> History:
    for number in range(6):
        text = NoteTaken(about='ភ្នំពេញ "card" \\ \u2028', text=f"It was not me {number}")
        await history.append(StreamWrite(f"case-{number % 2}", [note(text)]))
    return history


def kinds(result: Verification) -> list[tuple[int, Kind]]:
    return [(problem.position, problem.kind) for problem in result.problems]


def lines_of(path: Path) -> list[str]:
    with path.open(newline="\n") as file:
        return list(file)


def tampered(path: Path, line: int, **change: object) -> Path:
    lines = lines_of(path)
    lines[line] = json.dumps({**json.loads(lines[line]), **change}, ensure_ascii=False) + "\n"
    path.write_text("".join(lines))
    return path


@pytest.mark.parametrize("suffix", ["ndjson", "parquet"])
async def test_an_export_comes_back_into_an_empty_history_with_the_same_hash(
    written: History, empty: History, tmp_path: Path, note: Make, suffix: str
) -> None:
    path, told = tmp_path / f"history.{suffix}", list[tuple[int, int]]()
    exported = await export_history(written, path, lambda done, of: told.append((done, of)))
    assert (exported.intact, exported.events, told[-1]) == (True, 6, (6, 6))
    assert (await verify_file(path)).intact
    imported = await import_history(empty, path)
    assert imported.head == await empty.head() == await written.head()
    assert await empty.read_stored(after=0) == await written.read_stored(after=0)
    assert (await verify(empty)).intact
    await empty.append(StreamWrite("case-0", [note()], 3))
    assert (await verify(empty)).intact


async def test_what_is_personal_stays_encrypted_in_the_file_and_unread_without_the_keys(
    written: History, empty: History, tmp_path: Path
) -> None:
    path = tmp_path / "history.ndjson"
    await export_history(written, path)
    assert b"It was not me" not in path.read_bytes()
    await import_history(empty, path)
    assert [each.erased for each in await empty.read_stream("case-0")] == [True] * 3


async def test_an_import_is_into_an_empty_history_only(written: History, tmp_path: Path) -> None:
    path = tmp_path / "history.ndjson"
    await export_history(written, path)
    with pytest.raises(NotEmpty, match="6 events"):
        await import_history(written, path)


async def test_a_range_can_be_exported_and_verified_but_not_imported(
    written: History, empty: History, tmp_path: Path
) -> None:
    path = tmp_path / "range.ndjson"
    assert (await export_history(written, path, first=3, last=5)).events == 3
    assert (await verify_file(path)).intact
    with pytest.raises(Refused, match="position 3"):
        await import_history(empty, path)
    with pytest.raises(ValueError, match="ends at 6"):
        await export_history(written, path, first=7)


async def test_an_empty_history_is_exported_too(empty: History, tmp_path: Path) -> None:
    path = tmp_path / "nothing.parquet"
    assert (await export_history(empty, path)).events == 0
    assert (await verify_file(path)).intact


async def test_a_tampered_line_is_found_and_nothing_of_it_is_imported(
    written: History, empty: History, tmp_path: Path
) -> None:
    path = tmp_path / "history.ndjson"
    await export_history(written, path)
    whole = path.read_bytes()
    changes: list[tuple[dict[str, object], Kind]] = [
        ({"actor": "nobody"}, Kind.ALTERED),
        ({"payload": "{}"}, Kind.ALTERED),
        ({"subject": None}, Kind.ALTERED),
        ({"recorded_at": "2020-01-01T00:00:00Z"}, Kind.BACKWARDS),
        ({"hash": "no"}, Kind.ALTERED),
        ({"personal": "?"}, Kind.ALTERED),
        ({"position": "three"}, Kind.ALTERED),
    ]
    for change, finding in changes:
        path.write_bytes(whole)
        tampered(path, 3, **change)
        assert (3, finding) in kinds(await verify_file(path)), change
        with pytest.raises(Refused):
            await import_history(empty, path)
    assert (await empty.head()).position == 0


async def test_lines_that_were_removed_swapped_put_in_or_cut_off_are_found(written: History, tmp_path: Path) -> None:
    path = tmp_path / "history.ndjson"
    await export_history(written, path)
    lines = lines_of(path)
    for changed, finding in (
        (lines[:3] + lines[4:], (3, Kind.MISSING)),
        ([*lines[:3], lines[4], lines[3], *lines[5:]], (3, Kind.MISPLACED)),
        ([*lines[:4], lines[3], *lines[4:]], (3, Kind.MISPLACED)),
        (lines[:-1], (6, Kind.MISSING)),
        ([*lines[:-1], lines[-1][:40]], (6, Kind.ALTERED)),
    ):
        path.write_text("".join(changed))
        assert finding in kinds(await verify_file(path))


async def test_a_file_whose_chain_was_computed_again_does_not_match_the_seals(written: History, tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    await export_history(written, path)
    good = (await written.read_stored(after=0))[3]
    at = {"recorded_at": good.recorded_at, "now": utc_now()}
    sealed = sign(KEY, number=1, position=4, head_hash=good.hash, **at)
    forged = sign(KEY, number=1, position=4, head_hash=bytes(32), **at)
    beyond = sign(KEY, number=2, position=9, head_hash=bytes(32), **at)
    assert (await verify_file(path, seals=Seals([sealed, beyond], KEYS))).sealed_up_to == 4
    assert kinds(await verify_file(path, seals=Seals([forged], KEYS))) == [(1, Kind.REWRITTEN)]


async def test_what_is_no_export_is_said(written: History, tmp_path: Path) -> None:
    del written
    for name, text in (("a.ndjson", "{}\n"), ("b.ndjson", ""), ("c.parquet", "no")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UnreadableExport):
            await verify_file(tmp_path / name)
    with pytest.raises(WrongSuffix, match=r"NAME\.parquet"):
        await verify_file(tmp_path / "history.csv")


async def test_an_export_that_fails_leaves_no_file_behind(history: History, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"missing"):
        await export_history(history, tmp_path / "missing" / "history.ndjson")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 -- a short look
