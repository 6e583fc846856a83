"""Carries a message whose intent is recorded to its outcome: no blind duplicate, no silent loss.

What may happen between the intent and the outcome, and what is done then:

- *busy*: certainly not processed; the same attempt again, later, for as long as `Patience.retry_for_s` allows;
- *unknown*: recorded, then the provider is asked, twice; only what is not there then is attempted anew;
- *failed*: recorded; the case goes on to the next channel by itself;
- the process dies: the intent stands without an outcome, and whoever starts next treats it as unknown.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from infra.clock import Clock
from infra.settings import Settings
from outreach.cases.commands import ReportDelivery
from outreach.cases.evolve import DELIVERED, LOST
from outreach.contact.channel import Accepted, Busy, Channel, Failed, Unknown
from outreach.contact.errors import ProviderAway
from outreach.contact.ledger import Intent, Ledger

AT_ONCE: Final = 16
"""Requests to providers under way together."""

MOST_ATTEMPTS: Final = 3
"""Attempts at one message, each made only after the one before was not found at the provider."""

_FRESH_S: Final = 0.5
"""An intent older than this is checked against the case and the customer once more before it is sent."""

_NOT_YET = frozenset({"accepted", "scheduled", "queued", "sending"})
"""Delivery states that say nothing but that the provider has it."""

log = structlog.get_logger(__name__)


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long things are waited for, seconds.

    Attributes:
        first_wait_s: before the first repetition of what was not processed; doubles from then on.
        longest_wait_s: at most so long between two repetitions, unless the provider asks for longer.
        retry_for_s: a provider that is busy or away for longer than this loses the message to the next channel.
        second_look_s: between the two looks for a message whose fate is unknown; as long as any request may take.
        report_for_s: an accepted message of which no end is reported within this time has failed.
    """

    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0
    retry_for_s: float = 120.0
    second_look_s: float = 10.0
    report_for_s: float = 1920.0

    @classmethod
    def of(cls, settings: Settings) -> "Patience":
        """As the settings have it."""
        return cls(
            retry_for_s=settings.send_retry_for.total_seconds(),
            second_look_s=settings.twilio_timeout_s,
            report_for_s=settings.sms_validity_s + settings.delivery_due_after.total_seconds(),
        )


