"""The desk in a real browser: by keyboard alone, live, and legible to everybody."""

import asyncio

import pytest
from playwright.async_api import Browser, Page, expect

from infra.history.errors import Unavailable
from infra.history.store import Head
from outreach.cases.events import DataViewed
from outreach.desk.desk import Desk
from tests.outreach.desk.browsing import nothing_serious, signed_in
from tests.outreach.desk.story import MARKET, NAME, Story
from tests.ticking import Ticking

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


async def test_a_whole_case_by_keyboard_alone(page: Page, story: Story, desk: Desk) -> None:
    case_id = await story.sokha()
    await story.rings(case_id)
    await expect(page.locator("tr[data-case]")).to_have_count(1)
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("S••••")
    await page.keyboard.press("t")
    await expect(page.locator("h1")).to_have_text(NAME)
    await page.keyboard.press("v")
    await expect(page.locator(".done-line")).to_contain_text("by the case code")
    await page.keyboard.press("n")
    await expect(page.locator("#deny")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#next-title")).to_have_text("Wrap up")
    await story.card_system_answers(case_id)
    await expect(page.locator(".actions .state.good")).to_have_count(4)
    await page.keyboard.press("w")
    await page.keyboard.press("Space")
    await page.locator("#note").focus()
    await page.keyboard.type("Card was copied; she has cash until Tuesday.")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#next-title")).to_have_text("Resolved")
    state, _ = await desk.cases.load(case_id)
    assert (state.resolution, state.task) == ("fraud", None)
    await page.keyboard.press("q")
    await expect(page.locator(".empty")).to_contain_text("Nobody is waiting")


async def test_the_queue_follows_what_happens_and_says_so(page: Page, story: Story) -> None:
    await expect(page.locator(".empty")).to_be_visible()
    await story.sokha()
    await expect(page.locator("tr[data-case]")).to_have_count(1)
    await expect(page.locator("#says")).to_contain_text("1 waiting")


async def test_what_is_typed_and_ticked_outlives_what_happens_meanwhile(page: Page, story: Story, address: str) -> None:
    case_id = await story.sokha()
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await page.locator("#note").fill("half a thou")
    await page.locator("#topic-travelling").check()
    await page.locator("#note").focus()
    await story.rings(case_id)
    await expect(page.locator(".contacts .inbound")).to_have_count(1)
    await expect(page.locator("#note")).to_have_value("half a thou")
    await expect(page.locator("#topic-travelling")).to_be_checked()
    await page.keyboard.type("ght")
    assert (await page.locator("#note").input_value()).endswith("ght")


async def test_following_a_case_records_no_more_looks(page: Page, story: Story, desk: Desk, address: str) -> None:
    case_id = await story.sokha()
    await page.goto(f"{address}/cases/{case_id}")
    await story.rings(case_id)
    await expect(page.locator(".contacts .inbound")).to_have_count(1)
    await expect(page.locator("main.case")).to_have_attribute(
        "data-position", str((await desk.cases.timeline(case_id))[-1].position)
    )
    looks = [each for each in await desk.cases.timeline(case_id) if isinstance(each.event, DataViewed)]
    assert len(looks) == 1


async def test_two_operators_race_for_a_task_and_both_see_who_has_it(
    browser: Browser, page: Page, story: Story, address: str
) -> None:
    case_id = await story.sokha()
    other = await signed_in(await browser.new_context(), address, "mina")
    for each in (page, other):
        await each.goto(f"{address}/cases/{case_id}")
    await asyncio.gather(page.keyboard.press("t"), other.keyboard.press("t"))
    names = []
    for each in (page, other):
        await expect(each.locator(".next")).not_to_contain_text("Take the task")
        names.append(await each.locator("h1").inner_text())
    assert sum(name == NAME for name in names) == 1


async def test_keys_are_listed_and_can_be_switched_off(page: Page, story: Story, address: str) -> None:
    case_id = await story.sokha()
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("?")
    await expect(page.locator("#shortcuts")).to_be_visible()
    await page.keyboard.press("Space")
    await page.keyboard.press("Escape")
    await page.keyboard.press("t")
    await page.keyboard.press("q")
    await expect(page.locator("#take")).to_be_visible()


async def test_without_script_everything_can_be_read_and_done(
    browser: Browser, story: Story, address: str, desk: Desk
) -> None:
    case_id = await story.sokha()
    page = await signed_in(await browser.new_context(java_script_enabled=False), address)
    await page.goto(f"{address}/cases/{case_id}")
    await page.locator("#take").click()
    await expect(page.locator("h1")).to_have_text(NAME)
    await page.locator("#confirm").click()
    await expect(page.locator("#next-title")).to_have_text("Wrap up")
    assert (await desk.cases.load(case_id))[0].resolution == "genuine"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_on_the_pages_is_seriously_hard_to_use(  # noqa: PLR0917 - its fixtures
    browser: Browser, story: Story, address: str, scheme: str, clock: Ticking, desk: Desk
) -> None:
    await story.others()
    case_id = await story.sokha(more_suspects=1)
    await story.rings(case_id)
    context = await browser.new_context(color_scheme=scheme, viewport={"width": 1440, "height": 900})  # type: ignore[arg-type]
    stranger = await context.new_page()
    await stranger.goto(f"{address}/sign-in")
    await nothing_serious(stranger, "sign-in")
    page = await signed_in(context, address)
    await expect(page.locator("tr[data-case]")).to_have_count(8)
    await page.keyboard.press("j")
    await nothing_serious(page, "queue")
    await page.goto(f"{address}/cases/{case_id}")
    await nothing_serious(page, "masked case")
    clock.forward(5)
    await page.keyboard.press("t")
    await expect(page.locator("#deny")).to_be_visible()
    await nothing_serious(page, "case in hand")
    await page.keyboard.press("?")
    await nothing_serious(page, "keys")
    assert desk.settings.bank_name in await page.locator(".bank").inner_text()


async def test_a_page_that_nobody_touches_gives_no_sign_of_life(page: Page, story: Story, address: str) -> None:
    case_id = await story.sokha()
    signs: list[str] = []
    page.on("request", lambda asked: signs.append(asked.url) if asked.url.endswith("/presence") else None)
    await page.clock.install()
    await page.goto(f"{address}/cases/{case_id}")
    async with page.expect_response("**/presence"):
        await page.keyboard.press("t")
        await expect(page.locator("h1")).to_have_text(NAME)
        await page.clock.run_for(60_000)
    await page.clock.run_for(1_200_000)
    await story.rings(case_id)
    await page.clock.run_for(60_000)
    await expect(page.locator(".contacts .inbound")).to_have_count(1)
    assert len(signs) == 1
    async with page.expect_response("**/presence"):
        await page.mouse.move(300, 300)
        await page.clock.run_for(2_000)
    assert len(signs) == 2


async def test_every_suspect_payment_is_shown_and_asked_about(page: Page, story: Story, address: str) -> None:
    case_id = await story.sokha(more_suspects=2)
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await expect(page.locator("h1")).to_have_text(NAME)
    await page.keyboard.press("v")
    await expect(page.locator("#next-title")).to_have_text("Ask about the 3 payments")
    for told in ("1,280.00 EUR at Musée du Louvre", "420.00 EUR at Galeries Lafayette", "421.00 EUR", "all in Paris"):
        await expect(page.locator(".say")).to_contain_text(told)
    await expect(page.locator(".which input:checked")).to_have_count(3)
    await expect(page.locator(".more li")).to_have_count(2)
    await page.keyboard.press("n")
    await page.keyboard.press("Enter")
    await expect(page.locator(".why .pill.bad")).to_have_count(3)


async def test_a_case_that_nobody_answers_goes_back_with_what_was_noted(page: Page, story: Story, address: str) -> None:
    case_id = await story.sokha()
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await expect(page.locator("#wrap-up")).to_have_count(0)
    await page.locator("#note").fill("Rang twice; nobody picked up.")
    await page.keyboard.press("Escape")
    await page.keyboard.press("r")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{address}/")
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await expect(page.locator(".next")).to_contain_text("dara put it back: Rang twice; nobody picked up.")


async def test_a_row_that_one_looks_at_stays_where_it_is_when_others_come_in_above(
    page: Page, story: Story, address: str
) -> None:
    waiting = await story.others()
    await page.set_viewport_size({"width": 1024, "height": 240})
    await page.goto(address)
    row = page.locator(f"tr[data-case='{waiting[5]}']")
    await row.hover()
    before = await row.bounding_box()
    await story.rings(await story.sokha())
    await expect(page.locator("tr[data-case]")).to_have_count(len(waiting) + 1)
    after = None
    while after is None:  # the row is laid anew, and a box asked for in between is none
        await expect(row).to_be_visible()
        after = await row.bounding_box()
    assert before is not None
    assert abs(before["y"] - after["y"]) < 2


async def test_a_page_says_that_the_history_is_away_and_takes_it_back(page: Page, desk: Desk, story: Story) -> None:
    await story.sokha()
    await expect(page.locator("tr[data-case]")).to_have_count(1)
    connection = page.locator("#connection")
    opened = desk.history.head

    async def away() -> Head:
        raise Unavailable("told to be away")

    desk.history.head = away  # type: ignore[method-assign]  # one read of one object: the server itself goes on
    await expect(connection).to_contain_text("Not live")
    desk.history.head = opened  # type: ignore[method-assign]  # as before
    await expect(connection).to_be_empty()


async def test_the_past_is_walked_by_keyboard_and_legible(page: Page, story: Story, desk: Desk, address: str) -> None:
    case_id = await story.sokha()
    await story.rings(case_id)
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await expect(page.locator("h1")).to_have_text(NAME)
    opened = (await desk.cases.timeline(case_id))[0].position
    await page.locator(f".timeline a[href$='at={opened}']").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".as-of")).to_contain_text("after 1 of")
    await expect(page.locator("main form, main button")).to_have_count(0)
    await page.keyboard.press(".")
    await expect(page.locator(".as-of")).to_contain_text("after 2 of")
    await page.keyboard.press(",")
    await expect(page.locator(".as-of")).to_contain_text("after 1 of")
    await nothing_serious(page, "the past")
    await page.keyboard.press("n")
    await page.wait_for_url(f"{address}/cases/{case_id}")
    await expect(page.locator("h1")).to_have_text(NAME)


