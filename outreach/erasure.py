"""The erasure of a customer: her key is destroyed, and with it everything personal, wherever a copy of it lies.

The order is what makes it safe to break off anywhere and begin again:

1. ``customer.erasure-begun`` says who decides it and why; from here on nobody is written to.
2. Each case is closed to the customer: no contact, no timer, and nothing personal is recorded in it any more.
3. The cards are nobody's until the bank says whose they are.
4. The keys are destroyed, hers and those under which something of hers was sealed before it was known whose it was.
5. ``customer.erased`` ends it. Whoever writes about her after that event makes a new key: a new person.

What is appended between 4 and 5 with a key that somebody still remembers is from before the erasure, and is as
unreadable as the rest.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from infra.clock import Clock
from infra.history.erasing import SealedEvents, by_type, sealed_events
from infra.history.errors import Conflict, PartlyRecorded
from infra.history.event import Event, NewEvent, Recorded, derived_id
from infra.history.keystore import INSTALLATION
from infra.history.store import History, StreamWrite
from outreach.cases.commands import EraseCustomer
from outreach.cases.errors import Busy
from outreach.cases.identity import case_stream, index_stream, subject_of
from outreach.cases.service import Cases
from outreach.contact.incoming import stray_stream
from outreach.customers.events import (
    AlertFiled,
    CardOwnerErased,
    CaseNamed,
    CustomerErased,
    CustomerRecorded,
    ErasureBegun,
)
from outreach.customers.index import read_index
from outreach.customers.ownership import assignment, card_stream
from outreach.customers.service import customer_stream

LONGEST_REASON: Final = 200
_TRIES: Final = 20


class ErasureRefused(Exception):
    """The customer is not erased; nothing was changed. The message says why, and what to do."""


class Plan(Struct, frozen=True, kw_only=True):
    """What an erasure would do.

    Attributes:
        unreadable: by event type, how many events lose what is personal in them.
        open_cases: the ids of the cases that are open still.
        cases: all cases of hers that are not erased yet.
        cards: her cards, as far as they are hers still.
        subjects: whose keys are destroyed.
        begun: an erasure was begun and has not ended.
        erased_at: when she was last erased; None where she never was.
        needless: she is erased, and nothing of hers has come since.
    """

    customer_id: str
    unreadable: Mapping[str, int]
    open_cases: tuple[str, ...]
    cases: tuple[str, ...]
    cards: tuple[str, ...]
    subjects: tuple[str, ...]
    begun: bool
    erased_at: datetime | None
    needless: bool
    private: tuple[str, ...] = ()


class Done(Struct, frozen=True, kw_only=True):
    """What an erasure did.

    Attributes:
        keys: how many keys were destroyed.
        told: whether every process was told at once; otherwise each forgets within a minute.
        closed: the cases that were open.
        position: of its last event; the read models follow.
        unfinished: something of hers came in between, an alert for example: run it again.
    """

    keys: int
    told: bool
    closed: tuple[str, ...]
    position: int
    unfinished: bool


class Erasure:
    """Erases customers; safe to repeat, by anybody, at any time."""

    def __init__(self, history: History, cases: Cases, clock: Clock) -> None:
        self._history = history
        self._cases = cases
        self._clock = clock

    async def plan(self, customer_id: str) -> Plan:
        """Looks at what there is of the customer; changes nothing.

        Raises:
            ErasureRefused: nothing was ever recorded of such a customer.
            Unavailable: retryable.
        """
        seen = await self._history.read_stream(customer_stream(customer_id))
        if not seen or customer_id.startswith(INSTALLATION):
            raise ErasureRefused(f"there is no customer {customer_id}")
        cases, open_cases = [], []
        cards = [card for card in _cards(seen) if await self._is_hers(card, customer_id)]
        every = list(dict.fromkeys([*_cases(seen), *[one for card in cards for one in await self._unowned(card)]]))
        for case_id in every:
            state, _ = await self._cases.load(case_id)
            if not state.erased:
                cases.append(case_id)
                if not state.resolution:
                    open_cases.append(case_id)
        sealed = await self._sealed(customer_id, seen, every)
        last = next((one for one in reversed(seen) if isinstance(one.event, CustomerErased | ErasureBegun)), None)
        begun = last is not None and isinstance(last.event, ErasureBegun)
        ended = [one.recorded_at for one in seen if isinstance(one.event, CustomerErased)]
        subjects = tuple(sorted({customer_id, *(one.subject for one in sealed)}))
        async with self._history.keys() as (keys, conn):
            living = tuple(await keys.store.living_among(conn, subjects))
        return Plan(
            customer_id=customer_id,
            unreadable=by_type(sealed),
            open_cases=tuple(open_cases),
            cases=tuple(cases),
            cards=tuple(cards),
            subjects=living,
            begun=begun,
            erased_at=ended[-1] if ended else None,
            needless=bool(ended) and not (begun or cases or cards or living),
            private=_private(seen),
        )

    async def carry_out(self, plan: Plan, *, reason: str, actor: str, closing: bool = False) -> Done:
        """Does what was planned; what a broken-off erasure has done already is not done again.

        Args:
            plan: as :meth:`plan` made it a moment ago.
            reason: on what ground, for the history: nothing personal in it.
            actor: who decides it.
            closing: whether open cases are closed; otherwise one of them refuses the erasure.

        Raises:
            ErasureRefused: a case is open, or the reason holds what is to be erased.
            Busy, Unavailable: retryable: begin again.
        """
        if plan.open_cases and not closing:
            raise ErasureRefused(
                f"{len(plan.open_cases)} open: {', '.join(plan.open_cases)}. Resolve first, so that the customer hears"
                " how it ends; or close with the erasure (--close-cases)"
            )
        self.check(plan, reason)
        customer_id = plan.customer_id
        if not plan.begun:
            await self._append(customer_stream(customer_id), ErasureBegun(reason=reason), customer_id, actor)
        for case_id in plan.cases:
            cause = f"erasure:{customer_id}:{case_id}"
            await self._cases.handle(case_id, EraseCustomer(closing=closing), actor=actor, cause=cause)
        for card_id in plan.cards:
            gone = CardOwnerErased(card_id=card_id, customer_id=customer_id)
            await self._append(card_stream(card_id), gone, customer_id, actor)
        destroyed = await self._history.destroy_keys({customer_id, *plan.subjects})
        ended = CustomerErased(customer_id=customer_id, reason=reason, keys=len(destroyed.keys))
        position = await self._append(customer_stream(customer_id), ended, customer_id, actor)
        return Done(
            keys=len(destroyed.keys),
            told=destroyed.told,
            closed=plan.open_cases,
            position=position,
            unfinished=not (await self.plan(customer_id)).needless,
        )

    def check(self, plan: Plan, reason: str) -> None:
        """Looks whether the reason may stay in the history.

        Raises:
            ErasureRefused: there is none, it is too long, or it holds what is to be erased.
        """
        _check(reason, plan)

    async def _sealed(
        self, customer_id: str, seen: Sequence[Recorded[Event]], cases: Sequence[str]
    ) -> list[SealedEvents]:
        own = [customer_stream(customer_id), *map(case_stream, cases), *map(card_stream, _cards(seen))]
        strays = {stray_stream(self._history.lookup_key, number) for number in _numbers(seen)}
        unowned = {subject_of("", card_id) for card_id in await self._suspected(cases)}
        found = await sealed_events(self._history, [*own, *strays])
        return [one for one in found if one.subject in {customer_id, *strays, *unowned}]

    async def _suspected(self, cases: Sequence[str]) -> set[str]:
        states = [(await self._cases.load(case_id))[0] for case_id in cases]
        return {card_id for state in states for card_id in (state.card_id, *state.cards)}

    async def _unowned(self, card_id: str) -> list[str]:
        """The cases of her card that were opened before it was known whose it is, and stayed nobody's."""
        index = await read_index(self._history, index_stream("", card_id))
        named = dict.fromkeys(index.filed.values())
        return [case_id for case_id in named if not (await self._cases.load(case_id))[0].customer_id]

    async def _is_hers(self, card_id: str, customer_id: str) -> bool:
        standing, _ = await assignment(self._history, card_id)
        return standing is not None and standing.customer_id == customer_id

    async def _append(self, stream: str, event: Event, customer_id: str, actor: str) -> int:
        """Appends behind whatever is there."""
        for _ in range(_TRIES):
            seen = await self._history.read_stream(stream)
            version = seen[-1].version if seen else 0
            new = NewEvent(
                event=event,
                event_id=derived_id("erasure", stream, event.wire_name, version),
                occurred_at=self._clock(),
                actor=actor,
                subject=customer_id,
                correlation_id=customer_stream(customer_id),
            )
            try:
                return (await self._history.append(StreamWrite(stream, [new], version))).position
            except (Conflict, PartlyRecorded):
                continue
        raise Busy(f"the stream {stream} moved on {_TRIES} times")


