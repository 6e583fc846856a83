"""The pages without a browser: what they show, to whom, and what they record."""

import re
from datetime import datetime

import httpx

from outreach.cases.commands import ConfirmPayments, ReceiveReply, TakeTask
from outreach.cases.events import DataViewed, PaymentsDenied, TaskTaken
from outreach.customers.service import CardRef, CustomerMessage
from outreach.desk.desk import Desk
from outreach.desk.presence import last_seen
from tests.leaks import leaks
from tests.outreach.desk.conftest import read_models
from tests.outreach.desk.story import EMAIL, LOUVRE, NAME, PHONE, Story, alert, paid
from tests.ticking import Ticking


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name}"
    return found[1]


def form_of(page: str, **more: str) -> dict[str, str]:
    return {name: field(page, name) for name in ("csrf", "version", "once")} | more


async def looks(desk: Desk, case_id: str) -> list[DataViewed]:
    return [each.event for each in await desk.cases.timeline(case_id) if isinstance(each.event, DataViewed)]


async def test_whoever_is_not_signed_in_is_sent_to_the_sign_in_and_back(anybody: httpx.AsyncClient) -> None:
    answer = await anybody.get("/cases/some-case")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/cases/some-case")


async def test_the_queue_shows_who_waits_in_the_order_in_which_to_take_them(
    dara: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    await story.others()
    case_id = await story.sokha()
    await story.rings(case_id)
    await read_models(desk.history)
    page = (await dara.get("/")).text
    reasons = re.findall(r'class="reason"><a [^>]*>([^<]*)</a>(.*)</td>', page)
    fronts = ["front" in after for _, after in reasons]
    assert reasons[0][0] == "Replied “it was not me”; block by phone"
    assert fronts == sorted(fronts, reverse=True)
    assert NAME not in page
    assert len(reasons) == 8


async def test_an_empty_queue_says_so(dara: httpx.AsyncClient) -> None:
    assert "Nobody is waiting" in (await dara.get("/")).text


async def test_a_case_is_found_by_the_code_that_the_caller_reads_out(
    dara: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    case_id = await story.sokha()
    await read_models(desk.history)
    state, _ = await desk.cases.load(case_id)
    answer = await dara.get("/", params={"code": f" {state.case_code.lower()} "})
    assert answer.headers["location"] == f"/cases/{case_id}"


async def find(client: httpx.AsyncClient, wanted: str) -> httpx.Response:
    return await client.post("/find", data={"csrf": field((await client.get("/")).text, "csrf"), "wanted": wanted})


async def test_a_case_is_found_by_the_number_that_somebody_rings_from(
    dara: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    case_id = await story.sokha()
    await story.others()
    await read_models(desk.history)
    state, _ = await desk.cases.load(case_id)
    for wanted in (PHONE, "+1 (415) 555-0142", "415 555 0142", state.case_code.lower()):
        assert (await find(dara, wanted)).headers["location"] == f"/cases/{case_id}", wanted
    for nobody in ("+1 415 555 0199", "555 0142", "00000000000000"):
        answer = await find(dara, nobody)
        assert (answer.status_code, NAME in answer.text) == (200, False)
        assert "Nobody who has a case has the number" in answer.text
    assert (await dara.post("/find", data={"csrf": "", "wanted": PHONE})).status_code == 403


async def test_of_several_cases_of_a_number_the_open_one_is_opened_and_else_one_chooses(
    dara: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    case_id = await story.sokha()
    twin = CustomerMessage(customer_id="customer-twin", name="Twin", phone=PHONE, cards=[CardRef(card_id="card-twin")])
    await desk.customers.record(twin, "story")
    now = story.clock()
    market, louvre = (paid(city, now, "Shop", "1.00", "EUR", f"tx-twin-{city}") for city in ("Phnom Penh", "Paris"))
    other = await desk.cases.receive_alert(
        alert("card-twin", louvre, market, raised_at=now, distance_km=10139, fastest_s=3600)
    )
    await read_models(desk.history)
    both = (await find(dara, PHONE)).text
    assert "2 cases belong to this number" in both
    assert both.count(f"/cases/{case_id}") >= 1 <= both.count(f"/cases/{other}")
    await story.does(case_id, ReceiveReply(reply_id="r", channel="sms", meaning="genuine", text="1"), "customer")
    task = (await desk.cases.load(case_id))[0].task
    assert task is not None  # grave: an operator asks again
    await story.does(case_id, TakeTask(operator="dara"), "operator:dara")
    await story.does(case_id, ConfirmPayments(transactions=[LOUVRE], by="operator", operator="dara"), "operator:dara")
    await read_models(desk.history)
    assert (await find(dara, PHONE)).headers["location"] == f"/cases/{other}"


async def test_a_code_that_no_case_has_is_answered_in_words(dara: httpx.AsyncClient) -> None:
    assert "No case has the code" in (await dara.get("/", params={"code": "ZZZZZZ"})).text


async def test_the_customer_is_masked_until_the_task_is_taken(dara: httpx.AsyncClient, story: Story) -> None:
    case_id = await story.sokha()
    before = (await dara.get(f"/cases/{case_id}")).text
    assert leaks((NAME, PHONE, EMAIL, "Chan", "4821"), before) == []
    assert "S•••• C••••" in before
    taken = await dara.post(f"/cases/{case_id}/take", data=form_of(before), follow_redirects=True)
    for shown in (NAME, "+1 415-555-0142", "sokha.chan@<wbr>example.com", "4821"):
        assert shown in taken.text


async def test_why_and_where_are_shown_before_anybody_takes_the_task(dara: httpx.AsyncClient, story: Story) -> None:
    page = (await dara.get(f"/cases/{await story.sokha()}")).text
    for shown in ("10,139 km", "Psar Thmei Silk", "1,280.00 EUR", "Europe/Paris", "<svg"):
        assert shown in page


async def test_each_look_is_recorded_as_what_it_was(dara: httpx.AsyncClient, story: Story, desk: Desk) -> None:
    case_id = await story.sokha()
    page = (await dara.get(f"/cases/{case_id}")).text
    await dara.get(f"/cases/{case_id}")
    await dara.post(f"/cases/{case_id}/take", data=form_of(page), follow_redirects=True)
    seen = await looks(desk, case_id)
    assert [(look.operator, look.unmasked) for look in seen] == [("dara", False), ("dara", False), ("dara", True)]


async def test_a_page_that_follows_its_case_counts_as_one_look(
    dara: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    case_id = await story.sokha()
    page = (await dara.get(f"/cases/{case_id}")).text
    for _ in range(3):
        await dara.get(f"/cases/{case_id}", params={"looked": field(page, "looked")})
    assert len(await looks(desk, case_id)) == 1


async def test_the_proof_of_a_look_is_worth_nothing_to_another_operator(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    case_id = await story.sokha()
    page = (await dara.get(f"/cases/{case_id}")).text
    await mina.get(f"/cases/{case_id}", params={"looked": field(page, "looked")})
    assert [look.operator for look in await looks(desk, case_id)] == ["dara", "mina"]


async def test_a_case_in_another_hand_is_read_only_and_masked(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, story: Story
) -> None:
    case_id = await story.sokha()
    await dara.post(f"/cases/{case_id}/take", data=form_of((await dara.get(f"/cases/{case_id}")).text))
    page = (await mina.get(f"/cases/{case_id}")).text
    assert "dara has this case" in page
    assert NAME not in page
    assert 'method="post"' not in page.partition('id="main"')[2].partition("<dialog")[0]


async def test_of_two_operators_one_takes_the_task_and_the_other_is_shown_what_is_there_now(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    case_id = await story.sokha()
    pages = [(await each.get(f"/cases/{case_id}")).text for each in (dara, mina)]
    first = await dara.post(f"/cases/{case_id}/take", data=form_of(pages[0]))
    second = await mina.post(f"/cases/{case_id}/take", data=form_of(pages[1]))
    assert (first.status_code, second.status_code) == (303, 412)
    assert "moved on" in second.text
    assert "dara has this case" in second.text
    taken = [each.event for each in await desk.cases.timeline(case_id) if isinstance(each.event, TaskTaken)]
    assert [event.operator for event in taken] == ["dara"]


async def test_what_does_not_change_the_meaning_of_a_button_does_not_stop_it(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, story: Story
) -> None:
    case_id = await story.sokha()
    page = (await dara.get(f"/cases/{case_id}")).text
    await mina.get(f"/cases/{case_id}")
    assert (await dara.post(f"/cases/{case_id}/take", data=form_of(page))).status_code == 303


async def test_a_form_that_is_sent_twice_acts_once(dara: httpx.AsyncClient, story: Story, desk: Desk) -> None:
    case_id = await story.sokha()
    page = (await dara.get(f"/cases/{case_id}")).text
    page = (await dara.post(f"/cases/{case_id}/take", data=form_of(page), follow_redirects=True)).text
    for _ in range(2):
        await dara.post(f"/cases/{case_id}/deny", data=form_of(page))
    events = [each.event for each in await desk.cases.timeline(case_id)]
    assert sum(isinstance(event, PaymentsDenied) for event in events) == 1
    state, _ = await desk.cases.load(case_id)
    assert sorted(each.action for each in state.actions.values()) == ["block", "decline", "hold", "reissue"]


async def test_only_the_payments_that_are_ticked_are_denied(dara: httpx.AsyncClient, story: Story, desk: Desk) -> None:
    case_id = await story.sokha(more_suspects=2)
    page = (await dara.get(f"/cases/{case_id}")).text
    page = (await dara.post(f"/cases/{case_id}/take", data=form_of(page), follow_redirects=True)).text
    answer = {**form_of(page, chosen="1"), "transactions": ["tx-more-0", "tx-more-1"]}
    await dara.post(f"/cases/{case_id}/deny", data=answer)
    state, _ = await desk.cases.load(case_id)
    assert set(state.denied) == {"tx-more-0", "tx-more-1"}


async def test_no_payment_ticked_is_no_answer(dara: httpx.AsyncClient, story: Story, desk: Desk) -> None:
    case_id = await story.sokha(more_suspects=1)
    page = (await dara.get(f"/cases/{case_id}")).text
    page = (await dara.post(f"/cases/{case_id}/take", data=form_of(page), follow_redirects=True)).text
    assert (await dara.post(f"/cases/{case_id}/deny", data=form_of(page, chosen="1"))).status_code == 422
    assert not (await desk.cases.load(case_id))[0].denied


async def test_a_form_of_another_session_is_refused(
    dara: httpx.AsyncClient, mina: httpx.AsyncClient, story: Story
) -> None:
    case_id = await story.sokha()
    page = (await mina.get(f"/cases/{case_id}")).text
    assert (await dara.post(f"/cases/{case_id}/take", data=form_of(page))).status_code == 403


async def test_a_case_that_there_is_not_is_a_page_that_says_so(dara: httpx.AsyncClient) -> None:
    answer = await dara.get("/cases/none")
    assert answer.status_code == 404
    assert "There is no such case" in answer.text


async def test_pages_are_kept_by_nobody_and_load_nothing_from_elsewhere(dara: httpx.AsyncClient) -> None:
    headers = (await dara.get("/")).headers
    assert headers["cache-control"] == "no-store"
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


async def test_the_theme_goes_round(dara: httpx.AsyncClient) -> None:
    seen = []
    for _ in range(3):
        await dara.post("/theme", data={"back": "/"})
        seen.append(re.findall(r'data-theme="(\w+)"', (await dara.get("/")).text)[0])
    assert seen == ["light", "dark", "system"]


async def seen(desk: Desk, case_id: str) -> datetime | None:
    async with desk.history.transaction() as conn:
        return await last_seen(conn, "dara", case_id)


async def test_opening_a_case_in_hand_and_pressing_are_signs_of_life(
    dara: httpx.AsyncClient, story: Story, desk: Desk, clock: Ticking
) -> None:
    case_id = await story.sokha()
    page = (await dara.get(f"/cases/{case_id}")).text
    assert await seen(desk, case_id) is None
    await dara.post(f"/cases/{case_id}/take", data={"csrf": field(page, "csrf")})
    await dara.get(f"/cases/{case_id}")
    assert await seen(desk, case_id) == clock()
    clock.forward(40)
    sign = await dara.post(f"/cases/{case_id}/presence", headers={"x-csrf-token": field(page, "csrf")})
    assert sign.status_code == 204
    assert await seen(desk, case_id) == clock()


async def test_a_page_that_follows_a_case_by_itself_is_no_sign_of_life(
    dara: httpx.AsyncClient, story: Story, desk: Desk, clock: Ticking
) -> None:
    case_id = await story.sokha()
    page = (await dara.get(f"/cases/{case_id}")).text
    await dara.post(f"/cases/{case_id}/take", data={"csrf": field(page, "csrf")})
    await dara.get(f"/cases/{case_id}")
    opened = clock()
    clock.forward(3600)
    await dara.get(f"/cases/{case_id}", headers={"hx-request": "true"})
    assert await seen(desk, case_id) == opened


async def test_a_form_that_comes_without_a_session_leads_back_to_its_case(
    anybody: httpx.AsyncClient, story: Story
) -> None:
    case_id = await story.sokha()
    answer = await anybody.post(f"/cases/{case_id}/deny")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next=/cases/{case_id}")


async def test_a_page_with_something_typed_on_it_is_not_led_away(anybody: httpx.AsyncClient, story: Story) -> None:
    case_id = await story.sokha()
    answer = await anybody.post(f"/cases/{case_id}/deny", headers={"hx-request": "true"})
    assert answer.status_code == 401
    assert not {"location", "hx-redirect"} & answer.headers.keys()


async def test_a_case_with_a_hold_and_no_answer_says_in_words_why_it_stays_open(
    dara: httpx.AsyncClient, story: Story
) -> None:
    case_id = await story.sokha()
    await dara.post(f"/v1/cases/{case_id}/take", headers={"If-Match": "*"})
    page = (await dara.get(f"/cases/{case_id}")).text
    assert 'id="wrap-up"' not in page
    assert "Put back with this note" in page
    answer = await dara.post(f"/cases/{case_id}/wrap-up", data=form_of(page))
    assert answer.status_code == 409
    assert "nobody has said whose the payment was" in answer.text
    assert "put the task back" in answer.text.lower()


async def test_nobody_is_asked_for_a_code_that_they_were_never_sent(
    dara: httpx.AsyncClient, story: Story, desk: Desk
) -> None:
    review = (await story.others())[3]
    await dara.post(f"/v1/cases/{review}/take", headers={"If-Match": "*"})
    page = (await dara.get(f"/cases/{review}")).text
    assert "They read the code <kbd>" not in page
    assert "more than a day late" in page
    assert (await desk.cases.load(review))[0].verified == frozenset()


async def test_colours_are_changed_where_one_is_whatever_was_pressed_there(
    dara: httpx.AsyncClient, story: Story
) -> None:
    case_id = await story.sokha()
    csrf = field((await dara.get("/")).text, "csrf")
    refused = await dara.post(f"/cases/{case_id}/confirm", data={"csrf": csrf, "version": "any"})
    assert field(refused.text, "back") == f"/cases/{case_id}"
    found_nothing = await dara.post("/find", data={"csrf": csrf, "wanted": "ZZZZZZ"})
    assert field(found_nothing.text, "back") == "/"
    # What was not found is said outside of what is fetched again as the queue moves.
    banner, _, queue = found_nothing.text.partition('<div id="queue"')
    assert "No case has the code" in banner
    assert "No case has the code" not in queue
