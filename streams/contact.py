"""The outreach role: what the cases ask for becomes messages, and what became of them becomes history.

The role follows the history. For each requested message it records the intent or the refusal together with its own
checkpoint, and only then sends. Beside that it watches what is due: intents that somebody left without an outcome, and
messages of which no end was ever reported.
"""

import asyncio
from datetime import timedelta
from typing import Any, Final

import structlog
from mode import Service
from psycopg.errors import UndefinedTable

from infra.clock import Clock, utc_now
from infra.history.errors import Unavailable
from infra.history.event import Event, Recorded
from infra.history.leadership import Leadership, leading
from infra.history.store import History, Within
from infra.settings import Settings
from outreach.cases.due import DueKind, DueRow, overdue, waits
from outreach.cases.events import ContactRequested
from outreach.cases.service import Cases
from outreach.contact.channel import Channel
from outreach.contact.composing import Bank
from outreach.contact.courier import Courier, Patience
from outreach.contact.email import SmtpEmail
from outreach.contact.errors import ProviderAway
from outreach.contact.ledger import Ledger
from outreach.contact.sms import TwilioSms
from outreach.customers.service import Customers
from streams.follower import RETRYABLE, Follower
from streams.ground import opened_history
from streams.lanes import Lanes
from streams.role import together
from streams.runner import App, faust_app
from streams.runner import run as run_app

NAME: Final = "contact"
WANTED: Final = (ContactRequested.wire_name,)
"""What of the history is followed."""

_LOOK_EVERY_S: Final = 0.5
_DUE_AT_ONCE: Final = 1000
_ASK_AGAIN_AT_MOST_S: Final = 300.0
_STOP_WITHIN_S: Final = 5.0
_PAUSE_S: Final = 1.0

log = structlog.get_logger(__name__)


def open_channels(settings: Settings, clock: Clock) -> dict[str, Channel]:
    """The channels that the settings configure; a bank without one of them is served by the other."""
    channels: dict[str, Channel] = {}
    if settings.twilio_account_sid and settings.twilio_auth_token and settings.twilio_from:
        channels["sms"] = TwilioSms(settings, clock)
    if settings.smtp_host:
        channels["email"] = SmtpEmail(settings, clock)
    return channels


class Outreach:
    """What the role does, whoever drives it: an agent in production, a loop in a test."""

    def __init__(
        self,
        history: History,
        settings: Settings,
        clock: Clock,
        *,
        channels: dict[str, Channel] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._history = history
        self._settings = settings
        self._clock = clock
        channels = open_channels(settings, clock) if channels is None else channels
        bank = Bank(
            name=settings.bank_name,
            phone=settings.bank_phone,
            default_language=settings.default_language,
            channels=frozenset(channels),
        )
        cases = Cases(history, clock)
        customers = Customers(history, clock, master_key=history.lookup_key)
        self._ledger = Ledger(history, cases, customers, bank, clock)
        self._courier = Courier(self._ledger, channels, clock, patience or Patience.of(settings))
        self.lanes = Lanes()
        self._asks: dict[str, tuple[float, float]] = {}

    async def handle(self, recorded: Recorded[Event], done: Within) -> None:
        """Records the intent with the checkpoint, then sends beside whatever else goes on; in order within a case.

        Raises:
            Unavailable, Busy, CheckpointMoved: nothing was recorded, nothing goes out; the event comes again.
        """
        event = recorded.event
        if not isinstance(event, ContactRequested):
            return
        await self.lanes.room()
        case_id = recorded.stream.removeprefix("case-")
        intent = await self._ledger.intend(case_id, event.contact_id, cause=str(recorded.event_id), within=done)
        if intent is not None:
            self.lanes.start(case_id, event.contact_id, lambda: self._courier.carry(intent))

    async def look(self, *, at_start: bool = False) -> None:
        """Takes up what is due. ``at_start``: whoever left an intent open is gone, so nothing is waited for.

        Raises:
            Unavailable: retryable.
        """
        if self.lanes.failure is not None:
            raise self.lanes.failure
        patience = waits(self._settings)
        if at_start:
            patience = {**patience, DueKind.OUTCOME: timedelta(0)}
        async with self._history.transaction() as conn:
            kinds = (DueKind.OUTCOME, DueKind.DELIVERY)
            due = await overdue(conn, self._clock(), patience, kinds=kinds, limit=_DUE_AT_ONCE)
        for row in due:
            if row.kind is DueKind.OUTCOME:
                self._settle(row)
            else:
                self._ask(row)

    def _settle(self, row: DueRow) -> None:
        self.lanes.start(row.case_id, row.subject_id, lambda: self._courier.settle(row.case_id, row.subject_id))

    def _ask(self, row: DueRow) -> None:
        """Asks for the end of a delivery, ever more rarely."""
        contact_id = row.subject_id
        now_s = asyncio.get_running_loop().time()
        next_s, wait_s = self._asks.get(contact_id, (0.0, self._settings.delivery_due_after.total_seconds()))
        if now_s < next_s:
            return

        async def ask() -> None:
            try:
                over = await self._courier.ask_delivery(row.case_id, contact_id)
            except (ProviderAway, Unavailable) as error:
                log.warning("delivery not asked", contact_id=contact_id, error=type(error).__name__)
                over = False
            if over:
                self._asks.pop(contact_id, None)

        if self.lanes.start(f"ask/{contact_id}", f"ask/{contact_id}", ask):
            self._asks[contact_id] = (now_s + wait_s, min(wait_s * 2, _ASK_AGAIN_AT_MOST_S))


class ContactService(Service):
    """Leads the role, follows the history and watches what is due, until the app stops."""

    def __init__(self, app: App, settings: Settings, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings
        self._clock = clock
        self._outreach: Outreach | None = None
        self._follower = Follower(app, NAME, self._handle, types=WANTED)

    @Service.task
    async def _work(self) -> None:
        async with opened_history(self._settings, self._clock) as history:
            outreach = self._outreach = Outreach(history, self._settings, self._clock)
            try:
                while not self.should_stop:
                    await self._lead(history, outreach)
            finally:
                await outreach.lanes.stop(_STOP_WITHIN_S)

    async def _lead(self, history: History, outreach: Outreach) -> None:
        try:
            async with leading(history.postgres_url, NAME) as leadership:
                await together(self._follower.run(history), _watch(outreach, leadership))
        except RETRYABLE as error:
            log.warning("outreach waits", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_S)

    async def _handle(self, recorded: Recorded[Event], done: Within) -> None:
        if self._outreach is None:
            raise Unavailable("the role is not open yet")
        await self._outreach.handle(recorded, done)


async def _watch(outreach: Outreach, leadership: Leadership) -> None:
    at_start = True
    while True:
        leadership.check()
        try:
            await outreach.look(at_start=at_start)
            at_start = False
        except UndefinedTable:
            # The read models are another role's; new intents are carried without them.
            log.info("read models are not made yet")
        await asyncio.sleep(_LOOK_EVERY_S)


def contact_app(settings: Settings, *, clock: Clock = utc_now) -> App:
    """The app of the role, ready to run."""
    app = faust_app("outreach", settings)
    service = ContactService(app, settings, clock, beacon=app.beacon)
    app.add_dependency(service)
    return app


def run(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT; the settings name PostgreSQL, Redis and the broker."""
    run_app(contact_app(settings))
