"""The desk in a real browser: while an answer is awaited, when a session ends, and as a supervisor follows it all."""

import asyncio

import pytest
from playwright.async_api import Browser, Page, Route, expect

from outreach.desk.desk import Desk
from tests.outreach.desk.browsing import nothing_serious, signed_in
from tests.outreach.desk.story import PASSWORD, Story

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


async def test_what_is_pressed_while_an_answer_is_awaited_is_not_sent(page: Page, story: Story, address: str) -> None:
    case_id = await story.sokha()
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await page.locator("#note").fill("half a thought")
    await page.keyboard.press("Escape")
    sent: list[str] = []
    held = asyncio.Event()

    async def slowly(route: Route) -> None:
        sent.append(route.request.url.rpartition("/")[2])
        await held.wait()
        await route.continue_()

    await page.route("**/cases/*/deny", slowly)
    await page.route("**/cases/*/confirm", slowly)
    for key in ("n", "Enter", "Enter", "y", "Enter"):
        await page.keyboard.press(key)
    await expect(page.locator("main")).to_have_attribute("aria-busy", "true")
    held.set()
    await expect(page.locator(".next.wrap_up")).to_be_visible()
    assert sent == ["deny"]
    await expect(page.locator("#problem")).to_have_count(0)
    await expect(page.locator("#note")).to_have_value("half a thought")


async def test_a_session_that_ends_in_the_middle_of_a_case_costs_nothing_that_was_typed(
    page: Page, story: Story, desk: Desk, address: str
) -> None:
    case_id = await story.sokha()
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await page.locator("#note").fill("half a thought")
    await page.keyboard.press("Escape")
    await page.context.clear_cookies(name="ringback_session")
    await page.keyboard.press("n")
    await page.keyboard.press("Enter")
    await expect(page.locator("#again-password")).to_be_focused()
    await page.keyboard.type("not this")
    await page.keyboard.press("Enter")
    await expect(page.locator("#signed-out [role=alert]")).to_be_visible()
    await page.locator("#again-password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#signed-out")).to_be_hidden()
    await expect(page.locator("#note")).to_have_value("half a thought")
    assert not (await desk.cases.load(case_id))[0].denied
    await page.locator("#deny").press("Enter")
    await expect(page.locator(".next.wrap_up")).to_be_visible()


async def test_somebody_else_who_signs_in_there_finds_nothing_of_what_was_typed(
    page: Page, story: Story, address: str
) -> None:
    case_id = await story.sokha()
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await page.locator("#note").fill("half a thought")
    await page.context.clear_cookies(name="ringback_session")
    await page.locator("#deny").press("Enter")
    await page.locator("#again-name").fill("mina")
    await page.locator("#again-password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#next-title")).to_have_text("dara has this case")
    await expect(page.locator("#note")).to_have_count(0)


async def test_the_wallboard_follows_what_happens_and_what_is_escalated_is_taken_from_it(
    browser: Browser, page: Page, story: Story, address: str
) -> None:
    board = await signed_in(await browser.new_context(viewport={"width": 1024, "height": 768}), address, "vera")
    await board.keyboard.press("o")
    await board.wait_for_url(f"{address}/wallboard")
    case_id = await story.sokha()
    await expect(board.locator(".figures dd").first).to_have_text("1")
    await page.goto(f"{address}/cases/{case_id}")
    await page.keyboard.press("t")
    await expect(board.locator(f"tr[data-case='{case_id}']")).to_contain_text("dara")
    await nothing_serious(board, "wallboard")
    await page.keyboard.press("u")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{address}/")
    await expect(page.locator("caption")).to_contain_text("Waiting for a supervisor")
    await expect(board.locator("#decide-title")).to_be_visible()
    await board.keyboard.press("j")
    await board.keyboard.press("t")
    await board.wait_for_url(f"{address}/cases/{case_id}")
    await expect(board.locator("#settle")).to_be_visible()
