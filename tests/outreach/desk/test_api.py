import httpx

from outreach.cases.events import PaymentsDenied
from outreach.desk.desk import Desk
from tests.outreach.desk.conftest import read_models
from tests.outreach.desk.story import LOUVRE, NAME, PHONE, Story


async def version_of(client: httpx.AsyncClient, case_id: str) -> str:
    return (await client.get(f"/v1/cases/{case_id}")).headers["etag"]


async def do(
    client: httpx.AsyncClient, case_id: str, action: str, if_match: str | None = None, **body: object
) -> httpx.Response:
    seen = await version_of(client, case_id) if if_match is None else if_match
    return await client.post(f"/v1/cases/{case_id}/{action}", json=body, headers={"if-match": seen})


async def test_nobody_signed_in_is_a_problem_document(anybody: httpx.AsyncClient) -> None:
    answer = await anybody.get("/v1/cases")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:ringback:problem:sign-in-needed"


async def test_the_queue_lists_open_tasks_without_names(dara: httpx.AsyncClient, story: Story, desk: Desk) -> None:
    case_id = await story.sokha()
    await read_models(desk.history)
    answer = await dara.get("/v1/cases")
    assert [row["case_id"] for row in answer.json()["cases"]] == [case_id]
    assert NAME not in answer.text


async def test_a_case_is_masked_until_its_task_is_in_hand(dara: httpx.AsyncClient, story: Story) -> None:
    case_id = await story.sokha()
    masked = [(await dara.get(f"/v1/cases/{case_id}{part}")).text for part in ("", "/events")]
    assert (await do(dara, case_id, "take")).status_code == 200
    whole = [(await dara.get(f"/v1/cases/{case_id}{part}")).text for part in ("", "/events")]
    assert all(PHONE not in text for text in masked)
    assert all(PHONE in text for text in whole)


async def test_a_command_without_a_version_is_refused(dara: httpx.AsyncClient, story: Story) -> None:
    answer = await dara.post(f"/v1/cases/{await story.sokha()}/take")
    assert (answer.status_code, answer.json()["type"]) == (428, "urn:ringback:problem:version-needed")


async def test_a_version_that_is_none_is_refused(dara: httpx.AsyncClient, story: Story) -> None:
    assert (await do(dara, await story.sokha(), "take", "yesterday")).status_code == 400


async def test_a_stale_version_is_answered_with_what_is_there_now(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, story: Story
) -> None:
    case_id = await story.sokha()
    seen = await version_of(mina, case_id)
    await do(dara, case_id, "take")
    answer = await do(mina, case_id, "take", seen)
    assert answer.status_code == 412
    now = answer.json()["case"]
    assert (now["taken_by"], now["in_your_hand"]) == ("dara", False)
    assert answer.headers["etag"] == f'"{now["version"]}"'


async def test_a_whole_case_goes_through_the_api(dara: httpx.AsyncClient, story: Story, desk: Desk) -> None:
    case_id = await story.sokha()
    for action, body in (
        ("take", {}),
        ("verify", {"method": "case_code"}),
        ("deny", {"transactions": [LOUVRE]}),
        ("wrap-up", {"topics": ["used_by_somebody_else", "new_card"], "note": "she is well"}),
    ):
        answer = await do(dara, case_id, action, "*", **body)
        assert answer.status_code == 200, answer.text
    state, _ = await desk.cases.load(case_id)
    assert (state.resolution, state.task) == ("fraud", None)


async def test_the_same_idempotency_key_acts_once(dara: httpx.AsyncClient, story: Story, desk: Desk) -> None:
    case_id = await story.sokha()
    await do(dara, case_id, "take")
    for _ in range(2):
        headers = {"if-match": "*", "idempotency-key": "k1"}
        assert (await dara.post(f"/v1/cases/{case_id}/deny", headers=headers)).status_code == 200
    denied = [each for each in await desk.cases.timeline(case_id) if isinstance(each.event, PaymentsDenied)]
    assert len(denied) == 1


async def test_what_the_case_does_not_do_is_said_with_its_reason(dara: httpx.AsyncClient, story: Story) -> None:
    answer = await do(dara, await story.sokha(), "deny")
    assert answer.status_code == 409
    assert answer.json()["refusal"]
    assert answer.json()["detail"]


async def test_a_payment_that_is_not_suspect_cannot_be_denied(dara: httpx.AsyncClient, story: Story) -> None:
    case_id = await story.sokha()
    await do(dara, case_id, "take")
    assert (await do(dara, case_id, "deny", transactions=["tx-elsewhere"])).status_code == 409


async def test_topics_that_there_are_not_are_refused(dara: httpx.AsyncClient, story: Story) -> None:
    case_id = await story.sokha()
    await do(dara, case_id, "take")
    assert (await do(dara, case_id, "wrap-up", topics=["weather"])).status_code == 422


async def test_fields_that_there_are_not_are_refused(dara: httpx.AsyncClient, story: Story) -> None:
    answer = await do(dara, await story.sokha(), "take", "*", colour="red")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_case_that_there_is_not_is_not_found(dara: httpx.AsyncClient) -> None:
    assert (await dara.get("/v1/cases/none")).status_code == 404
    assert (await do(dara, "none", "take", "*")).status_code == 404


async def test_a_post_from_another_site_is_refused(dara: httpx.AsyncClient, story: Story) -> None:
    headers = {"if-match": "*", "sec-fetch-site": "cross-site"}
    assert (await dara.post(f"/v1/cases/{await story.sokha()}/take", headers=headers)).status_code == 403
