"""Calls, promises and hand-overs at the desk: through the API, and on the pages."""

from datetime import timedelta

import httpx
import pytest

from outreach.desk.desk import Desk
from tests.outreach.desk.conftest import read_models
from tests.outreach.desk.story import LOUVRE, MARKET, NAME, Story
from tests.outreach.desk.test_api import do
from tests.outreach.desk.test_desk_pages import form_of
from tests.ticking import Ticking


@pytest.fixture
async def case_id(dara: httpx.AsyncClient, story: Story) -> str:
    """Sokha's case in Dara's hand."""
    found = await story.sokha()
    assert (await do(dara, found, "take")).status_code == 200
    return found


async def events(client: httpx.AsyncClient, case_id: str, action: str, **body: object) -> list[str]:
    answer = await do(client, case_id, action, "*", **body)
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()["events"]
    return found


async def test_a_call_goes_through_the_api(dara: httpx.AsyncClient, story: Story, case_id: str) -> None:
    await story.rings(case_id)
    assert await events(dara, case_id, "call") == ["contact.call-started"]
    assert await events(dara, case_id, "call-answered") == ["contact.call-answered", "contact.call-back-kept"]
    assert await events(dara, case_id, "call-dropped") == [
        "contact.call-dropped",
        "contact.call-back-asked",
        "case.task-moved",
    ]
    assert await events(dara, case_id, "call") == ["contact.call-started"]
    assert await events(dara, case_id, "call-ended") == ["contact.call-ended"]
    assert await events(dara, case_id, "call-ended") == []


async def test_who_is_not_the_customer_frees_nothing(dara: httpx.AsyncClient, case_id: str) -> None:
    assert await events(dara, case_id, "not-verified", method="questions") == ["case.caller-not-verified"]
    refused = await do(dara, case_id, "confirm", "*")
    assert (refused.status_code, refused.json()["refusal"]) == (409, "not_verified")
    page = (await dara.get(f"/cases/{case_id}")).text
    assert "Ring the number on file" in page
    assert 'class="pill bad">Not verified' in page


async def test_a_promise_is_a_time_where_the_customer_is(
    dara: httpx.AsyncClient, desk: Desk, case_id: str, clock: Ticking
) -> None:
    page = (await dara.get(f"/cases/{case_id}")).text
    assert 'name="zone" value="Asia/Phnom_Penh"' in page
    at = clock() + timedelta(hours=20)
    local = (at + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M")
    form = form_of(page, at=local, zone="Asia/Phnom_Penh", note="at the hotel")
    answer = await dara.post(f"/cases/{case_id}/promise", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    state, _ = await desk.cases.load(case_id)
    assert [one.at for one in state.owed] == [at.replace(second=0, microsecond=0)]
    await read_models(desk.history)
    queue = (await dara.get("/v1/cases")).json()["cases"]
    assert [row["promised_at"] for row in queue] == [
        at.replace(second=0, microsecond=0).isoformat().replace("+00:00", "Z")
    ]
    assert "call at" in (await dara.get("/")).text
    await do(dara, case_id, "take")
    assert "dara put it back: at the hotel" in (await dara.get(f"/cases/{case_id}")).text


@pytest.mark.parametrize(
    "at", ["", "soon", "2026-11-21T10:00", "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"], ids=str
)
async def test_a_promise_that_nobody_could_keep_is_refused(dara: httpx.AsyncClient, case_id: str, at: str) -> None:
    answer = await do(dara, case_id, "promise", "*", at=at)
    assert (answer.status_code, answer.json()["field"]) == (422, "at")


async def test_a_task_is_handed_over_to_somebody_who_is_there(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, desk: Desk, case_id: str
) -> None:
    nobody = await do(dara, case_id, "hand-over", "*", to="nobody")
    assert (nobody.status_code, nobody.json()["field"]) == (422, "to")
    assert (await do(dara, case_id, "hand-over", "*", to="dara")).status_code == 409
    assert await events(dara, case_id, "hand-over", to="mina", note="speaks Khmer") == ["case.task-handed-over"]
    await read_models(desk.history)
    page = (await mina.get(f"/cases/{case_id}")).text
    assert NAME in page
    assert "dara handed it over: speaks Khmer" in page
    assert NAME not in (await dara.get(f"/cases/{case_id}")).text
    assert "In your hand" in (await mina.get("/")).text


async def test_what_a_supervisor_is_to_decide_says_so(dara: httpx.AsyncClient, desk: Desk, case_id: str) -> None:
    form = form_of((await dara.get(f"/cases/{case_id}")).text, note="wants the police")
    assert (await dara.post(f"/cases/{case_id}/escalate", data=form)).headers["location"] == "/"
    await read_models(desk.history)
    assert "Waiting for a supervisor" in (await dara.get("/")).text
    (row,) = (await dara.get("/v1/cases")).json()["cases"]
    assert (row["escalated"], row["front"], row["taken_by"]) == (True, True, "")


async def test_a_case_that_is_over_is_reopened_from_its_page(dara: httpx.AsyncClient, desk: Desk, case_id: str) -> None:
    await events(dara, case_id, "deny")
    await events(dara, case_id, "wrap-up")
    page = (await dara.get(f"/cases/{case_id}")).text
    assert 'id="reopen"' in page
    answer = await dara.post(f"/cases/{case_id}/reopen", data=form_of(page, note="she wrote a letter"))
    assert answer.status_code == 303
    state, _ = await desk.cases.load(case_id)
    assert not state.resolution
    assert state.task is not None
    assert state.task.reason == "reopened"


async def test_a_believed_payment_is_struck_out_and_the_card_blocked(
    dara: httpx.AsyncClient, desk: Desk, case_id: str, story: Story
) -> None:
    page = (await dara.get(f"/cases/{case_id}")).text
    assert "Which of these was not theirs?" in page
    nothing = await dara.post(f"/cases/{case_id}/strike-out", data=form_of(page))
    assert nothing.status_code == 422
    assert (await do(dara, case_id, "strike-out", "*", transactions=[LOUVRE])).status_code == 409
    answer = await dara.post(f"/cases/{case_id}/strike-out", data=form_of(page, transactions=MARKET))
    assert answer.status_code == 303
    state, _ = await desk.cases.load(case_id)
    assert state.struck_out == (MARKET,)
    assert state.ever("block", "card-sokha-visa")
    page = (await dara.get(f"/cases/{case_id}")).text
    assert "Struck out</span>" in page
    assert 'id="strike-out"' not in page
    await story.judged_anew(case_id)
    page = (await dara.get(f"/cases/{case_id}")).text
    assert "Struck out</span>" in page, "also once the suspect contradicts another payment"
    assert 'value="tx-malis"' in page