async def test_a_call_and_what_comes_of_it_by_keyboard_alone(
    browser: Browser, page: Page, story: Story, address: str, desk: Desk
) -> None:
    case_id = await story.sokha()
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await expect(page.locator("#call")).to_be_visible()
    await page.keyboard.press("c")
    await expect(page.locator("#call-answered")).to_be_visible()
    await page.keyboard.press("a")
    await expect(page.locator("#call-dropped")).to_be_visible()
    await page.keyboard.press("b")
    await expect(page.locator(".done-line", has_text="by calling back")).to_be_visible()
    await page.keyboard.press("s")
    await expect(page.locator(".believed-too [type=checkbox]")).to_be_focused()
    await page.keyboard.press("Space")
    await story.rings(case_id)
    await expect(page.locator(".contacts .inbound")).to_have_count(1)
    await expect(page.locator(".believed-too [type=checkbox]")).to_be_checked()
    await page.locator("#strike-out").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".believed-too .done-line")).to_contain_text("Psar Thmei Silk")
    await nothing_serious(page, "struck out")
    await page.keyboard.press("e")
    await expect(page.locator("#call")).to_be_visible()
    await page.locator("#note").fill("Wants to hear from a supervisor.")
    await page.keyboard.press("Escape")
    await page.keyboard.press("u")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{address}/")
    state, _ = await desk.cases.load(case_id)
    assert state.task is not None
    assert (state.task.escalated, state.struck_out) == (True, (MARKET,))
    await page.goto(f"{address}/cases/{case_id}")
    await expect(page.locator("#next-title")).to_have_text("Waiting for a supervisor")
    supervisor = await signed_in(await browser.new_context(), address, "vera")
    await supervisor.goto(f"{address}/cases/{case_id}")
    await supervisor.keyboard.press("t")
    await expect(supervisor.locator(".next")).to_contain_text(
        "dara wants a supervisor: Wants to hear from a supervisor."
    )
