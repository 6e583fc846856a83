"""The history as an auditor walks it: verified, sealed, exported, looked at as of a moment, and imported again."""

import asyncio
import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from typer.testing import Result

from infra.cli.main import explain
from infra.clock import utc_now
from infra.history.sealer import Sealer
from infra.history.seals import signing_key
from infra.history.store import History
from infra.servers import Addresses
from outreach.cases.commands import TakeTask
from outreach.cases.identity import case_code
from outreach.cases.service import Cases
from outreach.customers.decide import CardRef, CustomerMessage
from outreach.customers.service import Customers
from tests.databases import database
from tests.infra.cli.conftest import Ringback
from tests.outreach.cases.given import alert

SEED = base64.b64encode(bytes(range(32))).decode()
NAME = "Sokha Chan"


# Fixtures are arguments, and an auditor's tools are many.
# ruff: noqa: PLR0917


@pytest.fixture
def seals(tmp_path: Path) -> Path:
    return tmp_path / "seals.ndjson"


@pytest.fixture
def case_id(monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path, seals: Path) -> str:
    """A case that was opened, sealed, and taken afterwards."""
    key = secrets.token_bytes(32)
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path))
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("RINGBACK_MASTER_KEY", base64.b64encode(key).decode())
    monkeypatch.setenv("RINGBACK_SEAL_KEY", SEED)

    async def write() -> str:
        async with await History.open(postgres_url, master_key=key, clock=utc_now) as history:
            message = CustomerMessage(customer_id="sokha", name=NAME, cards=[CardRef(card_id="card-1")])
            await Customers(history, utc_now, master_key=key).record(message, "message-1")
            cases = Cases(history, utc_now)
            case_id = await cases.receive_alert(alert(card_id="card-1")) or ""
            await Sealer(history, signing_key(SEED), utc_now, seals).seal()
            await cases.handle(case_id, TakeTask(operator="dara"), actor="operator:dara", cause="take")
            return case_id

    return asyncio.run(write())


def why(result: Result) -> str:
    assert isinstance(result.exception, Exception)
    return explain(result.exception) or ""


def verified(result: Result) -> tuple[int, list[str]]:
    return result.exit_code, [problem["kind"] for problem in json.loads(result.stdout)["problems"]]


def sealed_position(seals: Path) -> int:
    return int(json.loads(seals.read_text())["position"])


def rewrite(postgres_url: str, position: int) -> None:
    """As whoever owns the database would: one field changed, every hash computed again."""
    with psycopg.connect(postgres_url) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE history.events SET actor = 'nobody' WHERE position = %s", (position,))
        last = bytes(32)
        for (at,) in conn.execute("SELECT position FROM history.events ORDER BY position").fetchall():
            conn.execute("UPDATE history.events SET previous_hash = %s WHERE position = %s", (last, at))
            ((last,),) = conn.execute(
                "UPDATE history.events e SET hash = history.event_hash(e) WHERE position = %s RETURNING hash", (at,)
            ).fetchall()
        conn.execute("UPDATE history.head SET hash = %s", (last,))


def test_the_chain_is_whole_and_as_it_was_sealed(case_id: str, ringback: Ringback, seals: Path) -> None:
    told = ringback("history", "verify", "--json")
    assert (told.exit_code, json.loads(told.stdout)["sealed_up_to"]) == (0, sealed_position(seals))
    assert "Compared with 1 seal" in ringback("history", "verify", "--case", case_id).output
    assert ringback("history", "verify", "--from", "2", "--to", "4").exit_code == 0
    assert ringback("history", "verify", "--case", "nothing").exit_code == 2
    assert ringback("history", "verify", "--case", case_id, "--from", "2").exit_code == 2