class Courier:
    """Sends messages and records what became of them. One a process; used from many tasks of one loop."""

    def __init__(self, ledger: Ledger, channels: Mapping[str, Channel], clock: Clock, patience: Patience) -> None:
        self._ledger = ledger
        self._channels = channels
        self._clock = clock
        self._patience = patience
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def carry(self, intent: Intent) -> None:
        """Sends the message; returns when its outcome is in the history. Waits for a history that is away."""
        current: Intent | None = intent
        while current is not None:
            current = await self._attempt(current)

    async def settle(self, case_id: str, contact_id: str) -> None:
        """Brings an intent without an outcome, left by somebody who is gone, to its end."""
        state, intent = await self._ledger.patiently(lambda: self._ledger.left(case_id, contact_id))
        if intent is None or state.contacts[contact_id].status not in {"intended", "unknown"}:
            return
        log.warning("contact.settling", case_id=case_id, contact_id=contact_id)
        if state.erased or not intent.message.to:
            await self._ledger.fail(intent, "not_sent", "erased")
            return
        if intent.channel not in self._channels:
            await self._ledger.fail(intent, "not_configured", "the channel is not configured any more")
            return
        await self._ledger.unknown(intent, "no outcome was recorded")
        following = await self._reconciled(intent)
        if following is not None:
            await self.carry(following)

    async def ask_delivery(self, case_id: str, contact_id: str) -> bool:
        """Asks the provider how far an accepted message has come, and records what is new.

        Returns:
            whether its end is known now.

        Raises:
            ProviderAway, Unavailable: retryable.
        """
        state, intent = await self._ledger.left(case_id, contact_id)
        if intent is None or intent.channel not in self._channels or state.contacts[contact_id].status != "accepted":
            return True
        provider_id = state.contacts[contact_id].provider_id
        async with self._at_once:
            found = await self._channels[intent.channel].delivery(provider_id)
        if found is not None and found.status not in _NOT_YET:
            report = ReportDelivery(
                contact_id=contact_id,
                provider_id=provider_id,
                status=found.status,
                code=found.code,
                raw={"source": "asked"},
            )
            await self._ledger.record(intent, report)
            if found.status in DELIVERED | LOST:
                return True
        if (self._clock() - intent.message.intended_at).total_seconds() < self._patience.report_for_s:
            return False
        await self._ledger.fail(intent, "no_report", "the provider never said that it arrived")
        return True

    async def _attempt(self, intent: Intent) -> Intent | None:
        """One attempt with its repetitions; the next attempt, where the provider turned out not to have this one."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + self._patience.retry_for_s
        wait_s = self._patience.first_wait_s
        checked_s = intent.recorded_s
        while True:
            if loop.time() - checked_s > _FRESH_S:
                if not await self._still_may(intent):
                    return None
                checked_s = loop.time()
            async with self._at_once:
                outcome = await self._channels[intent.channel].send(intent.message)
            match outcome:
                case Accepted():
                    await self._ledger.accept(intent, outcome.provider_id, reconciled=False)
                    return None
                case Failed():
                    if outcome.opted_out:
                        await self._ledger.learn_opt_out(intent)
                    await self._ledger.fail(intent, outcome.code, outcome.reason)
                    return None
                case Unknown():
                    await self._ledger.unknown(intent, outcome.reason)
                    return await self._reconciled(intent)
                case Busy():
                    wait_now_s = max(wait_s, outcome.retry_after_s or 0.0)
                    if loop.time() + wait_now_s > give_up_s:
                        await self._ledger.fail(intent, "busy", outcome.reason)
                        return None
                    log.warning("contact.busy", contact_id=intent.contact_id, reason=outcome.reason, wait_s=wait_now_s)
                    await asyncio.sleep(wait_now_s)
                    wait_s = min(wait_s * 2, self._patience.longest_wait_s)

    async def _still_may(self, intent: Intent) -> bool:
        """Looks once more, because time has passed: has she answered or opted out, or has another taken it over?"""
        obstacle = await self._ledger.obstacle(intent)
        if obstacle:
            await self._ledger.fail(intent, "not_sent", obstacle)
        return obstacle is None

    async def _reconciled(self, intent: Intent) -> Intent | None:
        """Finds out what became of an unknown attempt; the next attempt, where it is certain that nothing did."""
        channel = self._channels[intent.channel]
        waits = (self._patience.first_wait_s,) if channel.recognises_repeats else (0.0, self._patience.second_look_s)
        for wait_s in waits:
            await asyncio.sleep(wait_s)
            try:
                found = await self._look(intent, channel)
            except ProviderAway as away:
                await self._ledger.fail(intent, "unknown", f"the provider cannot be asked ({away})")
                return None
            if found:
                await self._ledger.accept(intent, found, reconciled=True)
                return None
        if intent.attempt >= MOST_ATTEMPTS:
            await self._ledger.fail(intent, "unknown", f"not at the provider after {intent.attempt} attempts")
            return None
        return await self._ledger.attempt_again(intent)

    async def _look(self, intent: Intent, channel: Channel) -> str | None:
        """The provider's id, from a callback that came meanwhile or from its list; asks for as long as it may.

        Raises:
            ProviderAway: it could not be asked in all that time.
        """
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + self._patience.retry_for_s
        wait_s = self._patience.first_wait_s
        while True:
            contacts = (await self._ledger.state(intent.message.case_id)).contacts
            ours = contacts[intent.contact_id]
            known = {ours.provider_id} | {provider_id for provider_id, _ in ours.reported}
            if known := known - {""}:
                return min(known)
            taken = {one.provider_id for one in contacts.values()}
            taken |= {provider_id for one in contacts.values() for provider_id, _ in one.reported}
            try:
                async with self._at_once:
                    return await channel.find(intent.message, taken)
            except ProviderAway:
                if loop.time() + wait_s > give_up_s:
                    raise
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, self._patience.longest_wait_s)