def _cases(seen: Sequence[Recorded[Event]]) -> list[str]:
    named = [one.event.case_id for one in seen if isinstance(one.event, CaseNamed | AlertFiled)]
    return list(dict.fromkeys(named))


def _cards(seen: Sequence[Recorded[Event]]) -> list[str]:
    named = [card for one in seen if isinstance(one.event, CustomerRecorded) for card in one.event.cards]
    return list(dict.fromkeys(named))


def _numbers(seen: Sequence[Recorded[Event]]) -> set[str]:
    return {one.event.phone for one in seen if isinstance(one.event, CustomerRecorded) and one.event.phone}


def _private(seen: Sequence[Recorded[Event]]) -> tuple[str, ...]:
    """What must not stand in a reason: the words of her names, her numbers, her addresses."""
    recorded = [one.event for one in seen if isinstance(one.event, CustomerRecorded)]
    words = {word for one in recorded for word in (*one.name.split(), one.phone, one.email)}
    return tuple(sorted(word.casefold() for word in words if len(word) > 2))  # noqa: PLR2004 -- "da" is in many words


def _check(reason: str, plan: Plan) -> None:
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise ErasureRefused(f"say why, in up to {LONGEST_REASON} characters: it stands in the history for ever")
    told = reason.casefold()
    if any(word in told for word in plan.private):
        raise ErasureRefused(
            "the reason names the customer, and would stay readable for ever: refer to the request's number instead"
        )
