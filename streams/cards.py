"""The role `cards`: what cases ask of the bank's card system goes to `card-commands`, until it is answered.

A command keeps its id however often it is sent, and the card system does it once. The subscription's name holds the
topic's identity: under a new one (the broker forgot its topics) the requests are walked through again from the first,
and those that nobody has answered are sent again.
"""

import asyncio
from datetime import datetime
from typing import Final

import msgspec
import structlog

from infra.clock import Clock, utc_now
from infra.history.errors import Unavailable
from infra.history.event import Event, Recorded
from infra.history.leadership import leading
from infra.history.store import History, Within
from infra.metrics import CARD_COMMANDS, CARD_COMMANDS_FAILED
from infra.settings import Settings
from outreach.cases.commands import FailCardAction, SendCardAction
from outreach.cases.due import DueKind, overdue, waits
from outreach.cases.events import CardActionRequested
from outreach.cases.service import Cases
from outreach.cases.state import CardActionState, CaseState
from streams.follower import RETRYABLE, Follower
from streams.ground import opened_history
from streams.incarnation import per_incarnation
from streams.producer import Producer
from streams.role import Role, together
from streams.runner import App, faust_app
from streams.runner import run as run_app
from streams.topics import CARD_COMMANDS as TOPIC
from streams.topics import TopicIdentity

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5
"""As often is a command sent; then a person has to look."""

_ACTOR: Final = "system:cards"
_LOOK_EVERY_S: Final = 1.0


class CardCommandMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of `card-commands`, contract `card-command`."""

    command_id: str
    action: str
    card_id: str
    transactions: list[str]
    case_id: str
    customer_id: str
    requested_at: datetime
    attempt: int


class CardDesk:
    """Everything that the role does, on an app that has not started yet."""

    def __init__(self, app: App, settings: Settings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._cases: Cases | None = None
        self._producer: Producer | None = None
        self._follower = Follower(app, "cards", self._send_requested, types=[CardActionRequested.wire_name])

    async def run(self) -> None:
        """Works until it is cancelled.

        Raises:
            Exception: something that is not understood; leave the process.
        """
        async with (
            opened_history(self._settings, self._clock) as history,
            Producer(self._settings.kafka_servers or "", client_id="ringback-cards") as producer,
        ):
            self._cases = Cases(history, self._clock)
            self._producer = producer

            async def follow(identity: TopicIdentity) -> None:
                await self._follower.run(history, name=f"cards.{identity}")

            await together(per_incarnation(self._settings, TOPIC, follow), self._repeat(history))

    async def _send_requested(self, recorded: Recorded[Event], done: Within) -> None:
        """Sends what was asked for, unless it is answered by now."""
        if isinstance(recorded.event, CardActionRequested):
            case_id = recorded.stream.removeprefix("case-")
            cause = f"event:{recorded.event_id}"
            await self._send(case_id, recorded.event.command_id, recorded.occurred_at, cause=cause, done=done)

    async def _repeat(self, history: History) -> None:
        """Sends again what has been unanswered for too long; one process at a time."""
        while True:
            try:
                async with leading(history.postgres_url, "cards.repeat") as leadership:
                    while True:
                        leadership.check()
                        await self._repeat_overdue(history)
                        await asyncio.sleep(_LOOK_EVERY_S)
            except RETRYABLE as error:
                log.warning("card commands wait", error=type(error).__name__)
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _repeat_overdue(self, history: History) -> None:
        async with history.transaction() as conn:
            rows = await overdue(conn, self._clock(), waits(self._settings), kinds=[DueKind.CARD_ANSWER])
        for row in rows:
            cause = f"due:{row.kind}:{row.subject_id}:{row.position}"
            await self._send(row.case_id, row.subject_id, row.since, cause=cause, done=None)

    async def _send(
        self, case_id: str, command_id: str, asked_at: datetime, *, cause: str, done: Within | None
    ) -> None:
        if self._cases is None or self._producer is None:
            raise Unavailable("the role has not opened the history yet")
        state, _ = await self._cases.load(case_id)
        action = state.actions.get(command_id)
        if action is None or not action.pending:
            return
        if done is None and not action.attempt:  # the follower has not come to it yet, and will
            return
        attempt = action.attempt + 1
        with structlog.contextvars.bound_contextvars(case_id=case_id, command_id=command_id):
            if state.superseded(command_id):
                await self._give_up(case_id, command_id, "superseded", cause)
                return
            if attempt > ATTEMPTS and done is None:
                await self._give_up(case_id, command_id, "unanswered", cause)
                return
            await self._producer.send(TOPIC, action.card_id, _message(state, action, asked_at, attempt))
            CARD_COMMANDS.labels(action.action).inc()
            sent = SendCardAction(command_id=command_id, attempt=attempt)
            await self._cases.handle(case_id, sent, actor=_ACTOR, cause=f"{cause}:{attempt}", within=done)
            log.info("card command sent", action=action.action, attempt=attempt)

    async def _give_up(self, case_id: str, command_id: str, reason: str, cause: str) -> None:
        if self._cases is not None:
            failed = FailCardAction(command_id=command_id, reason=reason)
            handled = await self._cases.handle(case_id, failed, actor=_ACTOR, cause=cause)
            if handled.events:
                CARD_COMMANDS_FAILED.labels(reason).inc()
                log.warning("card command given up", reason=reason)


def _message(state: CaseState, action: CardActionState, asked_at: datetime, attempt: int) -> bytes:
    return msgspec.json.encode(
        CardCommandMessage(
            command_id=action.command_id,
            action=action.action,
            card_id=action.card_id,
            transactions=sorted(action.transactions),
            case_id=state.case_id,
            customer_id=state.customer_id,
            requested_at=asked_at,
            attempt=attempt,
        )
    )


def run(settings: Settings) -> None:
    """Runs the role until SIGTERM or SIGINT.

    Raises:
        SystemExit: status 1, for something that is not understood; starting again goes on where it was.
    """
    app = faust_app("cards", settings)
    cards = CardDesk(app, settings)
    Role(app, cards.run)
    run_app(app)
