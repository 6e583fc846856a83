"""The Phnom Penh story, acted through the public entrances and told from the history as it happens.

The bank's feed speaks HTTP, the customer has a telephone, the operator has the desk's API: nothing here reaches into
the system. What is told was seen in the history, at the moment that the history recorded it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec

from infra.clock import Clock
from infra.history.event import Event, Recorded
from infra.history.store import History
from infra.history.verify import verify
from outreach.cases import events as e
from outreach.customers.events import CardAssigned
from streams.rehearsal.entrances import Bank, Desk, Telephone
from streams.rehearsal.payments import story
from streams.rehearsal.people import STORY_CARD
from streams.rehearsal.witness import NotSeenError, Witness

SUSPECTS = 3


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened: seconds since the first impossible payment was sent, who did it, and what."""

    after_s: float
    who: str
    what: str
    quoted: str = ""


Teller = Callable[[Line], None]


class Story:
    """Acts and tells; every step must be seen, or the story fails with what was missing."""

    def __init__(
        self,
        *,
        history: History,
        bank: Bank,
        telephone: Telephone,
        desk: Desk,
        operator: str,
        tell: Teller,
        clock: Clock,
    ) -> None:
        self._history = history
        self._bank = bank
        self._telephone = telephone
        self._desk = desk
        self._operator = operator
        self._tell = tell
        self._clock = clock
        self._paid_at = clock()
        self._seen: list[tuple[datetime, Line]] = []

    async def act(self) -> str:
        """Acts the whole story and answers the case's id.

        Raises:
            NotSeenError: a step did not happen, or happened more often than it may.
            EntranceError: an entrance refused what it should have taken.
        """
        async with Witness(self._history, after=0) as seen:
            await seen.see(CardAssigned, lambda event: event.card_id == STORY_CARD)
            await self._pay()
            with self._in_order():
                case_id = await self._be_noticed(seen)
            with self._in_order():
                await self._be_told(seen)
            with self._in_order():
                await self._answer(seen)
            with self._in_order():
                await self._be_helped(seen, case_id)
            await self._prove(seen, case_id)
        return case_id

    @contextmanager
    def _in_order(self) -> Iterator[None]:
        """Tells what is seen inside in the order in which it happened: each step goes its own way through the roles."""
        try:
            yield
        finally:
            for _at, line in sorted(self._seen, key=lambda each: each[0]):
                self._tell(line)
            self._seen.clear()

    async def _pay(self) -> None:
        payments = [each.message for each in story(self._clock() - timedelta(minutes=16))]
        at_home, abroad = payments[:-SUSPECTS], payments[-SUSPECTS:]
        await self._bank.feed(at_home)
        self._paid_at = self._clock()
        self._say(self._paid_at, "feed", "Sokha Chan's card pays in Phnom Penh, twice; all quiet")
        for payment in abroad:
            if payment is abroad[0]:
                self._paid_at = self._clock()
            await self._bank.feed([payment])
            merchant = payment["merchant"]
            self._say(
                self._clock(),
                "feed",
                f"the same card at {merchant['name']}, Paris: {payment['amount']} {payment['currency']}",
            )

    async def _be_noticed(self, seen: Witness) -> str:
        opened = await seen.see(e.CaseOpened)
        first = await seen.see(e.AlertJoined)
        self._say_seen(first, "detection", "nobody can be in both places", quoted=str(first.event.evidence["words"]))
        self._say_seen(opened, "casework", f"case {opened.event.case_code} opened, with a task for an operator")
        hold = await seen.see(e.CardActionRequested, lambda event: event.action == "hold")
        self._say_seen(hold, "casework", "the card goes on hold")
        return opened.event.case_id

    async def _be_told(self, seen: Witness) -> None:
        intended = await seen.see(e.ContactIntended, lambda event: event.purpose == "alert")
        contact_id = intended.event.contact_id
        accepted = await seen.see(e.ContactAccepted, lambda event: event.contact_id == contact_id)
        self._say_seen(accepted, "contact", "the SMS is with the provider", quoted=intended.event.body)
        delivered = await seen.see(
            e.DeliveryReported, lambda event: event.contact_id == contact_id and event.status == "delivered"
        )
        held = await seen.see(e.CardActionAnswered, lambda event: event.result == "held")
        joined = await seen.see(e.AlertJoined, count=SUSPECTS)
        self._say_seen(delivered, "provider", "delivered to her phone")
        self._say_seen(held, "bank", "the card is held")
        self._say_seen(joined, "casework", f"{SUSPECTS} suspect payments, still one case and one message to her")
        _expect_once("case", seen.all(e.CaseOpened))
        messages = seen.all(e.ContactIntended, lambda event: event.purpose == "alert")
        _expect_once("message to the customer", messages)

    async def _answer(self, seen: Witness) -> None:
        await self._telephone.reply("2")
        reply = await seen.see(e.ReplyReceived)
        self._say_seen(reply, "customer", "answers 2: it was not her")
        declined = await seen.see(e.CardActionAnswered, lambda event: event.result == "declined")
        self._say_seen(declined, "bank", "the three payments are declined")
        thanks = await seen.see(e.ContactIntended, lambda event: event.purpose == "acknowledgement")
        sent = await seen.see(e.ContactAccepted, lambda event: event.contact_id == thanks.event.contact_id)
        self._say_seen(sent, "contact", "her answer is acknowledged", quoted=thanks.event.body)
        await self._telephone.call()
        call = await seen.see(e.CallReceived)
        self._say_seen(call, "customer", "rings the bank and is promised a call; her task is at the front of the queue")

    async def _be_helped(self, seen: Witness, case_id: str) -> None:
        await self._desk.do(case_id, "take")
        taken = await seen.see(e.TaskTaken)
        self._say_seen(taken, self._operator, "takes the task, and sees who, why and everything so far on one screen")
        await self._desk.do(case_id, "verify", method="callback")
        verified = await seen.see(e.CallerVerified)
        self._say_seen(verified, self._operator, "calls back on the number on file: it is her")
        await self._desk.do(case_id, "deny")
        denied = await seen.see(e.PaymentsDenied, lambda event: event.by == "operator")
        self._say_seen(denied, self._operator, "asks the one question; it was not her")
        for result, words in (("blocked", "the card is blocked"), ("reissued", "a new card is on its way")):
            answered = await seen.see(e.CardActionAnswered, lambda event, result=result: event.result == result)  # type: ignore[misc]  # mypy does not infer a lambda with a default
            self._say_seen(answered, "bank", words)
        await self._desk.do(
            case_id,
            "wrap-up",
            topics=["used_by_somebody_else", "new_card"],
            note="Had her card the whole time. Wants the new one at home.",
        )
        wrapped = await seen.see(e.WrappedUp)
        resolved = await seen.see(e.CaseResolved)
        self._say_seen(wrapped, self._operator, "wraps up")
        self._say_seen(resolved, "casework", f"case resolved: {resolved.event.resolution}")

    async def _prove(self, seen: Witness, case_id: str) -> None:
        for action in ("hold", "decline", "block", "reissue"):
            asked = seen.all(e.CardActionRequested, lambda event, action=action: event.action == action)  # type: ignore[misc]  # as above
            _expect_once(action, asked)
        report = await verify(self._history)
        if not report.intact:
            raise NotSeenError(f"the history does not verify: {report.problems[0].why}")
        steps = len(await self._history.read_stream(f"case-{case_id}"))
        self._say(
            self._clock(), "history", f"{steps} steps in the case; the chain over {report.events} events verifies"
        )

    def _say(self, at: datetime, who: str, what: str) -> None:
        self._tell(self._line(at, who, what))

    def _say_seen(self, recorded: Recorded[Event], who: str, what: str, *, quoted: str = "") -> None:
        self._seen.append((recorded.recorded_at, self._line(recorded.recorded_at, who, what, quoted)))

    def _line(self, at: datetime, who: str, what: str, quoted: str = "") -> Line:
        return Line(after_s=(at - self._paid_at).total_seconds(), who=who, what=what, quoted=quoted)


def _expect_once(what: str, found: Sequence[Recorded[Event]]) -> None:
    if len(found) != 1:
        raise NotSeenError(f"there should be one {what}, and there are {len(found)}")
