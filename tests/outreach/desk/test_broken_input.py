"""What no page of the desk sends is answered with a page that says so: never with an error, never half done."""

from itertools import count
from typing import Any
from urllib.parse import quote, quote_from_bytes, urlencode

import httpx
import pytest

from outreach.cases.events import TaskReturned
from outreach.desk.desk import Desk
from tests.outreach.desk.story import Story
from tests.outreach.desk.test_desk_pages import field

ODD = ("\x00", "<script>alert(1)</script>", "😀", "\u202e", "' or 1=1", "%00", "x" * 300)
NOTES = ("\\x00", "lone \\ud800", "😀 \\u202e <script>alert(1)</script>", "\\r\\n" * 1000)
ADDRESSES = ("/?code={}", "/cases/{}", "/cases/{}/as-of?at=1", "/sign-in?next={}", "/desk/static/x/{}")
FIELDS: dict[str, dict[str, Any]] = {
    "take": {"version": "12x"},
    "verify": {"method": ""},
    "not-verified": {"method": "<b>"},
    "confirm": {"transactions": "nope"},
    "deny": {"transactions": ["x"] * 201},
    "strike-out": {"transactions": "nope"},
    "wrap-up": {"topics": "nope"},
    "return": {"note": "n" * 10_001},
    "hand-over": {"to": "nobody"},
    "promise": {"at": "2026-02-30T10:00", "zone": "UTC"},
    "escalate": {"note": "n" * 4_001},
    "nothing-of-the-kind": {},
}
TIMES = ("", "0001-01-01T00:00", "9999-12-31T23:59", "2026-11-23T10:00+99:00", "soon", "2026-11-23T25:00")
ZONES = ("../../etc/passwd", "\x00", "Nowhere/City")


@pytest.fixture
async def case_id(dara: httpx.AsyncClient, story: Story) -> str:
    """A case that Dara has in hand."""
    case_id = await story.sokha()
    form = {"csrf": field((await dara.get("/")).text, "csrf"), "version": "any"}
    assert (await dara.post(f"/cases/{case_id}/take", data=form)).status_code == 303
    return case_id


async def test_odd_addresses_are_answered_with_pages(dara: httpx.AsyncClient, case_id: str) -> None:
    for odd in ODD:
        for address in (*ADDRESSES, f"/cases/{case_id}/as-of?at={{}}", f"/cases/{case_id}?looked={{}}"):
            answer = await dara.get(address.format(quote(odd, safe="")))
            assert answer.status_code < 500, (address, odd)
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert "<script>alert" not in answer.text, (address, odd)


async def test_odd_fields_change_nothing_and_are_answered_with_pages(
    dara: httpx.AsyncClient, desk: Desk, case_id: str
) -> None:
    csrf = field((await dara.get("/")).text, "csrf")
    _, before = await desk.cases.load(case_id)
    number = count()

    async def refused(action: str, **fields: Any) -> None:
        form = {"csrf": csrf, "version": "any", "once": str(next(number)), **fields}
        answer = await dara.post(f"/cases/{case_id}/{action}", data=form)
        assert answer.status_code in {403, 404, 409, 412, 422}, (action, fields, answer.status_code)
        assert answer.headers["content-type"].startswith("text/html"), (action, fields)
        assert "alert(1)</script>" not in answer.text, (action, fields)

    for action, fields in FIELDS.items():
        await refused(action, **fields)
    for odd in ODD[:3]:
        for action, name in (("hand-over", "to"), ("verify", "method"), ("take", "csrf"), ("take", "version")):
            await refused(action, **{name: odd})
        for action, name in (
            ("confirm", "transactions"),
            ("wrap-up", "topics"),
            ("promise", "at"),
            ("confirm", "chosen"),
        ):
            await refused(action, **{name: odd})
    for at in TIMES:
        await refused("promise", at=at, zone="Pacific/Kiritimati")
    for zone in ZONES:
        await refused("promise", at="2026-11-23T10:00", zone=zone)
    state, after = await desk.cases.load(case_id)
    recorded = await desk.cases.timeline(case_id)
    assert {type(each.event).wire_name for each in recorded[before:after]} <= {"case.data-viewed"}
    assert state.task is not None
    assert state.task.taken_by == "dara"


async def test_an_odd_note_is_kept_as_far_as_text_can_be_and_shown_as_text(
    dara: httpx.AsyncClient, desk: Desk, case_id: str
) -> None:
    form = {"csrf": field((await dara.get("/")).text, "csrf"), "version": "any"}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for number, note in enumerate(NOTES):
        content = f"{urlencode({**form, 'once': number})}&note={quote_from_bytes(note.encode(errors='surrogatepass'))}"
        answer = await dara.post(f"/cases/{case_id}/return", content=content, headers=headers)
        assert answer.status_code == 303, note
        await dara.post(f"/cases/{case_id}/take", data={**form, "once": f"take {number}"})
        page = await dara.get(f"/cases/{case_id}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
    returned = [each.event for each in await desk.cases.timeline(case_id) if isinstance(each.event, TaskReturned)]
    assert len(returned) == len(NOTES)


async def test_odd_bodies_are_refused(dara: httpx.AsyncClient, case_id: str) -> None:
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    for content, headers in ((b"--x\r\nbad", multipart), (b"%ff%fe=%zz", {}), (b"\xff\x00", {}), (b'{"a": 1}', {})):
        answer = await dara.post(f"/cases/{case_id}/return", content=content, headers=headers)
        assert 400 <= answer.status_code < 500, content
        assert answer.headers["content-type"].startswith("text/html"), content


async def test_odd_names_passwords_and_links_do_not_sign_in(anybody: httpx.AsyncClient) -> None:
    for odd in ODD:
        answer = await anybody.post("/sign-in", data={"name": odd[:40], "password": odd})
        assert answer.status_code in {401, 422, 429}, odd
        answer = await anybody.post(f"/sign-in/{quote(odd, safe='')}")
        assert answer.status_code in {401, 404, 422, 429}, odd
