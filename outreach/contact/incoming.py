"""What comes from customers: a text or a call finds its case, by the number on file and the newest message to it."""

import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec
import structlog

from infra.clock import Clock
from infra.history.event import Event, NewEvent, derived_id
from infra.history.registry import register
from infra.history.store import History, StreamWrite
from infra.metrics import REPLIES
from outreach.cases import events as e
from outreach.cases.commands import ReceiveCall, ReceiveReply
from outreach.cases.errors import Refused
from outreach.cases.service import Cases
from outreach.contact.events import StrayReceived
from outreach.contact.replies import taken_by_carrier, understand
from outreach.contact.scrub import scrub
from outreach.contact.wording import fill, served, template
from outreach.customers.service import Customers, Profile

ACTOR: Final = "customer"
ANSWER_STRAYS_AGAIN_AFTER: Final = timedelta(days=1)
"""Somebody without a case is answered once in this time: two machines must not write to each other for ever."""

LONGEST_KEPT: Final = 1600
"""Characters that an inbound message may have at the provider; more is not kept."""

register(StrayReceived)

log = structlog.get_logger(__name__)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer at once, on the line on which it came; empty: nothing.

    Attributes:
        language: in which ``words`` are.
    """

    words: str = ""
    language: str = "en"


class _Thread(msgspec.Struct, frozen=True, kw_only=True):
    """A case of somebody who has the number on file."""

    case_id: str
    case_code: str
    customer_id: str


class Incoming:
    """Receives texts and calls. A repeat (the same provider id) changes nothing."""

    def __init__(
        self,
        history: History,
        cases: Cases,
        customers: Customers,
        clock: Clock,
        *,
        master_key: bytes,
        bank_name: str,
        bank_phone: str,
        default_language: str,
    ) -> None:
        self._history = history
        self._cases = cases
        self._customers = customers
        self._clock = clock
        self._master_key = master_key
        self._bank_name = bank_name
        self._bank_phone = bank_phone
        self._default_language = default_language

    async def text(self, provider_id: str, sender: str, body: str, *, carrier_opt_out: bool = False) -> Said:
        """A text message came.

        An opt-out is on the customer's stream before this returns. What is kept of the words has no card number in it.

        Args:
            provider_id: of the message, for example Twilio's ``SM…``.
            sender: E.164.
            body: as it came.
            carrier_opt_out: the carrier says that it has taken it as an opt-out, and has confirmed it.

        Returns:
            what to answer by the same way; a message that belongs to a case is answered through the case.

        Raises:
            Unavailable, Busy: nothing is certain; retryable with the same provider id.
        """
        customers = await self._customers.with_phone(sender)
        kept = scrub(body[:LONGEST_KEPT])
        threads = await self._threads(customers)
        understood = understand(body, [thread.case_code for thread in threads])
        opts_out = understood.opts_out or carrier_opt_out
        meaning = understood.meaning
        if carrier_opt_out and not understood.opts_out and meaning == "unclear":
            meaning = "opt_out"
        cause = f"sms:{provider_id}"
        for customer_id in customers:  # it is the number that wants no texts, whoever shares it
            if opts_out:
                await self._customers.opt_out(customer_id, "sms", kept, cause)
            elif meaning == "opt_in":
                await self._customers.opt_in(customer_id, "sms", cause)
        chosen = [thread for thread in threads if thread.case_code == understood.case_code] or threads
        if not chosen:
            silent = opts_out or meaning == "opt_in"
            return await self._stray(provider_id, "sms", sender, kept, _only(customers), silent=silent)
        command = ReceiveReply(
            reply_id=provider_id,
            channel="sms",
            meaning=meaning,
            text=kept,
            confirmed_by_carrier=carrier_opt_out or taken_by_carrier(body),
        )
        try:
            handled = await self._cases.handle(chosen[0].case_id, command, actor=ACTOR, cause=cause)
        except Refused as refused:  # erased since it was looked up
            log.warning("reply refused", case_id=chosen[0].case_id, code=refused.code)
            return await self._stray(provider_id, "sms", sender, kept, None, silent=opts_out)
        if any(isinstance(event, e.ReplyReceived) for event in handled.events):
            REPLIES.labels("sms", meaning).inc()
        return Said()

    async def call(self, provider_id: str, caller: str) -> Said:
        """A call came: she is promised a call back on the number on file, and the case says so to the operators.

        Raises:
            Unavailable, Busy: retryable.
        """
        customers = await self._customers.with_phone(caller)
        threads = await self._threads(customers)
        if threads:
            try:
                await self._cases.handle(
                    threads[0].case_id,
                    ReceiveCall(call_id=provider_id),
                    actor=ACTOR,
                    cause=f"call:{provider_id}",
                )
            except Refused as refused:
                log.warning("call refused", case_id=threads[0].case_id, code=refused.code)
            else:
                profile = await self._customers.profile(threads[0].customer_id)
                return self._spoken("greeting", profile)
        return await self._stray(provider_id, "voice", caller, "", _only(customers), silent=False)

    async def _threads(self, customers: Sequence[str]) -> list[_Thread]:
        """The customers' cases, the one with the newest message to the number first; what nobody was told of last."""
        async with self._history.transaction() as conn:
            cursor = await conn.execute(
                "SELECT c.case_id, c.case_code, c.customer_id FROM views.contacts k"
                " JOIN views.contacts_cases c USING (case_id)"
                " WHERE c.customer_id = ANY(%s) AND k.purpose = 'alert'"
                " GROUP BY c.case_id, c.case_code, c.customer_id ORDER BY max(k.position) DESC LIMIT 20",
                (list(customers),),
            )
            threads = [_Thread(case_id=row[0], case_code=row[1], customer_id=row[2]) for row in await cursor.fetchall()]
        known = {thread.case_id for thread in threads}
        for customer_id in customers:
            profile = await self._customers.profile(customer_id)
            if profile is None or not profile.open_case or profile.open_case in known:
                continue
            state, _ = await self._cases.load(profile.open_case)
            # The read model may be behind the message that she answers; a case of which she was never told comes last.
            told = any(one.purpose == "alert" and one.attempt for one in state.contacts.values())
            thread = _Thread(case_id=state.case_id, case_code=state.case_code, customer_id=customer_id)
            threads.insert(0 if told else len(threads), thread)
        return threads

    async def _stray(
        self, provider_id: str, channel: str, sender: str, kept: str, customer_id: str | None, *, silent: bool
    ) -> Said:
        """Records what belongs to no case, and tells the sender where to turn."""
        profile = await self._customers.profile(customer_id) if customer_id else None
        stream = stray_stream(self._master_key, sender)
        before = await self._history.read_stream(stream)
        since = self._clock() - ANSWER_STRAYS_AGAIN_AFTER
        already = any(
            isinstance(one.event, StrayReceived)
            and one.event.answered
            and one.occurred_at > since
            and one.event.provider_id != provider_id
            for one in before
        )
        answered = channel == "voice" or not (silent or already)
        event: Event = StrayReceived(
            provider_id=provider_id, channel=channel, answered=answered, sender=sender, text=kept
        )
        new = NewEvent(
            event=event,
            event_id=derived_id("stray", provider_id),
            occurred_at=self._clock(),
            actor=ACTOR if customer_id else "unknown",
            subject=customer_id or stream,
        )
        await self._history.append(StreamWrite(stream, [new]))
        return self._spoken("greeting_unknown", profile) if answered else Said()

    def _spoken(self, name: str, profile: Profile | None) -> Said:
        language = served(profile.language if profile else "", self._default_language)
        chosen = template(name, "spoken", language)
        filled = fill(chosen, bank=self._bank_name, phone=self._bank_phone, code="")
        return Said(words=filled.body, language=language)


def stray_stream(key: bytes, sender: str) -> str:
    """Where what belongs to no case is recorded of a number (E.164): a keyed hash, so that its name tells nothing."""
    digest = hmac.digest(key, f"stray\x1f{sender}".encode(), "sha256")
    return f"stray-{digest.hex()[:32]}"


def _only(customers: Sequence[str]) -> str | None:
    """Who it is, where only one can be meant."""
    return customers[0] if len(customers) == 1 else None
