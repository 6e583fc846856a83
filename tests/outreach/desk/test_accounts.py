import base64
import secrets
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from infra.history.rotation import rotate
from infra.history.store import History
from outreach.cases.service import Cases
from outreach.customers.service import Customers
from outreach.desk.accounts import (
    FAILURES_OF_A_NAME,
    LIMIT_WINDOW,
    LINK_VALID,
    AccountRefused,
    Accounts,
    SignInRefused,
    TooManyAttempts,
)
from outreach.desk.desk import Desk
from outreach.desk.routes import desk_router
from tests.outreach.desk.conftest import CHEAP, MASTER_KEY, browser_like, sign_in
from tests.outreach.desk.story import PASSWORD
from tests.ticking import Ticking


async def told(history: History, name: str) -> list[str]:
    return [type(each.event).wire_name for each in await history.read_stream(f"operator-{name}")]


@pytest.fixture
def accounts(desk: Desk) -> Accounts:
    return desk.accounts


async def test_the_right_password_signs_in_and_is_recorded(accounts: Accounts, history: History) -> None:
    account = await accounts.verify(" Dara ", PASSWORD, address="a")
    assert account.display_name == "Dara Keo"
    assert await told(history, "dara") == ["operator.account-created", "operator.signed-in"]


async def test_a_wrong_password_is_refused_and_recorded(accounts: Accounts, history: History) -> None:
    with pytest.raises(SignInRefused):
        await accounts.verify("dara", "a lot of bread", address="a")
    assert (await told(history, "dara"))[-1] == "operator.sign-in-failed"


async def test_a_name_that_nobody_has_is_refused_alike_and_not_written_down(
    accounts: Accounts, history: History
) -> None:
    with pytest.raises(SignInRefused, match="Name or password"):
        await accounts.verify("my secret password", PASSWORD, address="a")
    recorded = await history.read_stream("operator-unknown")
    assert [type(each.event).wire_name for each in recorded] == ["operator.sign-in-failed"]
    assert "secret" not in str(recorded)


@pytest.mark.usefixtures("accounts")
async def test_passwords_are_kept_as_argon2id(history: History) -> None:
    async with history.transaction() as conn:
        row = await (await conn.execute("SELECT password_hash FROM desk.accounts WHERE name = 'dara'")).fetchone()
    assert row is not None
    assert row[0].startswith("$argon2id$")


async def test_too_many_failures_of_a_name_stop_even_the_right_password_for_a_while(
    accounts: Accounts, clock: Ticking
) -> None:
    for number in range(FAILURES_OF_A_NAME):
        with pytest.raises(SignInRefused):
            await accounts.verify("dara", "wrong", address=f"a{number}")
    with pytest.raises(TooManyAttempts) as limited:
        await accounts.verify("dara", PASSWORD, address="b")
    assert 0 < limited.value.wait_s <= LIMIT_WINDOW.total_seconds()
    clock.forward(LIMIT_WINDOW.total_seconds() + 1)
    assert (await accounts.verify("dara", PASSWORD, address="b")).name == "dara"


async def test_too_many_failures_of_an_address_stop_it_for_every_name(accounts: Accounts) -> None:
    for number in range(20):
        with pytest.raises(SignInRefused):
            await accounts.verify(f"guess{number}", "wrong", address="a")
    with pytest.raises(TooManyAttempts):
        await accounts.verify("dara", PASSWORD, address="a")


async def test_a_link_signs_in_once(accounts: Accounts) -> None:
    token = await accounts.issue_link("dara", actor="system:test")
    assert (await accounts.redeem(token, address="a")).name == "dara"
    with pytest.raises(SignInRefused):
        await accounts.redeem(token, address="a")


async def test_a_link_expires(accounts: Accounts, clock: Ticking) -> None:
    token = await accounts.issue_link("dara", actor="system:test")
    clock.forward(LINK_VALID.total_seconds() + 1)
    with pytest.raises(SignInRefused):
        await accounts.redeem(token, address="a")


async def test_links_are_kept_only_as_hashes(accounts: Accounts, history: History) -> None:
    token = await accounts.issue_link("dara", actor="system:test", valid=timedelta(hours=1))
    async with history.transaction() as conn:
        rows = await (await conn.execute("SELECT encode(token_hash, 'escape') FROM desk.sign_in_links")).fetchall()
    assert token not in str(rows)


