"""``ringback erase`` and ``ringback keys``, as whoever answers for the data uses them."""

import asyncio
import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from infra.cli.main import build
from infra.clock import utc_now
from infra.history.masters import master_id
from infra.history.store import History
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from outreach.desk.accounts import Accounts
from tests.infra.cli.reading import said
from tests.outreach.cases.given import alert

Ringback = Callable[..., Result]
PASSWORD = "a long enough one"
ERASE = ("erase", "sokha", "--reason", "request 17", "--close-cases", "--yes")


@pytest.fixture
def key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def case_id(postgres_url: str, key: bytes) -> str:
    """An open case of somebody on file, and somebody who may sign."""

    async def write() -> str:
        async with await History.open(postgres_url, master_key=key, clock=utc_now) as history:
            accounts = Accounts(history, utc_now)
            await accounts.prepare()
            await accounts.create("mina", PASSWORD, actor="system:test")
            sokha = CustomerMessage(
                customer_id="sokha",
                name="Sokha Chan",
                phone="+14155552671",
                cards=[CardRef(card_id="card-sokha-visa", last_four="4821")],
            )
            await Customers(history, utc_now, master_key=history.lookup_key).record(sokha, "customers:1")
            return await Cases(history, utc_now).receive_alert(alert()) or ""

    return asyncio.run(write())


@pytest.fixture
def ringback(monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path, key: bytes) -> Ringback:
    monkeypatch.setenv("RINGBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RINGBACK_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("RINGBACK_MASTER_KEY", base64.b64encode(key).decode())
    monkeypatch.setenv("RINGBACK_OPERATOR", "mina")
    monkeypatch.setenv("RINGBACK_OPERATOR_PASSWORD", PASSWORD)
    monkeypatch.setattr("infra.cli.erase._FOLLOWED_WITHIN_S", 0.1)

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(build(arguments), arguments, env=environment)

    return run


def test_it_shows_what_goes_then_erases_and_says_so_everywhere(ringback: Ringback, case_id: str) -> None:
    assert "Sokha" not in (told := ringback(*ERASE)).output
    assert told.exit_code == 0, told.output
    assert "customer.recorded" in told.output
    assert "1 case, open: 1" in told.output
    assert "sokha is erased: 1 key destroyed, every process knows within 60 s" in told.output
    assert "erased" in ringback("case", case_id).output
    customer = ringback("customer", "sokha").output
    assert "erased on" in customer
    assert "request 17" in customer
    assert "mina" in customer
    verified = ringback("history", "verify")
    assert verified.exit_code == 0, verified.output


def test_who_comes_back_is_not_titled_erased(ringback: Ringback, case_id: str, postgres_url: str, key: bytes) -> None:
    assert case_id
    assert ringback(*ERASE).exit_code == 0

    async def tell_again() -> None:
        async with await History.open(postgres_url, master_key=key, clock=utc_now) as history:
            again = CustomerMessage(customer_id="sokha", name="Sokha Chan", phone="+14155552671")
            await Customers(history, utc_now, master_key=history.lookup_key).record(again, "customers:2")

    asyncio.run(tell_again())
    title = ringback("customer", "sokha").output.splitlines()[0]
    assert title.startswith("Customer sokha · known again since 20")
    assert "· erased on" not in title


def test_a_script_reads_what_was_done_and_twice_is_harmless(ringback: Ringback, case_id: str) -> None:
    done = json.loads(ringback(*ERASE, "--json").stdout)
    assert (done["already"], done["keys"], done["closed"]) == (False, 1, [case_id])
    assert done["unreadable"] == {"card.assigned": 1, "case.alert-joined": 1, "customer.recorded": 1}
    again = ringback(*ERASE, "--json")
    assert json.loads(again.stdout)["already"]
    assert "is erased already, on 20" in ringback(*ERASE).output


@pytest.mark.usefixtures("case_id")
def test_it_is_signed_asked_for_and_given_a_reason(ringback: Ringback) -> None:
    assert "Name or password" in said(ringback(*ERASE, RINGBACK_OPERATOR_PASSWORD="another long one"))
    assert "--yes" in said(ringback(*ERASE[:-1]))
    assert "--reason" in said(ringback("erase", "sokha"))
    assert "open" in said(ringback("erase", "sokha", "--reason", "request 17", "--yes"))
    assert "names the customer" in said(ringback("erase", "sokha", "--reason", "Chan asked", "--close-cases", "--yes"))
    assert "no customer nobody" in said(ringback("erase", "nobody", "--reason", "request 17", "--yes"))
    assert "erased" not in ringback("customer", "sokha").output


def test_the_master_key_is_replaced(ringback: Ringback, case_id: str, key: bytes) -> None:
    new = secrets.token_bytes(32)
    both = {
        "RINGBACK_MASTER_KEY": base64.b64encode(new).decode(),
        "RINGBACK_PREVIOUS_MASTER_KEYS": base64.b64encode(key).decode(),
    }
    assert json.loads(ringback("keys", "list", "--json").output)["by_master"] == {master_id(key): 1}
    rotated = ringback("keys", "rotate", **both)
    assert rotated.exit_code == 0, rotated.output
    assert f"in place of {master_id(key)}; wrapped anew: 2" in rotated.output
    after = {"RINGBACK_MASTER_KEY": both["RINGBACK_MASTER_KEY"]}
    assert f"{master_id(new)}  1      current, RINGBACK_MASTER_KEY" in ringback("keys", "list", **after).output
    assert ringback("case", case_id, **after).exit_code == 0
    assert "ringback keys rotate" in said(ringback("case", case_id))
    assert "no base64" in said(ringback("keys", "rotate", **{**both, "RINGBACK_PREVIOUS_MASTER_KEYS": "!"}))
