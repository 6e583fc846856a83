"""A real browser at the desk: the one that is installed, and an operator signed in with it."""

import os
import shutil

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page

from tests.outreach.desk.story import PASSWORD

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OF_MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SERIOUS = {"serious", "critical"}


def installed_chromium() -> str:
    """The browser that is there; where there is none, CI fails and a developer's run goes on without these tests."""
    found = [os.environ.get("RINGBACK_CHROMIUM"), *map(shutil.which, NAMES), *filter(os.path.exists, OF_MACOS)]
    chromium = next(filter(None, found), None)
    if chromium is None:
        missing = "no Chromium or Chrome is installed (or name one in RINGBACK_CHROMIUM)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return chromium


async def signed_in(context: BrowserContext, address: str, name: str = "dara") -> Page:
    """A page at the queue, reached through the sign-in form by keyboard; whatever the page throws fails the test."""
    page = await context.new_page()
    context.on("weberror", lambda error: pytest.fail(f"the page threw {error.error}"))
    await page.goto(f"{address}/sign-in")
    await page.locator("input[name=name]:focus").wait_for()
    await page.keyboard.type(name)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{address}/")
    return page


async def nothing_serious(page: Page, what: str) -> None:
    found = await Axe().run(page)
    serious = [each for each in found.response["violations"] if each["impact"] in SERIOUS]
    nodes = [(each["id"], [(node["html"][:120], node["failureSummary"]) for node in each["nodes"]]) for each in serious]
    assert not serious, f"{what}: {nodes}"
