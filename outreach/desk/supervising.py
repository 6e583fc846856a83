"""The supervisor's page: the wallboard, and what is done from it to the tasks of others."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from infra.problems import Problem
from outreach.cases.due import awaited, waits
from outreach.cases.queue import waiting
from outreach.desk.acting import act_as_seen
from outreach.desk.answers import SECURITY_HEADERS, PageRoute, page
from outreach.desk.asked import OF_SUPERVISORS, Asked
from outreach.desk.desk import Desk, SignedIn
from outreach.desk.live import queue_digest
from outreach.desk.wallboard import board
from outreach.desk.words import LANGUAGES, REASONS, SEVERITIES, said


def supervision_router(desk: Desk) -> APIRouter:
    """The routes of the wallboard."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False)

    async def wallboard(request: Request, operator: SignedIn, *, problem: Problem | None = None) -> Response:
        now = desk.clock()
        async with desk.history.transaction() as conn:
            rows = await waiting(conn)
            found = await awaited(conn)
        colleagues = await desk.roster.colleagues()
        return page(
            request,
            "wallboard.html",
            status=problem.status if problem else 200,
            board=board(rows, found, colleagues, waits=waits(desk.settings), now=now),
            digest=queue_digest(rows),
            position=(await desk.history.head()).position,
            problem=problem,
            words={"reasons": REASONS, "severities": SEVERITIES, "languages": LANGUAGES},
            said=said,
            once=desk.new_id(),
            **desk.common(operator),
        )

    @router.get("/wallboard")
    async def look(request: Request) -> Response:
        return await wallboard(request, await _supervisor(desk, request))

    @router.post("/wallboard/{case_id}/{action}")
    async def move(
        request: Request,
        case_id: str,
        action: str,
        *,
        csrf: Annotated[str, Form(max_length=100)] = "",
        once: Annotated[str, Form(max_length=100)] = "",
        to: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        operator = await _supervisor(desk, request)
        desk.sessions.check_csrf(operator.session, csrf)
        if action not in OF_SUPERVISORS:
            raise Problem(404, "no-such-action", "The wallboard has no such action")
        cause = f"{case_id} {action} {to} {once or desk.new_id()}"
        try:
            await act_as_seen(desk, operator, case_id, action, Asked(to=to), seen=None, cause=cause)
        except Problem as problem:
            if problem.status not in {409, 422}:
                raise
            return await wallboard(request, operator, problem=problem)
        return RedirectResponse("/wallboard", status_code=303, headers=SECURITY_HEADERS)

    return router


async def _supervisor(desk: Desk, request: Request) -> SignedIn:
    operator = await desk.at_page(request)
    if not operator.supervises:
        raise Problem(403, "supervisor-needed", "The wallboard is for supervisors")
    return operator
