"""Who the customers are, which cards are theirs, and what they want to hear from us: on the history."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from infra.clock import Clock
from infra.history.errors import Conflict, PartlyRecorded
from infra.history.event import Event, NewEvent, Recorded, derived_id
from infra.history.registry import register
from infra.history.store import History, StreamWrite
from outreach.cases.errors import Busy
from outreach.customers import decide, events
from outreach.customers.decide import CardRef, CustomerMessage
from outreach.customers.events import (
    CaseNamed,
    CaseReleased,
    CustomerErased,
    CustomerRecorded,
    ErasureBegun,
    OptedIn,
    OptedOut,
)
from outreach.customers.numbers import e164
from outreach.customers.ownership import assignment, card_stream, owner_of
from outreach.customers.phones import customers_with

__all__ = ["CardRef", "CustomerMessage", "Customers", "Profile"]

register(events)

_TRIES: Final = 50


class Profile(Struct, frozen=True, kw_only=True):
    """A customer as the newest record says. Personal; every look at it is recorded by whoever shows it.

    Attributes:
        phone: E.164, or empty.
        cards: card id -> last four digits.
        opted_out: the channels (``sms``, ``email``) on which she wants nothing more.
        open_case: the id of her open case, or empty.
    """

    customer_id: str
    name: str
    phone: str
    email: str
    language: str
    home_zone: str
    home: Mapping[str, Any]
    jurisdiction: str
    consents: tuple[str, ...]
    opted_out: frozenset[str]
    cards: Mapping[str, str]
    travel_notices: tuple[Mapping[str, Any], ...]
    open_case: str


class Customers:
    """The customers on the history. ``master_key`` keys the hash by which a phone number is looked up."""

    def __init__(self, history: History, clock: Clock, *, master_key: bytes) -> None:
        self._history = history
        self._clock = clock
        self._master_key = master_key

    async def record(self, message: CustomerMessage, cause: str, *, written_at: datetime | None = None) -> None:
        """Records what is new in the message, the customer and the cards in one transaction.

        The same message again changes nothing, and neither does the same cause. Of a customer who was erased, what the
        bank wrote before that (``written_at``) is not recorded again; what it writes later is of a new person, whose
        data has a key of its own.

        Raises:
            Busy: others wrote to the same streams again and again. Retryable.
            Unavailable: the history is away. Retryable.
        """
        customer_id = message.customer_id
        stream = customer_stream(customer_id)
        for _ in range(_TRIES):
            seen = await self._history.read_stream(stream)
            if (erased := erased_at(seen)) is not None:
                if written_at is not None and written_at <= erased:
                    return
                self._history.forget_key(customer_id)
            said = decide.record(_standing(seen), message)
            writes = [self._write(stream, customer_id, said, _version(seen), cause=cause, actor="bank")] if said else []
            for card in {card.card_id: card for card in message.cards}.values():
                before, version = await assignment(self._history, card.card_id)
                if new := decide.assign(before, card, customer_id):
                    writes.append(
                        self._write(card_stream(card.card_id), customer_id, new, version, cause=cause, actor="bank")
                    )
            if not writes or await self._append(*writes):
                return
        raise Busy(f"the streams of a customer moved on {_TRIES} times")

    async def profile(self, customer_id: str, *, as_of: int | None = None) -> Profile | None:
        """The customer as the newest record says; None where there is none. ``as_of``: as known at a position."""
        seen = await self._history.read_stream(customer_stream(customer_id))
        seen = [each for each in seen if as_of is None or each.position <= as_of]
        standing = _standing(seen)
        if standing is None:
            return None
        return Profile(
            customer_id=customer_id,
            name=standing.name,
            phone=standing.phone,
            email=standing.email,
            language=standing.language,
            home_zone=standing.home_zone,
            home=standing.home,
            jurisdiction=standing.jurisdiction,
            consents=tuple(standing.consents),
            opted_out=_opted_out(seen),
            cards=await self._cards(customer_id, standing.cards, as_of),
            travel_notices=tuple(standing.travel_notices),
            open_case=_open_case(seen),
        )

    async def owner(self, card_id: str) -> str | None:
        """Whose card it is; None where nobody has said."""
        return await owner_of(self._history, card_id)

    async def opt_out(self, customer_id: str, channel: str, words: str, cause: str) -> None:
        """The customer wants nothing more on the channel; once is enough."""
        await self._change(
            customer_id,
            lambda seen: decide.opt_out(_opted_out(seen), channel, words),
            cause,
            actor="customer",
        )

    async def opt_in(self, customer_id: str, channel: str, cause: str) -> None:
        """The customer takes messages on the channel again."""
        await self._change(
            customer_id,
            lambda seen: decide.opt_in(_opted_out(seen), channel),
            cause,
            actor="customer",
        )

    async def with_phone(self, phone: str) -> list[str]:
        """The customers whose number on file this is (any spelling of it): a household may share one."""
        number = e164(phone)
        if number is None:
            return []
        async with self._history.transaction() as conn:
            return await customers_with(conn, self._master_key, number)

    async def _cards(self, customer_id: str, card_ids: Sequence[str], as_of: int | None) -> dict[str, str]:
        """Last four digits by card, as far as the card is hers still."""
        cards = {}
        for card_id in card_ids:
            standing, _ = await assignment(self._history, card_id, as_of=as_of)
            if standing is not None and standing.customer_id == customer_id:
                cards[card_id] = standing.last_four
        return cards

    async def _change(
        self,
        customer_id: str,
        decision: Callable[[Sequence[Recorded[Event]]], list[Event]],
        cause: str,
        *,
        actor: str,
    ) -> None:
        stream = customer_stream(customer_id)
        for _ in range(_TRIES):
            seen = await self._history.read_stream(stream)
            new = decision(seen)
            if not new or await self._append(
                self._write(stream, customer_id, new, _version(seen), cause=cause, actor=actor)
            ):
                return
        raise Busy(f"a customer's stream moved on {_TRIES} times")

    def _write(
        self, stream: str, subject: str, new: Sequence[Event], version: int, *, cause: str, actor: str
    ) -> StreamWrite:
        now = self._clock()
        events = [
            NewEvent(
                event=event,
                event_id=derived_id(cause, stream, event.wire_name, index),
                occurred_at=now,
                actor=actor,
                subject=subject,
                causation_id=cause,
            )
            for index, event in enumerate(new)
        ]
        return StreamWrite(stream, events, version)

    async def _append(self, *writes: StreamWrite) -> bool:
        """Whether it is done; not, where a stream has moved on."""
        try:
            await self._history.append(*writes)
        except Conflict:
            return False
        except PartlyRecorded:  # the cause was handled before
            return True
        return True


def customer_stream(customer_id: str) -> str:
    """Where a customer's events are."""
    return f"customer-{customer_id}"


