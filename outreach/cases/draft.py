"""A decision in the making: the events so far, and the case as they would leave it."""

from infra.history.event import Event
from infra.history.registry import without_personal
from outreach.cases.events import ContactRequested
from outreach.cases.evolve import evolve
from outreach.cases.state import CaseState


class Draft:
    """Collects the events of one decision; each next one is decided on the state after those before it."""

    def __init__(self, state: CaseState, *, may_reopen: bool = True) -> None:
        self.state = state
        self.events: list[Event] = []
        self._may_reopen = may_reopen

    @property
    def may_reopen(self) -> bool:
        """Whether the case is resolved, and may go on."""
        return self._may_reopen and bool(self.state.resolution) and not self.state.erased

    def add(self, event: Event) -> None:
        """Adds the event, and lets the state follow.

        Where the customer is erased, without what is personal; and nothing is asked for that could reach her.
        """
        if self.state.erased:
            if isinstance(event, ContactRequested):
                return
            event = without_personal(event)
        self.events.append(event)
        self.state = evolve(self.state, event)
