"""The role `casework`: alerts, customers and the card system's answers become cases; the read models are kept up.

Detection, which reaches no PostgreSQL, is told from here which rule sets are in force, and what was said of payments.
"""

from infra.clock import Clock, utc_now
from infra.history.projection import ProjectionRunner
from infra.settings import Settings
from outreach.cases.service import Cases
from outreach.customers.service import Customers
from outreach.projections import projections
from streams.arrivals import TOPICS, Arrivals
from streams.card_context import ContextWriter
from streams.ground import opened_history
from streams.intake import Incoming, Intake
from streams.role import Role, together
from streams.rulesets.announced import keep_telling
from streams.rulesets.service import RuleSets
from streams.runner import App, faust_app
from streams.runner import run as run_app
from streams.timers import Timers


class Casework:
    """Everything that the role does, on an app that has not started yet."""

    def __init__(self, app: App, settings: Settings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._arrivals: Arrivals | None = None
        self._context = ContextWriter(app, settings)
        self._intake = Intake(app, settings, "casework", TOPICS, handle=self._handle, clock=clock)

    async def run(self) -> None:
        """Works until it is cancelled.

        Raises:
            Exception: something that is not understood; leave the process.
        """
        async with opened_history(self._settings, self._clock) as history:
            cases = Cases(history, self._clock, reopen_within=self._settings.reopen_within)
            self._arrivals = Arrivals(
                cases,
                Customers(history, self._clock, master_key=history.lookup_key),
                allow_card_numbers=self._settings.allow_card_numbers,
            )
            await together(
                ProjectionRunner(history, projections(history.lookup_key)).run(),
                Timers(history, cases, self._settings, self._clock).run(),
                keep_telling(self._settings.redis_url or "", RuleSets(history, self._clock).in_force),
                self._context.run(history, cases),
                self._intake.run(),
            )

    async def _handle(self, message: Incoming) -> None:
        if self._arrivals is None:
            raise RuntimeError("the casework takes messages before it has opened the history")
        await self._arrivals.handle(message)


def run(settings: Settings) -> None:
    """Runs the role until SIGTERM or SIGINT.

    Raises:
        SystemExit: status 1, for something that is not understood; starting again goes on where it was.
    """
    app = faust_app("casework", settings)
    casework = Casework(app, settings)
    Role(app, casework.run)
    run_app(app)
