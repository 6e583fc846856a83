"""A witness of the history: sees each event once, in order, and answers for what it saw."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Self, TypeVar

from infra.history.event import Event, Recorded
from infra.history.registry import register
from infra.history.store import History
from outreach.cases import events as case_events
from outreach.customers import events as customer_events

register(case_events, customer_events)

SeenT = TypeVar("SeenT", bound=Event)

POLL_S = 0.05
"""How often the history is asked for more; the witness is a spectator and needs no wake-up of its own."""


class NotSeenError(Exception):
    """What should have happened did not, within the time that it was given."""


class Witness:
    """Follows the history from a position, keeps what it saw, and waits for what is to come."""

    def __init__(self, history: History, *, after: int) -> None:
        self._history = history
        self._after = after
        self._seen: list[Recorded[Event]] = []
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begins to watch."""
        self._watching = asyncio.create_task(self._watch())
        self._watching.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops watching."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            batch = await self._history.read(after=self._after, limit=500)
            if not batch:
                await asyncio.sleep(POLL_S)
                continue
            self._after = batch[-1].position
            self._seen.extend(batch)
            self._changed.set()

    def all(self, kind: type[SeenT], where: Callable[[SeenT], bool] | None = None) -> list[Recorded[SeenT]]:
        """Everything of this kind that was seen so far, in the history's order."""
        found: list[Recorded[SeenT]] = []
        for recorded in self._seen:
            event = recorded.event
            if isinstance(event, kind) and (where is None or where(event)):
                found.append(recorded)  # type: ignore[arg-type]  # the event's class was just checked
        return found

    async def see(
        self, kind: type[SeenT], where: Callable[[SeenT], bool] | None = None, *, count: int = 1, within_s: float = 30
    ) -> Recorded[SeenT]:
        """The ``count``-th event of this kind, waiting for it if need be.

        Raises:
            NotSeenError: it did not happen within ``within_s`` seconds.
        """
        try:
            async with asyncio.timeout(within_s):
                while len(self.all(kind, where)) < count:
                    self._raise_if_died()
                    changed = self._changed
                    await changed.wait()
                    if self._changed is changed:
                        self._changed = asyncio.Event()
        except TimeoutError:
            wanted = kind.wire_name if count == 1 else f"{kind.wire_name} ({count} times)"
            raise NotSeenError(f"{wanted} was not seen within {within_s:g} s") from None
        return self.all(kind, where)[count - 1]

    def _raise_if_died(self) -> None:
        if self._watching is not None and self._watching.done() and not self._watching.cancelled():
            self._watching.result()

    def since(self, moment: datetime, recorded: Recorded[SeenT]) -> float:
        """Seconds from ``moment`` to the commit of what was seen."""
        return (recorded.recorded_at - moment).total_seconds()
