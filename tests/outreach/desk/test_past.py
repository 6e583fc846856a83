"""The case as it was known at a moment: what came later is not shown, nobody acts, and the look is recorded."""

import httpx
import pytest

from outreach.cases.commands import TakeTask, VerifyCaller
from outreach.cases.events import DataViewed, TaskTaken
from outreach.customers.decide import CustomerMessage
from outreach.desk.desk import Desk
from tests.outreach.desk.story import NAME, Story


@pytest.fixture
async def case_id(story: Story) -> str:
    """A case that was opened, then taken by Dara, who verified the caller."""
    case_id = await story.sokha()
    await story.does(case_id, TakeTask(operator="dara"), "operator:dara")
    await story.does(case_id, VerifyCaller(operator="dara", method="case_code"), "operator:dara")
    return case_id


async def taken_at(desk: Desk, case_id: str) -> int:
    events = await desk.cases.timeline(case_id)
    return next(each.position for each in events if isinstance(each.event, TaskTaken))


async def shown(client: httpx.AsyncClient, case_id: str, at: object) -> str:
    answer = await client.get(f"/cases/{case_id}/as-of", params={"at": str(at)})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_what_came_later_is_not_shown(dara: httpx.AsyncClient, desk: Desk, case_id: str) -> None:
    at = await taken_at(desk, case_id)
    before, then = await shown(dara, case_id, at - 1), await shown(dara, case_id, at)
    assert "As known at" in before
    assert "took the task" not in before
    assert "took the task" in then
    assert "verified" not in then.lower().replace("verified</dt>", "")


async def test_nobody_acts_on_the_past(dara: httpx.AsyncClient, desk: Desk, case_id: str) -> None:
    page = await shown(dara, case_id, await taken_at(desk, case_id))
    main = page[page.index("<main") : page.index("</main>")]
    assert 'method="post"' not in main
    assert "hx-post" not in main
    assert "hx-get" not in main


async def test_who_holds_the_task_now_sees_it_unmasked_and_nobody_else(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, desk: Desk, case_id: str
) -> None:
    before = await taken_at(desk, case_id) - 1
    assert NAME in await shown(dara, case_id, before)
    assert NAME not in await shown(mina, case_id, before)


async def test_the_customer_is_the_one_who_was_known_then(
    dara: httpx.AsyncClient, desk: Desk, case_id: str, story: Story
) -> None:
    before = await taken_at(desk, case_id)
    state, _ = await desk.cases.load(case_id)
    message = CustomerMessage(customer_id=state.customer_id, name="Sokha Married", cards=[])
    await story.customers.record(message, "renamed")
    now = (await desk.history.head()).position
    assert "Sokha Married" in await shown(dara, case_id, now)
    page = await shown(dara, case_id, before)
    assert NAME in page
    assert "Sokha Married" not in page


async def test_each_look_back_is_recorded(mina: httpx.AsyncClient, desk: Desk, case_id: str) -> None:
    at = await taken_at(desk, case_id)
    await shown(mina, case_id, at)
    last = (await desk.cases.timeline(case_id))[-1].event
    assert isinstance(last, DataViewed)
    assert (last.operator, last.screen, last.unmasked) == ("mina", f"case as of position {at}", False)
    assert f"looked back, to position {at}" in (await mina.get(f"/cases/{case_id}")).text


async def test_a_moment_of_the_clock_is_one_too(dara: httpx.AsyncClient, desk: Desk, case_id: str) -> None:
    at = await taken_at(desk, case_id)
    recorded = next(each.recorded_at for each in await desk.cases.timeline(case_id) if each.position == at)
    assert "took the task" in await shown(dara, case_id, recorded.isoformat())


async def test_the_timeline_leads_to_each_moment_and_back(dara: httpx.AsyncClient, desk: Desk, case_id: str) -> None:
    at = await taken_at(desk, case_id)
    assert f"/cases/{case_id}/as-of?at={at}" in (await dara.get(f"/cases/{case_id}")).text
    page = await shown(dara, case_id, at)
    assert all(words in page for words in ("Earlier <kbd>", "Later <kbd>", "Back to now <kbd>"))
    first = (await desk.cases.timeline(case_id))[0].position
    assert "Earlier <kbd>" not in await shown(dara, case_id, first)


async def test_what_is_no_moment_of_the_case_is_said(dara: httpx.AsyncClient, case_id: str) -> None:
    for at, status in (("yesterday", 422), ("999999", 422), ("0", 404), ("2020-01-01T00:00:00Z", 404)):
        assert (await dara.get(f"/cases/{case_id}/as-of", params={"at": at})).status_code == status, at


async def test_without_a_moment_it_is_now_and_without_a_case_it_is_nothing(
    dara: httpx.AsyncClient, case_id: str
) -> None:
    assert (await dara.get(f"/cases/{case_id}/as-of")).headers["location"] == f"/cases/{case_id}"
    assert (await dara.get("/cases/none/as-of", params={"at": "1"})).status_code == 404


async def test_nobody_looks_back_without_signing_in(anybody: httpx.AsyncClient, case_id: str) -> None:
    answer = await anybody.get(f"/cases/{case_id}/as-of", params={"at": "3"})
    assert (answer.status_code, answer.headers["location"].startswith("/sign-in")) == (303, True)
