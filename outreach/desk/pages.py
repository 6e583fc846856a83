"""The case as a page, now and as it was. It works without script for reading; with it, it follows what happens."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from infra.problems import Problem
from outreach.desk.accounts import Account
from outreach.desk.acting import act_as_seen, look
from outreach.desk.answers import SECURITY_HEADERS, PageRoute, page
from outreach.desk.asked import LEAVING, Asked
from outreach.desk.case_view import CaseView
from outreach.desk.desk import Desk, SignedIn
from outreach.desk.past import look_back
from outreach.desk.presence import EVERY_S
from outreach.desk.queue_page import to_case
from outreach.desk.sessions import CSRF_HEADER
from outreach.desk.words import SEVERITIES, TOPICS, said


def page_router(desk: Desk) -> APIRouter:  # noqa: C901 - routes share the desk by closure; each is simple
    """The routes of the page and of what keeps every page alive."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False)

    async def case_page(
        request: Request, operator: SignedIn, case_id: str, *, looked: str = "", problem: Problem | None = None
    ) -> Response:
        # A page that follows the case looks once; it looks again when it shows more than it did.
        seen = desk.sessions.look(looked, operator.session, case_id)
        state, _ = await desk.cases.load(case_id)
        unmasked = state.task is not None and state.task.taken_by == operator.name
        cause = None if seen == unmasked else desk.new_id()
        view, _, _ = await look(desk, operator, case_id, screen="case", cause=cause)
        if view.mine and ("hx-request" not in request.headers or request.method == "POST"):
            # Somebody opened the page or pressed; a page that follows the case asks by itself, perhaps to nobody.
            await desk.presence.touch(operator.name, case_id[:64])
        kept = looked if cause is None else desk.sessions.looked(operator.session, case_id, unmasked=view.mine)
        return page(
            request,
            "case.html",
            status=problem.status if problem else 200,
            case=view,
            past=None,
            problem=problem,
            looked=kept,
            topics=TOPICS,
            said=said,
            words={"severities": SEVERITIES},
            colleagues=await _colleagues(desk, operator, view),
            presence_s=EVERY_S,
            once=desk.new_id(),
            **desk.common(operator),
        )

    @router.get("/cases/{case_id}")
    async def case(request: Request, case_id: str, looked: Annotated[str, Query(max_length=500)] = "") -> Response:
        return await case_page(request, await desk.at_page(request), case_id, looked=looked)

    @router.get("/cases/{case_id}/as-of")
    async def as_of(request: Request, case_id: str, at: Annotated[str, Query(max_length=40)] = "") -> Response:
        operator = await desk.at_page(request)
        if not at.strip():
            return RedirectResponse(f"/cases/{quote(case_id)}", status_code=303, headers=SECURITY_HEADERS)
        view, past = await look_back(desk, operator, case_id, at)
        return page(
            request,
            "case.html",
            case=view,
            past=past,
            problem=None,
            said=said,
            words={"severities": SEVERITIES},
            **{**desk.common(operator), "now": past.at},
        )

    @router.post("/cases/{case_id}/presence")
    async def presence(request: Request, case_id: str) -> Response:
        operator = await desk.at_page(request)
        desk.sessions.check_csrf(operator.session, request.headers.get(CSRF_HEADER, ""))
        await desk.presence.touch(operator.name, case_id[:64])
        return Response(status_code=204)

    @router.post("/cases/{case_id}/{action}")
    async def act_on(
        request: Request,
        case_id: str,
        action: str,
        *,
        csrf: Annotated[str, Form(max_length=100)] = "",
        version: Annotated[str, Form(pattern=r"^(\d{1,18}|any)$")] = "any",
        once: Annotated[str, Form(max_length=100)] = "",
        method: Annotated[str, Form(max_length=20)] = "",
        note: Annotated[str, Form(max_length=10_000)] = "",
        to: Annotated[str, Form(max_length=40)] = "",
        at: Annotated[str, Form(max_length=40)] = "",
        zone: Annotated[str, Form(max_length=60)] = "",
        looked: Annotated[str, Form(max_length=500)] = "",
        chosen: Annotated[bool, Form()] = False,
        transactions: Annotated[list[str] | None, Form()] = None,
        topics: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        operator = await desk.at_page(request)
        desk.sessions.check_csrf(operator.session, csrf)
        if chosen and transactions is None:
            transactions = []
        asked = Asked(transactions=transactions, method=method, topics=topics or [], note=note, to=to, at=at, zone=zone)
        cause = f"{case_id} {action} {once or desk.new_id()}"
        try:
            await act_as_seen(desk, operator, case_id, action, asked, seen=_version(version), cause=cause)
        except Problem as problem:
            if problem.status not in {409, 412, 422}:
                raise
            return await case_page(request, operator, case_id, looked=looked, problem=problem)
        follows = "hx-request" in request.headers
        if action in LEAVING:
            return _to_the_queue(follows=follows)
        if follows:
            return await case_page(request, operator, case_id, looked=looked)
        return to_case(case_id)

    @router.get("/desk/events")
    async def events(request: Request) -> Response:
        await desk.at_page(request)
        last = request.headers.get("last-event-id") or request.query_params.get("after", "")
        after = int(last) if last.isascii() and last.isdigit() else None
        headers = {**SECURITY_HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(desk.live.events(after), media_type="text/event-stream", headers=headers)

    return router


async def _colleagues(desk: Desk, operator: SignedIn, view: CaseView) -> list[Account]:
    """To whom the operator may give the task; empty where it is not theirs to give."""
    if not (view.mine or (operator.supervises and view.reason)):
        return []
    everybody = [each.account for each in await desk.roster.colleagues()]
    return [each for each in everybody if not each.disabled and each.name != view.held_by]


def _to_the_queue(*, follows: bool) -> Response:
    headers = {"HX-Redirect": "/"} if follows else {"Location": "/"}
    return Response(status_code=204 if follows else 303, headers={**SECURITY_HEADERS, **headers})


def _version(seen: str) -> int | None:
    """The version that the page showed; None from the queue, which shows none."""
    return None if seen == "any" else int(seen)
