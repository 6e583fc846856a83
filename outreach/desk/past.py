"""The case as it was known at a moment: for reading, never for acting. Each look at it is recorded as any other."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from infra.history.errors import Unavailable
from infra.history.event import Recorded
from infra.history.moments import Moment, NoMoment, moment
from infra.problems import Problem
from outreach.cases.commands import ViewData
from outreach.cases.errors import Busy
from outreach.cases.service import loaded
from outreach.desk.acting import history_away
from outreach.desk.case_view import CaseView, case_view, holds, when_erased
from outreach.desk.desk import Desk, SignedIn


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the case's life the moment is.

    Attributes:
        at: the moment, UTC.
        position: of the last event of the history that was known.
        number: how many of the case's events were known, of ``count`` that there are.
        earlier: position of the event before the last known one; None at the first.
        later: position of the next one; None where nothing has come since.
    """

    at: datetime
    position: int
    number: int
    count: int
    earlier: int | None
    later: int | None


async def look_back(desk: Desk, operator: SignedIn, case_id: str, given: str) -> tuple[CaseView, Past]:
    """The case as this operator may see it, as it was known at a moment (RFC 3339, with its offset) or position.

    Who holds the task *now* sees it unmasked, whoever held it then.

    Raises:
        Problem: 404 where there is no such case, or was none then; 422 for what is no moment; 503.
    """
    state, version = await desk.cases.load(case_id)
    if not state.exists:
        raise Problem(404, "no-such-case", "There is no such case")
    try:
        found = await moment(desk.history, given)
    except NoMoment as error:
        raise Problem(422, "no-such-moment", "There is no such moment", str(error)) from error
    every = [each for each in await desk.cases.timeline(case_id) if each.version <= version]
    known = [each for each in every if each.position <= found.position]
    if not known:
        raise Problem(404, "no-such-case-then", "The case was not open yet", f"Nothing was known of it at {found}.")
    await _record(desk, operator, case_id, found)
    then, version_then = loaded(known)
    profile = None
    if then.customer_id and not state.erased:
        profile = await desk.customers.profile(then.customer_id, as_of=found.position)
    view = case_view(
        then,
        version_then,
        known,
        profile,
        operator=operator.name,
        now=found.at,
        bank=desk.settings.bank_name,
        unmasked=holds(state, operator.name),
        erased_at=when_erased(every),
    )
    return view, _place(found, known, every)


async def _record(desk: Desk, operator: SignedIn, case_id: str, found: Moment) -> None:
    try:
        await desk.cases.handle(
            case_id,
            ViewData(operator=operator.name, screen=f"case as of position {found.position}"),
            actor=operator.actor,
            cause=f"desk look back {operator.name} {desk.new_id()}",
        )
    except (Busy, Unavailable) as away:
        raise history_away() from away


def _place(found: Moment, known: Sequence[Recorded[Any]], every: Sequence[Recorded[Any]]) -> Past:
    return Past(
        at=found.at,
        position=found.position,
        number=len(known),
        count=len(every),
        earlier=known[-2].position if len(known) > 1 else None,
        later=every[len(known)].position if len(every) > len(known) else None,
    )
