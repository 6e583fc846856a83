"""The queue as a page, and finding a case from it. It works without script; with it, it follows what happens."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from outreach.cases.cases_view import CaseRow
from outreach.cases.queue import QueueRow, waiting
from outreach.desk.answers import SECURITY_HEADERS, PageRoute, page
from outreach.desk.desk import Desk, SignedIn
from outreach.desk.finding import cases_of, is_number, the_one
from outreach.desk.live import queue_digest
from outreach.desk.words import LANGUAGES, REASONS, RESOLUTIONS, SEVERITIES, said


def queue_router(desk: Desk) -> APIRouter:
    """The routes of the queue."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False)

    async def queue_page(
        request: Request, operator: SignedIn, *, not_found: str = "", found: Sequence[CaseRow] = ()
    ) -> Response:
        async with desk.history.transaction() as conn:
            rows = await waiting(conn)
        return page(
            request,
            "queue.html",
            mine=[row for row in rows if row.taken_by == operator.name],
            waiting=[row for row in rows if not row.taken_by and not row.escalated],
            escalated=[row for row in rows if not row.taken_by and row.escalated],
            others=[row for row in rows if row.taken_by not in {"", operator.name}],
            oldest=_oldest(rows),
            digest=queue_digest(rows),
            not_found=not_found,
            found=found,
            words={"reasons": REASONS, "severities": SEVERITIES, "languages": LANGUAGES, "resolutions": RESOLUTIONS},
            said=said,
            once=desk.new_id(),
            **desk.common(operator),
        )

    async def found_page(request: Request, operator: SignedIn, wanted: str) -> Response:
        found = await cases_of(desk, wanted) if wanted else []
        if wanted and not is_number(wanted) and found:
            return to_case(found[0].case_id)  # of two cases that share a code, years apart, the newer
        if (one := the_one(found)) is not None:
            return to_case(one.case_id)
        return await queue_page(request, operator, not_found="" if found else wanted, found=found)

    @router.get("/")
    async def queue(request: Request, code: Annotated[str, Query(max_length=20)] = "") -> Response:
        operator = await desk.at_page(request)
        return await found_page(request, operator, code.strip().upper())

    @router.post("/find")
    async def find(
        request: Request,
        csrf: Annotated[str, Form(max_length=100)] = "",
        wanted: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        # A number is personal: it is sent in a body, and stands in no address and no history of a browser.
        operator = await desk.at_page(request)
        desk.sessions.check_csrf(operator.session, csrf)
        return await found_page(request, operator, wanted.strip().upper())

    return router


def to_case(case_id: str) -> Response:
    """On to the case's page."""
    return RedirectResponse(f"/cases/{case_id}", status_code=303, headers=SECURITY_HEADERS)


def _oldest(rows: list[QueueRow]) -> QueueRow | None:
    return min((row for row in rows if not row.taken_by), key=lambda row: row.created_at, default=None)
