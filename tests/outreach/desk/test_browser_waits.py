"""The desk in a real browser while an answer is awaited, and when a session ends in the middle of a case."""

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from outreach.desk.desk import Desk
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
