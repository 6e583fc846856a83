"""The contact ledger: what was meant to be sent, on what ground, and what became of it, all in the case's history."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

import msgspec
import structlog

from infra.clock import Clock
from infra.history.errors import Unavailable
from infra.history.event import Event, Recorded
from infra.history.store import History, Within
from infra.metrics import CONTACTS, PAYMENT_TO_MESSAGE_SECONDS
from outreach.cases import events as e
from outreach.cases.commands import (
    AcceptContact,
    FailContact,
    IntendContact,
    MarkContactUnknown,
    RefuseContact,
    ReportDelivery,
)
from outreach.cases.errors import Busy, Refused
from outreach.cases.evolve import replay
from outreach.cases.service import Cases, loaded
from outreach.cases.state import CaseState
from outreach.contact.channel import Outgoing
from outreach.contact.composing import Bank, compose
from outreach.customers.service import Customers

ACTOR: Final = "system:contact"
_FIRST_WAIT_S: Final = 0.1
_LONGEST_WAIT_S: Final = 5.0

ValueT = TypeVar("ValueT")
Ending = AcceptContact | FailContact | MarkContactUnknown | ReportDelivery

log = structlog.get_logger(__name__)


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded intent, on its way.

    Attributes:
        paid_arrived_at: when the payment that raised the case's first alert reached the broker.
        recorded_s: when the intent was recorded or found, by the loop's clock.
    """

    message: Outgoing
    channel: str
    purpose: str
    customer_id: str
    attempt: int
    paid_arrived_at: datetime | None
    recorded_s: float

    @property
    def contact_id(self) -> str:
        """The message's own id."""
        return self.message.contact_id


