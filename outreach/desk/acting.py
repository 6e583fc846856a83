"""What an operator does to a case, whichever way it came in: forms and API go through the same functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from infra.history.errors import Conflict, Unavailable
from infra.history.event import Recorded
from infra.problems import Problem
from outreach.cases.commands import AssignTask, Command, Escalate, HandOver, ViewData
from outreach.cases.errors import Busy, Refused
from outreach.cases.events import (
    CardActionAnswered,
    CardActionSent,
    CardShipped,
    ContactAccepted,
    ContactIntended,
    ContactRequested,
    DataViewed,
    DeliveryReported,
)
from outreach.cases.service import Handled
from outreach.cases.state import CaseState
from outreach.desk.asked import Asked, Asking, command_of, invalid
from outreach.desk.case_view import CaseView, case_view, holds
from outreach.desk.desk import Desk, SignedIn
from outreach.desk.words import REFUSALS

IMMATERIAL = (
    DataViewed,
    DeliveryReported,
    ContactRequested,
    ContactIntended,
    ContactAccepted,
    CardActionSent,
    CardActionAnswered,
    CardShipped,
)
"""Events that change nothing about what an operator sees the buttons do: a form that missed only these still stands."""


async def act(
    desk: Desk, operator: SignedIn, case_id: str, action: str, asked: Asked, *, expected: int | None, cause: str
) -> Handled:
    """Does it, if the case is where the operator believes it to be; ``expected`` None: wherever it is.

    Raises:
        Problem: 403 for a supervisor's action, 404, 409 where the case refuses, 412 where it has moved on, 422, 503.
    """
    state, _ = await _load(desk, case_id)
    cause = f"desk {operator.name} {cause}"
    asking = Asking(operator=operator.name, supervises=operator.supervises, now=desk.clock(), cause=cause)
    command = await _addressed(desk, command_of(action, asked, asking, state))
    try:
        return await desk.cases.handle(case_id, command, actor=operator.actor, cause=cause, expected=expected)
    except Conflict as conflict:
        raise moved_on(case_id, conflict) from conflict
    except Refused as refused:
        raise refusal(refused) from refused
    except (Busy, Unavailable) as away:
        raise history_away() from away


async def _addressed(desk: Desk, command: Command) -> Command:
    """The command, with whether it goes to a supervisor.

    Raises:
        Problem: 409 where nobody is a supervisor, 422 where there is nobody of that name.
    """
    if isinstance(command, Escalate) and not await desk.roster.has_supervisor():
        raise Problem(409, "refused", *REFUSALS["no_supervisor"], extra={"refusal": "no_supervisor"})
    if not isinstance(command, HandOver | AssignTask):
        return command
    to = await desk.accounts.find(command.to)
    if to is None or to.disabled:
        raise invalid("to", "the name of another operator, as they sign in")
    return replace(command, to_supervisor=to.supervises)


async def act_as_seen(
    desk: Desk, operator: SignedIn, case_id: str, action: str, asked: Asked, *, seen: int | None, cause: str
) -> Handled:
    """Like :func:`act`, for a page: what has happened since it was drawn matters only if it changes its meaning."""
    try:
        return await act(desk, operator, case_id, action, asked, expected=seen, cause=cause)
    except Problem as problem:
        if seen is None or problem.status != 412:  # noqa: PLR2004 - precondition failed
            raise
        recorded = await desk.history.read_stream(f"case-{case_id}", after=seen)
        if not all(isinstance(each.event, IMMATERIAL) for each in recorded):
            raise
        return await act(desk, operator, case_id, action, asked, expected=seen + len(recorded), cause=cause)


async def look(
    desk: Desk, operator: SignedIn, case_id: str, *, screen: str, cause: str | None
) -> tuple[CaseView, CaseState, Sequence[Recorded[Any]]]:
    """The case as this operator may see it; the look is recorded first, unless ``cause`` is None: it was before.

    Raises:
        Problem: 404, 503.
    """
    state, version = await _load(desk, case_id)
    if cause is not None:
        try:
            handled = await desk.cases.handle(
                case_id,
                ViewData(operator=operator.name, screen=screen),
                actor=operator.actor,
                cause=f"desk look {operator.name} {cause}",
            )
        except (Busy, Unavailable) as away:
            raise history_away() from away
        state, version = handled.state, handled.version
    recorded = await desk.cases.timeline(case_id)
    # What was appended since belongs to the next look: state, version and timeline show one moment.
    recorded = [each for each in recorded if each.version <= version]
    # A record that came after an erasure is of a new person, to whom this case does not belong.
    known = bool(state.customer_id) and not state.erased
    profile = await desk.customers.profile(state.customer_id) if known else None
    view = case_view(
        state,
        version,
        recorded,
        profile,
        operator=operator.name,
        supervises=operator.supervises,
        now=desk.clock(),
        bank=desk.settings.bank_name,
    )
    return view, state, recorded


async def _load(desk: Desk, case_id: str) -> tuple[CaseState, int]:
    state, version = await desk.cases.load(case_id)
    if not state.exists:
        raise Problem(404, "no-such-case", "There is no such case")
    return state, version


def unmasked(state: CaseState, operator: SignedIn) -> bool:
    """Whether the operator has the task in hand."""
    return holds(state, operator.name)


def moved_on(case_id: str, conflict: Conflict) -> Problem:
    """412: the case is not where the caller believes it to be."""
    return Problem(
        412,
        "case-moved-on",
        "The case has moved on since you looked",
        f"You saw version {conflict.expected}; it is at version {conflict.found}.",
        extra={"case_id": case_id, "expected_version": conflict.expected, "version": conflict.found},
        headers={"ETag": f'"{conflict.found}"'},
    )


def refusal(refused: Refused) -> Problem:
    """409, or 404 where there is no case: the case does not do that."""
    status = 404 if refused.code == "no_case" else 409
    extra: Mapping[str, Any] = {"refusal": refused.code}
    code = "no-such-case" if status == 404 else "refused"  # noqa: PLR2004 - the status just chosen
    title, detail = REFUSALS.get(refused.code, ("The case does not do that", refused.reason))
    return Problem(status, code, title, detail, extra=extra)


def history_away() -> Problem:
    """503: nothing was recorded that we know of; the same request again is harmless."""
    return Problem(
        503,
        "history-away",
        "The history cannot be reached",
        "Nothing can be looked at or done until it is back. Try again; nothing is done twice.",
        headers={"Retry-After": "2"},
    )
