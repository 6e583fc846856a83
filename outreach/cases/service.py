"""The cases on the history: a command in, the events that it gives appended under the version it was decided on."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from infra.clock import Clock
from infra.history.event import Event, Recorded
from infra.history.store import History
from outreach.cases.alert import Alert
from outreach.cases.commands import Command
from outreach.cases.state import CaseState

Within = Callable[[AsyncConnection[Any]], Awaitable[None]]


class Handled(Struct, frozen=True, kw_only=True):
    """What a command gave. ``events`` is empty when it had been handled before, or changes nothing."""

    version: int
    events: list[Event]
    state: CaseState


class Cases:
    """Every change of a case goes through here; safe to use from many workers at once."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def handle(
        self,
        case_id: str,
        command: Command,
        *,
        actor: str,
        cause: str,
        expected: int | None = None,
        within: Within | None = None,
    ) -> Handled:
        """Decides and appends.

        The ids of the events derive from ``cause`` (what the command follows from: an event's id, a callback, a
        request), so the same cause again changes nothing. ``within`` runs in the transaction of the append, and also
        when there is nothing to append.

        Raises:
            Refused: the case does not do that; ``within`` has not run.
            Conflict: ``expected`` was given and the case has moved on.
            Busy: without ``expected``, the case moved on again and again. Retryable.
            Unavailable: the history is away. Retryable.
        """
        raise NotImplementedError

    async def load(self, case_id: str) -> tuple[CaseState, int]:
        """The case and its version; the default state and 0 where there is none."""
        raise NotImplementedError

    async def timeline(self, case_id: str) -> list[Recorded[Any]]:
        """Every event of the case, oldest first."""
        raise NotImplementedError

    async def receive_alert(self, alert: Alert, *, within: Within | None = None) -> str | None:
        """Opens, joins or amends the case that the alert belongs to; answers its id, or None where none is meant."""
        raise NotImplementedError