@pytest.mark.parametrize(
    ("name", "password"),
    [("dara", PASSWORD), ("unknown", PASSWORD), ("Two Words", PASSWORD), ("", PASSWORD), ("sok", "short")],
)
async def test_an_account_that_cannot_be_is_refused(accounts: Accounts, name: str, password: str) -> None:
    with pytest.raises(AccountRefused):
        await accounts.create(name, password, actor="system:test")


async def test_opening_a_link_does_not_use_it_up(anybody: httpx.AsyncClient, accounts: Accounts) -> None:
    token = await accounts.issue_link("dara", actor="system:test")
    assert (await anybody.get(f"/sign-in/{token}")).status_code == 200
    answer = await anybody.post(f"/sign-in/{token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_the_cookie_is_for_this_site_only_and_out_of_reach_of_scripts(anybody: httpx.AsyncClient) -> None:
    answer = await anybody.post("/sign-in", data={"name": "dara", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


async def test_a_cookie_that_was_changed_is_worth_nothing(dara: httpx.AsyncClient) -> None:
    sealed = dara.cookies["ringback_session"]
    client_cookies = {"ringback_session": "x" + sealed[1:]}
    async with httpx.AsyncClient(
        transport=dara._transport, base_url="http://desk.test", cookies=client_cookies
    ) as other:
        assert (await other.get("/")).status_code == 303


async def test_signing_out_ends_every_session_of_the_account(dara: httpx.AsyncClient, history: History) -> None:
    async with browser_like(dara._transport.app) as elsewhere:  # type: ignore[attr-defined]
        await sign_in(elsewhere, "dara")
        page = (await dara.get("/")).text
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        await dara.post("/sign-out", data={"csrf": csrf})
        assert (await elsewhere.get("/")).status_code == 303
    assert (await told(history, "dara"))[-1] == "operator.signed-out"


async def test_nobody_is_signed_out_when_the_master_key_is_changed(
    dara: httpx.AsyncClient, desk: Desk, postgres_url: str, clock: Ticking
) -> None:
    page = (await dara.get("/")).text
    new = secrets.token_bytes(32)
    both = await History.open(postgres_url, master_key=new, previous_master_keys=[MASTER_KEY], clock=clock)
    async with both:
        await rotate(both)
    key = SecretStr(base64.b64encode(new).decode())
    async with await History.open(postgres_url, master_key=new, clock=clock) as after:
        restarted = Desk(
            history=after,
            cases=Cases(after, clock),
            customers=Customers(after, clock, master_key=after.lookup_key),
            accounts=Accounts(after, clock, hasher=CHEAP),
            settings=desk.settings.model_copy(update={"master_key": key}),
            clock=clock,
        )
        app = FastAPI()
        app.include_router(desk_router(restarted))
        async with browser_like(app) as client:
            client.cookies = dara.cookies
            answer = await client.get("/")
            assert answer.status_code == 200
            form = {"csrf": page.partition('name="csrf" value="')[2].partition('"')[0]}
            assert (await client.post("/sign-out", data=form)).headers["location"] == "/sign-in"


@pytest.mark.parametrize("wanted", ["https://elsewhere.test/", "//elsewhere.test", "/\\elsewhere.test", "javascript:1"])
async def test_after_signing_in_one_stays_at_the_desk(anybody: httpx.AsyncClient, wanted: str) -> None:
    answer = await anybody.post("/sign-in", data={"name": "dara", "password": PASSWORD, "next": wanted})
    assert answer.headers["location"] == "/"


async def test_too_many_attempts_are_answered_with_a_time_to_wait(anybody: httpx.AsyncClient) -> None:
    for _ in range(FAILURES_OF_A_NAME):
        await anybody.post("/sign-in", data={"name": "dara", "password": "wrong"})
    answer = await anybody.post("/sign-in", data={"name": "dara", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


async def test_a_sign_in_form_of_another_site_is_refused(anybody: httpx.AsyncClient) -> None:
    headers = {"sec-fetch-site": "cross-site"}
    answer = await anybody.post("/sign-in", data={"name": "dara", "password": PASSWORD}, headers=headers)
    assert answer.status_code == 403
