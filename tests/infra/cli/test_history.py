"""The commands that look into the history, run as a person runs them, on a case of its own."""

import asyncio
import base64
import hashlib
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

import psycopg
import pytest
import structlog

from infra.cli.main import main
from infra.cli.screen import harmless
from infra.clock import utc_now
from infra.history.store import History
from outreach.cases.alert import Alert
from outreach.cases.identity import case_code
from outreach.cases.service import Cases
from outreach.customers.decide import CardRef, CustomerMessage
from outreach.customers.service import Customers
from tests.infra.cli.conftest import Ringback

RAISED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NAME, PHONE = "Sokha Chan", "+14155550123"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path) -> bytes:
    key = secrets.token_bytes(32)
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path))
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("RINGBACK_MASTER_KEY", base64.b64encode(key).decode())
    return key


@pytest.fixture
def case_id(key: bytes, postgres_url: str) -> str:
    async def write() -> str:
        async with await History.open(postgres_url, master_key=key, clock=utc_now) as history:
            message = CustomerMessage(
                customer_id="cust-sokha", name=NAME, phone=PHONE, cards=[CardRef(card_id="card-1", last_four="4242")]
            )
            await Customers(history, utc_now, master_key=key).record(message, "message-1")
            alert = Alert(
                alert_id="alert-1",
                status="raised",
                card_id="card-1",
                raised_by="t2",
                suspect="t2",
                verdict="alert",
                severity="medium",
                rule="impossible_journey",
                ruleset_version="1",
                raised_at=RAISED,
            )
            return await Cases(history, utc_now).receive_alert(alert) or ""

    return asyncio.run(write())


@pytest.mark.parametrize("named", ["id", "code", "lower case code"])
def test_a_case_is_told_by_its_id_or_its_code(case_id: str, ringback: Ringback, named: str) -> None:
    code = case_code(case_id)
    told = ringback("case", {"id": case_id, "code": code, "lower case code": code.lower()}[named])
    assert told.exit_code == 0
    assert f"Case {code} opened" in told.output
    assert told.output.index("opened") < told.output.index("Task")


def test_the_lines_of_a_case_can_be_read_by_a_script(case_id: str, ringback: Ringback) -> None:
    lines = [json.loads(line) for line in ringback("case", case_id, "--json").output.splitlines()]
    assert [line["version"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[0]["wire_name"] == "case.opened"


def test_a_case_that_is_not_there_is_said(case_id: str, ringback: Ringback) -> None:
    del case_id
    told = ringback("case", "ZZZZZZ")
    assert (told.exit_code, "there is no case ZZZZZZ" in told.output) == (1, True)


def test_a_customer_is_told_without_what_is_personal(case_id: str, ringback: Ringback) -> None:
    told = ringback("customer", "cust-sokha")
    assert told.exit_code == 0
    assert f"Case {case_code(case_id)} opened" in told.output
    assert NAME not in told.output
    assert PHONE not in told.output
    assert ringback("customer", "nobody").exit_code == 1


def test_a_whole_chain_verifies_without_the_key(
    case_id: str, ringback: Ringback, monkeypatch: pytest.MonkeyPatch
) -> None:
    del case_id
    monkeypatch.delenv("RINGBACK_MASTER_KEY")
    told = ringback("history", "verify", "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["intact"] is True
    assert "whole" in ringback("history", "verify").output


def test_a_broken_chain_ends_with_1_and_names_the_position(case_id: str, ringback: Ringback, postgres_url: str) -> None:
    del case_id
    with psycopg.connect(postgres_url) as conn:
        conn.execute("ALTER TABLE history.events DISABLE TRIGGER append_only")
        conn.execute("UPDATE history.events SET actor = 'nobody' WHERE position = 2")
    told = ringback("history", "verify", "--json")
    assert told.exit_code == 1
    assert [problem["position"] for problem in json.loads(told.stdout)["problems"]] == [2]
    assert "altered" in ringback("history", "verify").output


def test_every_read_model_can_be_derived_again(case_id: str, ringback: Ringback, postgres_url: str) -> None:
    assert ringback("history", "rebuild", "--all").exit_code == 0
    with psycopg.connect(postgres_url) as conn:
        first = conn.execute("SELECT * FROM views.cases").fetchall()
    assert ringback("history", "rebuild", "cases").exit_code == 0
    with psycopg.connect(postgres_url) as conn:
        assert conn.execute("SELECT * FROM views.cases").fetchall() == first
    assert first[0][0] == case_id


def test_a_redis_that_is_away_leaves_the_standard_output_to_the_answer(
    case_id: str, free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del case_id
    structlog.reset_defaults()
    monkeypatch.setenv("RINGBACK_REDIS_URL", f"redis://127.0.0.1:{free_port}")
    with pytest.raises(SystemExit) as ended:
        main(["history", "rebuild", "cases", "--json"])
    out, err = capsys.readouterr()
    assert not ended.value.code
    assert list(json.loads(out)["rebuilt"]) == ["cases"]
    assert "history hints not heard" in err


def test_a_rebuild_that_waits_says_for_what(case_id: str, ringback: Ringback, postgres_url: str) -> None:
    del case_id
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        asking = (  # and has been answered: while it runs it may yet find nobody
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE %s AND state <> 'active'"
        )
        held, session = hashlib.sha256(b"ringback.lead.building.cases").digest()[:8], conn.info.backend_pid
        conn.execute("SELECT pg_advisory_lock(%s)", (int.from_bytes(held, "big", signed=True),))
        with ThreadPoolExecutor(1) as beside:
            told = beside.submit(ringback, "history", "rebuild", "cases", "--json")
            while not told.done() and conn.execute(asking, ("%FROM pg\\_locks%",)).fetchone() == (0,):
                sleep(0.02)
            conn.execute("SELECT pg_advisory_unlock_all()")
    result = told.result()
    assert result.exit_code == 0
    assert json.loads(result.stdout)
    assert f"(PostgreSQL's session {session}); waiting" in result.stderr
    assert "cases: another builds it since 2" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["nothing-of-the-kind"], ["cases", "--all"]])
def test_rebuild_says_what_can_be_rebuilt(key: bytes, ringback: Ringback, arguments: list[str]) -> None:
    del key
    told = ringback("history", "rebuild", *arguments)
    assert (told.exit_code, "cases" in told.output) == (2, True)


def test_the_figures_count_what_is_there(case_id: str, ringback: Ringback) -> None:
    del case_id
    ringback("history", "rebuild", "cases")
    figures = json.loads(ringback("history", "stats", "--json").stdout)
    assert figures["types"]["case.opened"] == 1
    assert figures["position"] == sum(figures["types"].values())
    assert (figures["projections"][0]["name"], figures["projections"][0]["behind"]) == ("cases", 0)
    assert "events in" in ringback("history", "stats").output


def test_what_steers_a_terminal_is_replaced() -> None:
    assert harmless("\x1b[31mrot\nភ្នំពេញ\u202e") == "\N{REPLACEMENT CHARACTER}[31mrot\nភ្នំពេញ\N{REPLACEMENT CHARACTER}"
