"""What a supervisor sees and does at the desk, and what others may not."""

import re
import secrets

import httpx
import pytest

from infra.history.store import History
from outreach.cases.service import Cases
from outreach.desk.desk import Desk
from outreach.desk.roster import Roster
from tests.leaks import leaks
from tests.outreach.desk.conftest import read_models
from tests.outreach.desk.story import NAME, Story
from tests.outreach.desk.test_desk_pages import field


async def press(client: httpx.AsyncClient, case_id: str, action: str, **more: str) -> httpx.Response:
    page = (await client.get(f"/cases/{case_id}")).text
    form = {"csrf": field(page, "csrf"), "version": "any", "once": secrets.token_hex(8)}
    return await client.post(f"/cases/{case_id}/{action}", data=form | more)


async def holder(cases: Cases, case_id: str) -> tuple[str, bool]:
    task = (await cases.load(case_id))[0].task
    assert task is not None
    return task.taken_by, task.escalated


@pytest.fixture
async def escalated(dara: httpx.AsyncClient, story: Story, desk: Desk) -> str:
    case_id = await story.sokha()
    await press(dara, case_id, "take")
    await press(dara, case_id, "escalate", note="wants the police")
    await read_models(desk.history)
    return case_id


async def test_an_escalated_task_is_decided_by_a_supervisor_and_goes_on(
    dara: httpx.AsyncClient, vera: httpx.AsyncClient, desk: Desk, escalated: str
) -> None:
    page = (await dara.get(f"/cases/{escalated}")).text
    assert "Waiting for a supervisor" in page
    assert 'id="take"' not in page
    refused = await press(dara, escalated, "take")
    assert refused.status_code == 409
    assert "A supervisor is to decide here" in refused.text
    assert "For you to decide" in (await vera.get("/")).text
    taken = await press(vera, escalated, "take")
    assert taken.status_code == 303
    page = (await vera.get(f"/cases/{escalated}")).text
    assert NAME in page
    assert "dara wants a supervisor: wants the police" in page
    assert (await press(vera, escalated, "settle", note="No police.")).headers["location"] == "/"
    assert await holder(desk.cases, escalated) == ("", False)
    assert (await press(dara, escalated, "take")).status_code == 303
    assert "No police." in (await dara.get(f"/cases/{escalated}")).text


async def test_the_wallboard_shows_who_holds_what_and_nothing_of_a_customer(
    dara: httpx.AsyncClient, vera: httpx.AsyncClient, story: Story, desk: Desk, escalated: str
) -> None:
    others = await story.others()
    await press(dara, others[0], "take")
    await read_models(desk.history)
    page = (await vera.get("/wallboard")).text
    assert f'action="/wallboard/{others[0]}/assign"' in page
    assert f"/cases/{escalated}/take" in page
    for heading in ("For you to decide", "In hand", "Due", "How long they wait", "Messages not answered", "Who works"):
        assert heading in page
    assert leaks((NAME, "S••••", "Marta", "4821"), page) == []


async def test_a_supervisor_moves_a_task_from_the_wallboard(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, vera: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    case_id = await story.sokha()
    await press(dara, case_id, "take")
    await read_models(desk.history)
    form = {
        name: re.findall(rf'name="{name}" value="([^"]*)"', (await vera.get("/wallboard")).text)[-1]
        for name in ("csrf", "once")
    }
    given = await vera.post(f"/wallboard/{case_id}/assign", data={**form, "to": "mina"})
    assert given.headers["location"] == "/wallboard"
    assert await holder(desk.cases, case_id) == ("mina", False)
    assert "vera gave the task from dara to mina" in (await mina.get(f"/cases/{case_id}")).text
    await press(mina, case_id, "call")
    on_the_phone = await vera.post(f"/wallboard/{case_id}/take-back", data=form)
    assert on_the_phone.status_code == 409
    assert "Its operator is on the phone" in on_the_phone.text
    nobody = await vera.post(f"/wallboard/{case_id}/assign", data={**form, "to": "nobody"})
    assert "Nobody of that name sits at the desk" in nobody.text
    await press(mina, case_id, "call-ended")
    await vera.post(f"/wallboard/{case_id}/take-back", data={**form, "once": "again"})
    assert await holder(desk.cases, case_id) == ("", False)


async def test_a_supervisor_takes_a_task_over_on_its_page_and_looks_masked_before(
    dara: httpx.AsyncClient, vera: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    case_id = await story.sokha()
    await press(dara, case_id, "take")
    page = (await vera.get(f"/cases/{case_id}")).text
    assert NAME not in page
    assert 'id="take-back"' in page
    assert (await press(vera, case_id, "assign", to="vera")).status_code == 303
    assert await holder(desk.cases, case_id) == ("vera", False)
    assert NAME in (await vera.get(f"/cases/{case_id}")).text


async def test_what_only_a_supervisor_does_nobody_else_does(dara: httpx.AsyncClient, escalated: str) -> None:
    for action in ("settle", "assign", "take-back"):
        assert (await press(dara, escalated, action, to="dara")).status_code == 403
        answer = await dara.post(f"/v1/cases/{escalated}/{action}", json={"to": "dara"}, headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:ringback:problem:supervisor-needed")
    assert (await dara.get("/wallboard")).status_code == 403
    assert "Wallboard" not in (await dara.get("/")).text


async def test_nothing_is_escalated_where_nobody_is_a_supervisor(
    dara: httpx.AsyncClient, story: Story, desk: Desk, history: History
) -> None:
    case_id = await story.sokha()
    await press(dara, case_id, "take")
    assert await desk.roster.give_role("vera", "operator", actor="system:test")
    refused = await press(dara, case_id, "escalate", note="help")
    assert refused.status_code == 409
    assert "Nobody at this desk is a supervisor" in refused.text
    assert await holder(desk.cases, case_id) == ("dara", False)
    recorded = [type(each.event).wire_name for each in await history.read_stream("operator-vera")]
    assert recorded == ["operator.account-created", "operator.role-given"]


async def test_whoever_is_disabled_is_signed_out_and_cannot_come_back_until_enabled(
    dara: httpx.AsyncClient, desk: Desk
) -> None:
    roster: Roster = desk.roster
    assert await roster.disable("dara", actor="system:test")
    assert not await roster.disable("dara", actor="system:test")
    assert (await dara.get("/")).status_code == 303
    assert await roster.enable("dara", actor="system:test")
    assert (await dara.get("/")).status_code == 303
    assert not next(each for each in await roster.colleagues() if each.account.name == "dara").account.disabled
