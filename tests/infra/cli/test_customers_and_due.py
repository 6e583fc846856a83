"""``ringback customers`` and ``ringback due`` on a real history."""

import asyncio
import base64
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from infra.cli.main import main
from infra.clock import utc_now
from infra.history.projection import catch_up
from infra.history.store import History
from outreach.cases import commands as c
from outreach.cases.service import Cases
from outreach.projections import projections
from tests.outreach.cases.given import alert

KEY = secrets.token_bytes(32)


@pytest.fixture
def at_home(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("RINGBACK_MASTER_KEY", base64.b64encode(KEY).decode())


def ringback(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out = capsys.readouterr()
    assert (ended.value.code or 0) == status, out
    return out.out


async def a_case(postgres_url: str) -> str:
    async with await History.open(postgres_url, master_key=KEY, clock=utc_now) as history:
        case_id = await Cases(history, utc_now).receive_alert(alert())
        assert case_id
        return case_id


async def taken(postgres_url: str, case_id: str) -> dict[str, Any]:
    async with await History.open(postgres_url, master_key=KEY, clock=utc_now) as history:
        cases = Cases(history, utc_now)
        done = await cases.handle(case_id, c.TakeTask(operator="dara"), actor="operator:dara", cause="1")
        await catch_up(history, projections(history.lookup_key))
        return {"customer": done.state.customer_id, "told": len(done.state.contacts)}


@pytest.mark.usefixtures("at_home")
def test_a_file_of_customers_finds_the_owner_of_a_case_and_what_is_waited_for_is_listed(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case_id = asyncio.run(a_case(postgres_url))
    file = tmp_path / "customers.ndjson"
    sokha = {
        "customer_id": "sokha",
        "name": "Sokha",
        "phone": "(415) 555-2671",
        "cards": [{"card_id": "card-sokha-visa"}],
    }
    file.write_text(f"{json.dumps(sokha)}\n{json.dumps({'customer_id': 'x'})}\n")

    outcome = json.loads(ringback(capsys, "customers", "import", str(file), "--json", status=1))
    assert (outcome["recorded"], outcome["adopted"]) == (1, 1)
    assert outcome["refused"] == [{"line": 2, "problem": "name: Field required"}]
    assert "line 2: name" in ringback(capsys, "customers", "import", str(file), status=1)
    assert asyncio.run(taken(postgres_url, case_id)) == {"customer": "sokha", "told": 1}

    waited = [json.loads(line) for line in ringback(capsys, "due", "list", "--json").splitlines()]
    assert [(each["kind"], each["case_id"], each["operator"]) for each in waited] == [
        ("card-answer", case_id, ""),
        ("hand-over", case_id, "dara"),
    ]
    assert waited[1]["then"] == "the task goes back to the queue"
    assert "hand-over" in ringback(capsys, "due", "list")
    assert ringback(capsys, "due", "list", "--overdue") == "nothing is waited for\n"
