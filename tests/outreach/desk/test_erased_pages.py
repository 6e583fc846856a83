"""At the desk an erased customer is shown as that: plainly, nowhere a name, nowhere an empty hole."""

import httpx
import pytest

from outreach.cases.commands import TakeTask
from outreach.desk.desk import Desk
from outreach.erasure import Erasure
from tests.leaks import leaks
from tests.outreach.desk.conftest import read_models
from tests.outreach.desk.story import NAME, Story

SECRETS = (*NAME.split(), "Paris", "4821", "@")


@pytest.fixture
async def case_id(story: Story, desk: Desk) -> str:
    """A case in Dara's hand whose customer is erased."""
    case_id = await story.sokha()
    await story.does(case_id, TakeTask(operator="dara"), "operator:dara")
    state, _ = await desk.cases.load(case_id)
    erasure = Erasure(desk.history, desk.cases, desk.clock)
    plan = await erasure.plan(state.customer_id)
    await erasure.carry_out(plan, reason="request 17", actor="operator:mina", closing=True)
    await read_models(desk.history)
    return case_id


def main_of(page: str) -> str:
    return page[page.index("<main") : page.index("</main>")]


async def test_the_case_page_says_when_and_shows_nothing_of_her(dara: httpx.AsyncClient, case_id: str) -> None:
    answer = await dara.get(f"/cases/{case_id}")
    assert answer.status_code == 200
    shown = main_of(answer.text)
    assert "Erased on " in shown
    assert "gone for good" in shown
    assert "Erased with the customer." in shown
    assert "The customer was erased" in shown
    assert leaks(SECRETS, shown) == []
    assert "hx-post" not in shown  # nobody acts for somebody who is gone


async def test_what_was_known_before_is_erased_too(dara: httpx.AsyncClient, desk: Desk, case_id: str) -> None:
    third = (await desk.cases.timeline(case_id))[2].position
    answer = await dara.get(f"/cases/{case_id}/as-of", params={"at": str(third)})
    assert answer.status_code == 200
    shown = main_of(answer.text)
    assert "Erased on " in shown
    assert leaks(SECRETS, shown) == []


async def test_the_queue_and_the_api_know(dara: httpx.AsyncClient, case_id: str) -> None:
    queue = await dara.get("/")
    assert queue.status_code == 200
    assert case_id not in main_of(queue.text)
    case = await dara.get(f"/v1/cases/{case_id}")
    assert case.status_code == 200
    assert case.json()["who"]["name"].startswith("Erased on ")
    assert case.json()["erased_at"]
    events = (await dara.get(f"/v1/cases/{case_id}/events")).json()
    assert leaks(SECRETS, str(events)) == []
    assert True in {event["erased"] for event in events["events"]}
