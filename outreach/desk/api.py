"""The desk's own API: cases to read, and one route a command. ``If-Match`` carries the version that one believes in."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from infra.problems import Problem
from outreach.cases.queue import waiting
from outreach.desk.acting import act, look, unmasked
from outreach.desk.answers import DocumentRoute
from outreach.desk.asked import LONGEST_NOTE, MOST_TRANSACTIONS, Asked
from outreach.desk.desk import Desk, SignedIn
from outreach.desk.masking import event_document
from outreach.desk.sessions import refuse_foreign_origin

ETAG = re.compile(r'(?:W/)?"(\d{1,18})"\Z|(\d{1,18})\Z')
NO_STORE = {"Cache-Control": "no-store"}


class CaseInQueue(BaseModel):
    """An open task. Times in UTC; ``taken_by`` is empty while it waits.

    ``promised_at``: when the customer is to be rung; ``escalated``: a supervisor is to decide.
    """

    task_id: str
    case_id: str
    case_code: str
    reason: str
    front: bool
    severity: str
    language: str
    created_at: datetime
    taken_by: str
    taken_at: datetime | None
    promised_at: datetime | None
    escalated: bool


class QueueDocument(BaseModel):
    """The open tasks, in the order in which to take them."""

    cases: list[CaseInQueue]


class ActionBody(BaseModel):
    """What an action may need: payments (none given: all that nobody has answered), a method, topics and a note.

    ``to``: the operator who is to have the task. ``at``: the promised time of a call, RFC 3339 with an offset.
    """

    model_config = ConfigDict(extra="forbid")

    transactions: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(
        default=None, max_length=MOST_TRANSACTIONS
    )
    method: Literal["", "case_code", "callback", "questions"] = ""
    topics: list[Annotated[str, Field(max_length=64)]] = Field(default_factory=list, max_length=20)
    note: str = Field(default="", max_length=LONGEST_NOTE)
    to: str = Field(default="", max_length=40)
    at: str = Field(default="", max_length=40)


class ActionDocument(BaseModel):
    """What the action gave: the case's version now, and the types of the events that it added; none, if repeated."""

    case_id: str
    version: int
    events: list[str]


Action = Literal[
    "take",
    "return",
    "hand-over",
    "escalate",
    "settle",
    "assign",
    "take-back",
    "reopen",
    "verify",
    "not-verified",
    "call",
    "call-answered",
    "call-dropped",
    "call-ended",
    "promise",
    "confirm",
    "deny",
    "strike-out",
    "wrap-up",
]


def expected_version(if_match: str | None) -> int | None:
    """The version in ``If-Match``; None for ``*``, which takes the case as it is.

    Raises:
        Problem: 428 where the header is missing, 400 where it is no version.
    """
    if if_match is None:
        raise Problem(
            428, "version-needed", "Say which version of the case you have seen", 'Send If-Match: "version", or *.'
        )
    if if_match.strip() == "*":
        return None
    match = ETAG.match(if_match.strip())
    if match is None:
        raise Problem(400, "invalid-version", "If-Match is no version", 'It is the ETag of the case: "12".')
    return int(match[1] or match[2])


def api_router(desk: Desk) -> APIRouter:
    """The routes under ``/v1/cases``."""
    router = APIRouter(prefix="/v1/cases", tags=["cases"], route_class=DocumentRoute)

    @router.get("", summary="The queue: open tasks, in the order in which to take them")
    async def queue(request: Request) -> QueueDocument:
        await desk.at_api(request)
        async with desk.history.transaction() as conn:
            rows = await waiting(conn)
        return QueueDocument(cases=[CaseInQueue.model_validate(msgspec.to_builtins(row)) for row in rows])

    @router.get("/{case_id}", summary="A case, masked unless its task is in your hand; the look is recorded")
    async def case(request: Request, case_id: str) -> JSONResponse:
        operator = await desk.at_api(request)
        view, state, _ = await look(desk, operator, case_id, screen="api", cause=desk.new_id())
        task = state.task
        document = {
            **msgspec.to_builtins(view),
            "task": {"task_id": task.task_id, "reason": task.reason, "taken_by": task.taken_by} if task else None,
            "resolution": state.resolution,
        }
        return JSONResponse(document, headers={**NO_STORE, "ETag": f'"{view.version}"'})

    @router.get("/{case_id}/events", summary="The case's events; personal fields only with its task in your hand")
    async def events(request: Request, case_id: str) -> JSONResponse:
        operator = await desk.at_api(request)
        view, state, recorded = await look(desk, operator, case_id, screen="api-events", cause=desk.new_id())
        masked = not unmasked(state, operator)
        document = {"case_id": case_id, "events": [event_document(each, masked=masked) for each in recorded]}
        return JSONResponse(document, headers={**NO_STORE, "ETag": f'"{view.version}"'})

    @router.post("/{case_id}/{action}", summary="Acts on a case", responses=_ANSWERS)
    async def action(
        request: Request,
        case_id: str,
        action: Action,
        *,
        body: ActionBody | None = None,
        if_match: Annotated[str | None, Header()] = None,
        idempotency_key: Annotated[str | None, Header(max_length=100)] = None,
    ) -> JSONResponse:
        refuse_foreign_origin(request)
        operator = await desk.at_api(request)
        expected = expected_version(if_match)
        asked = Asked(**body.model_dump()) if body else Asked()
        try:
            handled = await act(
                desk,
                operator,
                case_id,
                action,
                asked,
                expected=expected,
                cause=f"{case_id} {action} {idempotency_key or desk.new_id()}",
            )
        except Problem as problem:
            if problem.status == 412:  # noqa: PLR2004 - precondition failed
                problem.extra["case"] = await _now(desk, operator, case_id)
            raise
        document = ActionDocument(
            case_id=case_id, version=handled.version, events=[type(event).wire_name for event in handled.events]
        )
        return JSONResponse(document.model_dump(), headers={**NO_STORE, "ETag": f'"{handled.version}"'})

    return router


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": ActionDocument},
    401: {"description": "Nobody is signed in"},
    403: {"description": "Only a supervisor does this"},
    404: {"description": "There is no such case"},
    409: {"description": "The case does not do that: `refusal` says why"},
    412: {"description": "The case has moved on: `version` and `case` say to where"},
    428: {"description": "If-Match is missing"},
    503: {"description": "The history cannot be reached; the same request again is harmless"},
}


async def _now(desk: Desk, operator: SignedIn, case_id: str) -> dict[str, Any]:
    """What is there now, without a word about the customer."""
    state, version = await desk.cases.load(case_id)
    return {
        "version": version,
        "taken_by": state.task.taken_by if state.task else "",
        "in_your_hand": unmasked(state, operator),
        "reason": state.task.reason if state.task else "",
        "resolution": state.resolution,
        "confirmed": sorted(state.confirmed),
        "denied": sorted(state.denied),
    }