class Ledger:
    """Writes and reads the contacts of cases. Safe to use from many tasks of one loop."""

    def __init__(self, history: History, cases: Cases, customers: Customers, bank: Bank, clock: Clock) -> None:
        self._history = history
        self._cases = cases
        self._customers = customers
        self._bank = bank
        self._clock = clock

    async def intend(self, case_id: str, contact_id: str, *, cause: str, within: Within) -> Intent | None:
        """Records the intent or the refusal, with ``within`` (the reader's checkpoint) in the same transaction.

        Returns:
            what has to be carried now; None where nothing has to be sent, or the intent is recorded already.

        Raises:
            Unavailable, Busy: nothing was sent, and nothing may be. Retryable.
        """
        timeline = await self._cases.timeline(case_id)
        command = await self._composed(timeline, contact_id)
        try:
            return await self._decided(case_id, command, cause, within, timeline)
        except Refused as refused:  # the case has moved on since the message was requested
            refusal = RefuseContact(contact_id=contact_id, reason=refused.code, policy_version=command.policy_version)
        try:
            return await self._decided(case_id, refusal, cause, within, timeline)
        except Refused:  # it was intended before, and has had its outcome
            await self._history.append(within=within)
            return None

    async def attempt_again(self, intent: Intent) -> Intent | None:
        """Records the next attempt at a message of which nothing went out; waits for the history if it is away.

        Returns:
            what has to be carried now; None where the policy, the case or another worker forbids it, which is recorded.
        """
        case_id, contact_id = intent.message.case_id, intent.contact_id
        cause = f"{contact_id}/attempt/{intent.attempt + 1}"

        async def record() -> Intent | None:
            timeline = await self._cases.timeline(case_id)
            command = await self._composed(timeline, contact_id)
            if isinstance(command, RefuseContact):
                raise Refused(command.reason, "the policy forbids another attempt")
            return await self._decided(case_id, command, cause, None, timeline)

        try:
            following = await self.patiently(record)
        except Refused as refused:
            await self.fail(intent, "not_sent", refused.code)
            return None
        if following is None:
            return None
        message = msgspec.structs.replace(following.message, intended_at=intent.message.intended_at)
        return msgspec.structs.replace(following, message=message)

    async def obstacle(self, intent: Intent) -> str | None:
        """Why the intent must not be sent any more; empty where another has taken it over; None where it may be."""
        timeline = await self.patiently(lambda: self._cases.timeline(intent.message.case_id))
        contact = loaded(timeline)[0].contacts[intent.contact_id]
        if contact.status != "intended" or contact.attempt != intent.attempt:
            return ""
        command = await self.patiently(lambda: self._composed(timeline, intent.contact_id))
        return command.reason if isinstance(command, RefuseContact) else None

    async def left(self, case_id: str, contact_id: str) -> tuple[CaseState, Intent | None]:
        """The case, and the newest intent for the message as somebody left it.

        Raises:
            Unavailable: retryable.
        """
        timeline = await self._cases.timeline(case_id)
        state = replay(one.event for one in timeline)
        ours = [
            (one.occurred_at, one.event)
            for one in timeline
            if isinstance(one.event, e.ContactIntended) and one.event.contact_id == contact_id
        ]
        if not ours:
            return state, None
        return state, _intent(state, ours[-1][1], ours[0][0], _arrival(timeline))

    async def state(self, case_id: str) -> CaseState:
        """The case as it is now; waits for the history if it is away."""
        state, _ = await self.patiently(lambda: self._cases.load(case_id))
        return state

    async def accept(self, intent: Intent, provider_id: str, *, reconciled: bool) -> None:
        """The provider has it; the time since the payment's arrival is measured."""
        command = AcceptContact(contact_id=intent.contact_id, provider_id=provider_id, reconciled=reconciled)
        await self.record(intent, command)
        CONTACTS.labels(intent.channel, intent.purpose, "accepted").inc()
        if intent.purpose == "alert" and intent.paid_arrived_at is not None:
            elapsed_s = (self._clock() - intent.paid_arrived_at).total_seconds()
            PAYMENT_TO_MESSAGE_SECONDS.labels(intent.channel).observe(max(0.0, elapsed_s))

    async def fail(self, intent: Intent, code: str, reason: str) -> None:
        """It will not reach her on this channel; the case goes on to the next."""
        await self.record(intent, FailContact(contact_id=intent.contact_id, code=code, reason=reason))
        CONTACTS.labels(intent.channel, intent.purpose, "failed").inc()

    async def unknown(self, intent: Intent, reason: str) -> None:
        """Nobody knows whether the provider has it."""
        await self.record(intent, MarkContactUnknown(contact_id=intent.contact_id, reason=reason))
        CONTACTS.labels(intent.channel, intent.purpose, "unknown").inc()

    async def record(self, intent: Intent, command: Ending) -> None:
        """Records what became of it; waits for the history if it is away, for the outcome must not be lost."""
        cause = f"{intent.contact_id}/{intent.attempt}/{type(command).__name__}"
        case_id = intent.message.case_id
        try:
            await self.patiently(lambda: self._cases.handle(case_id, command, actor=ACTOR, cause=cause))
        except Refused as refused:
            # A second outcome of another kind came first, for example a callback: it stands.
            log.info("contact.outcome_stands", case_id=case_id, contact_id=intent.contact_id, code=refused.code)

    async def learn_opt_out(self, intent: Intent) -> None:
        """The provider refused because she had told it to stop: our own list has to know."""
        cause = f"{intent.contact_id}/opt-out"
        await self.patiently(lambda: self._customers.opt_out(intent.customer_id, intent.channel, "", cause))

    async def patiently(self, ask: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """Asks until the history answers."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                return await ask()
            except (Unavailable, Busy) as error:
                log.warning("contact.history_away", error=type(error).__name__, retry_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    async def _composed(self, timeline: Sequence[Recorded[Event]], contact_id: str) -> IntendContact | RefuseContact:
        state = loaded(timeline)[0]
        # A record that came after an erasure is of a new person, to whom this case does not belong.
        known = bool(state.customer_id) and not state.erased
        profile = await self._customers.profile(state.customer_id) if known else None
        return compose(timeline, contact_id, profile, self._bank, self._clock())

    async def _decided(
        self,
        case_id: str,
        command: IntendContact | RefuseContact,
        cause: str,
        within: Within | None,
        timeline: Sequence[Recorded[Event]],
    ) -> Intent | None:
        handled = await self._cases.handle(
            case_id, command, actor=ACTOR, cause=cause, within=within, known=loaded(timeline)
        )
        for event in handled.events:
            if isinstance(event, e.ContactRefused):
                CONTACTS.labels(event.channel, event.purpose, "refused").inc()
            if isinstance(event, e.ContactIntended):
                return _intent(handled.state, event, self._clock(), _arrival(timeline))
        return None


def _arrival(timeline: Sequence[Recorded[Event]]) -> datetime | None:
    arrivals = (one.event.arrived_at for one in timeline if isinstance(one.event, e.AlertJoined))
    return next((at for at in arrivals if at is not None), None)


def _intent(state: CaseState, event: e.ContactIntended, since: datetime, arrived_at: datetime | None) -> Intent:
    return Intent(
        message=Outgoing(
            case_id=state.case_id,
            case_code=state.case_code,
            contact_id=event.contact_id,
            to=event.address,
            heading=event.heading,
            body=event.body,
            language=event.language,
            intended_at=since,
        ),
        channel=event.channel,
        purpose=event.purpose,
        customer_id=state.customer_id,
        attempt=event.attempt,
        paid_arrived_at=arrived_at,
        recorded_s=asyncio.get_running_loop().time(),
    )