def test_a_rewritten_past_is_told_by_the_seals_that_were_kept(
    case_id: str, ringback: Ringback, postgres_url: str, seals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = ringback("history", "seals", "key").stdout.strip()
    kept = tmp_path / "kept.ndjson"
    kept.write_bytes(seals.read_bytes())
    rewrite(postgres_url, 2)
    for arguments in ([], ["--seals", str(kept), "--public-key", public]):
        assert verified(ringback("history", "verify", "--json", *arguments)) == (1, ["rewritten"])
    assert ringback("history", "verify", "--case", case_id).exit_code == 1
    monkeypatch.delenv("RINGBACK_SEAL_KEY")
    told = ringback("history", "verify")
    assert (told.exit_code, "is not seen" in told.output) == (0, True)
    assert ringback("history", "verify", "--seals", str(kept)).exit_code == 2


def test_the_seals_are_listed_and_the_key_is_told(
    case_id: str, ringback: Ringback, monkeypatch: pytest.MonkeyPatch
) -> None:
    del case_id
    assert "holds" in ringback("history", "seals", "list").output
    assert json.loads(ringback("history", "seals", "list", "--json").stdout)["number"] == 1
    monkeypatch.setenv("RINGBACK_SEAL_KEY", base64.b64encode(bytes(32)).decode())
    assert "unknown key" in ringback("history", "seals", "list").output
    monkeypatch.delenv("RINGBACK_SEAL_KEY")
    assert "RINGBACK_SEAL_KEY" in why(ringback("history", "seals", "key"))


@pytest.mark.parametrize("suffix", ["ndjson", "parquet"])
def test_an_export_is_verified_by_itself_and_imported_into_an_empty_history(
    case_id: str,
    ringback: Ringback,
    tmp_path: Path,
    suffix: str,
    servers: Addresses,
    seals: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = str(tmp_path / f"history.{suffix}")
    exported = json.loads(ringback("history", "export", file, "--json").stdout)
    public = ringback("history", "seals", "key").stdout.strip()
    sealed = ["--seals", str(seals), "--public-key", public]
    assert verified(ringback("history", "verify", "--file", file, "--json", *sealed)) == (0, [])
    assert "empty one" in why(ringback("history", "import", file))
    with database(servers.postgres_url, "empty") as empty:
        monkeypatch.setenv("RINGBACK_POSTGRES_URL", empty)
        imported = ringback("history", "import", file)
        assert (imported.exit_code, exported["hash"] in imported.stdout) == (0, True)
        assert ringback("history", "verify").exit_code == 0
        assert f"Case {case_code(case_id)} opened" in ringback("case", case_id).output


def test_a_rewritten_past_is_told_by_an_export_that_was_kept(
    case_id: str, ringback: Ringback, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del case_id
    monkeypatch.delenv("RINGBACK_SEAL_KEY")
    kept = tmp_path / "kept.ndjson"
    ringback("history", "export", str(kept))
    told = ringback("history", "verify", "--against", str(kept))
    assert (told.exit_code, "each stands as it was exported" in told.output) == (0, True)
    rewrite(postgres_url, 2)
    assert ringback("history", "verify").exit_code == 0
    told = ringback("history", "verify", "--against", str(kept))
    assert (told.exit_code, "the first that does not is at position 2" in told.output) == (1, True)
    assert verified(ringback("history", "verify", "--json", "--against", str(kept))) == (1, ["rewritten"])
    assert ringback("history", "verify", "--against", str(kept), "--from", "2").exit_code == 2


NOT_MEANT = [
    (["verify", "--from", "2099-01-01T00:00:00Z"], "nothing stands from position"),
    (["verify", "--to", "2000-01-01T00:00:00Z"], "nothing stands from position 1 to 0"),
    (["verify", "--from", "4", "--to", "2"], "nothing stands from position 4 to 2"),
    (["verify", "--file", "missing.parquet"], "missing.parquet: there is no such file"),
    (["verify", "--against", "missing.ndjson"], "missing.ndjson: there is no such file"),
    (["verify", "--public-key", "nonsense"], "'nonsense' is no key of seals"),
    (["export", "missing/history.ndjson"], "missing: there is no such folder"),
    (["export", "history.ndjson", "--from", "4", "--to", "2"], "nothing stands from position 4 to 2"),
    (["diff", "0", "--case", "nothing"], "there is no case nothing"),
]


def test_what_cannot_be_meant_is_refused_and_says_what_is_wrong(case_id: str, ringback: Ringback) -> None:
    del case_id
    for arguments, said in NOT_MEANT:  # in one history: each is refused before anything is done
        assert said in why(ringback("history", *arguments)), arguments


def test_seals_that_are_not_there_or_of_another_key_are_said(case_id: str, ringback: Ringback, seals: Path) -> None:
    del case_id
    told = ringback("history", "verify", "--seals", "missing.ndjson")
    assert (told.exit_code, "no such file" in told.output) == (2, True)
    other = base64.b64encode(bytes(32)).decode()
    told = ringback("history", "verify", "--seals", str(seals), "--public-key", other, "--json")
    (problem,) = json.loads(told.stdout)["problems"]  # though the file and the history both hold it
    assert (told.exit_code, "which is not among those given" in problem["why"]) == (1, True)


def test_an_address_that_is_none_is_said_at_once(
    case_id: str, ringback: Ringback, monkeypatch: pytest.MonkeyPatch
) -> None:
    del case_id
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", "nonsense")
    assert "is no address of PostgreSQL" in why(ringback("history", "verify"))


def test_a_broken_chain_is_exported_as_it_stands_and_said(
    case_id: str, ringback: Ringback, postgres_url: str, tmp_path: Path
) -> None:
    del case_id
    with psycopg.connect(postgres_url) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE history.events SET actor = 'nobody' WHERE position = 2")
    file = tmp_path / "history.ndjson"
    assert "position 2" in why(ringback("history", "export", str(file)))
    assert verified(ringback("history", "verify", "--file", str(file), "--json")) == (1, ["altered"])


def test_a_case_is_told_as_it_was_known_at_a_moment_or_a_position(
    case_id: str, ringback: Ringback, seals: Path
) -> None:
    now = ringback("case", case_id).output
    assert "dara" in now
    then = ringback("case", case_id, "--as-of", str(sealed_position(seals)))
    assert (then.exit_code, "As known at" in then.output, "dara" in then.output) == (0, True, False)
    recorded = datetime.fromisoformat(json.loads(seals.read_text())["recorded_at"])
    assert "dara" not in ringback("case", case_id, "--as-of", recorded.isoformat()).output
    assert "dara" in ringback("case", case_id, "--as-of", (utc_now() + timedelta(days=1)).isoformat()).output
    before = ringback("case", case_id, "--as-of", datetime(2020, 1, 1, tzinfo=UTC).isoformat())
    assert (before.exit_code, "there was no case" in before.output) == (1, True)
    assert "no moment" in why(ringback("case", case_id, "--as-of", "yesterday"))


def test_what_happened_between_two_moments_is_told_by_stream(
    case_id: str, ringback: Ringback, seals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = str(sealed_position(seals))
    told = ringback("history", "diff", at)
    assert (told.exit_code, f"Case {case_code(case_id)}" in told.output, "seals: version 0 to 1" in told.output) == (
        0,
        True,
        True,
    )
    lines = [
        json.loads(line) for line in ringback("history", "diff", at, "--case", case_id, "--json").stdout.splitlines()
    ]
    assert {line["stream"] for line in lines} == {f"case-{case_id}"}
    assert "case.task-taken" in {line["wire_name"] for line in lines}
    assert NAME not in ringback("history", "diff", "0", at).output
    assert "give the earlier one first" in why(ringback("history", "diff", at, "0"))
    monkeypatch.setattr("infra.cli.history_diff._TOLD_IN_FULL", 1)
    assert "case.opened" in ringback("history", "diff", "0").output