def _version(seen: Sequence[Recorded[Event]]) -> int:
    return seen[-1].version if seen else 0


def erased_at(seen: Sequence[Recorded[Event]]) -> datetime | None:
    """When the customer was last erased, by the clock of the history; None where she never was."""
    return next((one.recorded_at for one in reversed(seen) if isinstance(one.event, CustomerErased)), None)


def known_again_since(seen: Sequence[Recorded[Event]]) -> datetime | None:
    """When the bank told of somebody new under the id of who was erased; None where nobody was, or nobody came."""
    if erased_at(seen) is None:
        return None
    since = _since_erasure(seen)
    return next((one.recorded_at for one in since if isinstance(one.event, CustomerRecorded)), None)


def _since_erasure(seen: Sequence[Recorded[Event]]) -> Sequence[Recorded[Event]]:
    """What is of the person who stands: what came before an erasure, finished or begun, is another's."""
    last = max((n for n, one in enumerate(seen) if isinstance(one.event, ErasureBegun | CustomerErased)), default=-1)
    return seen[last + 1 :]


def _standing(seen: Sequence[Recorded[Event]]) -> CustomerRecorded | None:
    recorded = [one.event for one in _since_erasure(seen) if isinstance(one.event, CustomerRecorded)]
    return recorded[-1] if recorded else None


def _opted_out(seen: Sequence[Recorded[Event]]) -> frozenset[str]:
    channels: set[str] = set()
    for one in seen:  # from before an erasure too: whoever wanted nothing more is not written to as somebody new
        if isinstance(one.event, OptedOut):
            channels.add(one.event.channel)
        elif isinstance(one.event, OptedIn):
            channels.discard(one.event.channel)
    return frozenset(channels)


def _open_case(seen: Sequence[Recorded[Event]]) -> str:
    named = ""
    for one in seen:
        if isinstance(one.event, CaseNamed):
            named = one.event.case_id
        elif isinstance(one.event, CaseReleased) and one.event.case_id == named:
            named = ""
    return named
