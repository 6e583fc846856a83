"""From the history to `card-context`: what customers and operators have said of a card's payments, for detection.

Each message is whole, and its version is the position of the event that it follows: the same event again gives a
message that is not older than the one before. The subscription's name holds the topic's identity: a topic that was made
anew is filled again from the first event.

A payment that she confirmed by reply is believed once that reply was enough to close the case, or an operator has
confirmed it. A denied payment was a suspect, which is not believed anyway; only what an operator strikes out was
believed, and is not any more.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from infra.history.event import Event, Recorded
from infra.history.store import History, Within
from infra.settings import Settings
from outreach.cases import events as e
from outreach.cases.evolve import replay
from outreach.cases.identity import index_stream
from outreach.cases.service import Cases
from outreach.cases.state import CaseState
from outreach.customers.index import read_index
from outreach.customers.ownership import owner_of
from streams.follower import Follower
from streams.incarnation import per_incarnation
from streams.producer import Producer
from streams.runner import App
from streams.topics import CARD_CONTEXT, TopicIdentity

log = structlog.get_logger(__name__)

MOST: Final = 64
"""So many payments are named at most, the last that something was said of."""

_SAYING: Final = (
    e.PaymentsConfirmed,
    e.PaymentsDenied,
    e.SightingsStruckOut,
    e.CaseResolved,
    e.CustomerOfCaseErased,
)


class QuietWayMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One quiet way of a `CardContextMessage`."""

    transaction_id: str
    lat: float
    lon: float
    other_lat: float
    other_lon: float
    since: datetime


class CardContextMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of `card-context`, contract `card-context`."""

    card_id: str
    version: int
    said_at: datetime
    confirmed: list[str]
    struck_out: list[str]
    quiet: list[QuietWayMessage]


class ContextWriter:
    """A part of the casework: made before the app starts, run beside it."""

    def __init__(self, app: App, settings: Settings) -> None:
        self._settings = settings
        self._follower = Follower(app, "card-context", self._write, types=[each.wire_name for each in _SAYING])
        self._history: History | None = None
        self._cases: Cases | None = None
        self._producer: Producer | None = None

    async def run(self, history: History, cases: Cases) -> None:
        """Works until it is cancelled.

        Raises:
            Exception: something that is not understood; leave the process.
        """
        async with Producer(self._settings.kafka_servers or "", client_id="ringback-card-context") as producer:
            self._history, self._cases, self._producer = history, cases, producer

            async def follow(identity: TopicIdentity) -> None:
                await self._follower.run(history, name=f"card-context.{identity}")

            await per_incarnation(self._settings, CARD_CONTEXT, follow)

    async def _write(self, recorded: Recorded[Event], _done: Within) -> None:
        if self._history is None or self._cases is None or self._producer is None:
            raise RuntimeError("the writer handles events before it runs")
        case_id = recorded.stream.removeprefix("case-")
        state, _ = await self._cases.load(case_id)
        index = await read_index(self._history, index_stream(state.customer_id, state.card_id))
        if state.erased:
            await self._take_back(state, recorded)
            return
        named = dict.fromkeys([*index.filed.values(), case_id])
        timelines = [await self._cases.timeline(one) for one in named]
        timelines = [line for line in timelines if not any(isinstance(o.event, e.CustomerOfCaseErased) for o in line)]
        if not any(isinstance(one.event, _SAYING[0] | _SAYING[2]) for line in timelines for one in line):
            return
        for card_id in state.cards:
            message = context_of(card_id, timelines, recorded)
            await self._producer.send(CARD_CONTEXT, card_id, msgspec.json.encode(message))
            log.info("card context sent", case_id=case_id, confirmed=len(message.confirmed))

    async def _take_back(self, state: CaseState, recorded: Recorded[Event]) -> None:
        """Has detection forget what an erased customer said, and then the compacted topic as well."""
        if self._history is None or self._producer is None:
            raise RuntimeError("the writer handles events before it runs")
        for card_id in state.cards:
            if await owner_of(self._history, card_id) not in {None, state.customer_id}:
                continue  # somebody else's by now, of whose payments it may tell
            nothing = context_of(card_id, [], recorded)
            await self._producer.send(CARD_CONTEXT, card_id, msgspec.json.encode(nothing))
            await self._producer.send(CARD_CONTEXT, card_id, None)
            log.info("card context taken back", case_id=state.case_id)


def context_of(
    card_id: str, timelines: Sequence[Sequence[Recorded[Event]]], because: Recorded[Event]
) -> CardContextMessage:
    """What was said of a card's payments in all of its customer's cases, as of this event or later."""
    confirmed: list[str] = []
    struck_out: list[str] = []
    quiet: list[QuietWayMessage] = []
    for timeline in timelines:
        state = replay(one.event for one in timeline)
        own = {alert.suspect for alert in state.alerts.values() if alert.card_id == card_id}
        sure = [one for one in state.confirmed if one in own and _is_sure(state, one)]
        confirmed += sure
        struck_out += [one for one in state.struck_out if one in _ever_believed(timeline, card_id) | own]
        quiet += [way for one in sure if (way := _way(one, timeline)) is not None]
    return CardContextMessage(
        card_id=card_id,
        version=because.position,
        said_at=because.occurred_at,
        confirmed=[one for one in dict.fromkeys(confirmed) if one not in struck_out][-MOST:],
        struck_out=list(dict.fromkeys(struck_out))[-MOST:],
        quiet=quiet[-MOST:],
    )


def _ever_believed(timeline: Sequence[Recorded[Event]], card_id: str) -> set[str]:
    """What the card's suspects were ever told to contradict.

    What is struck out stays so, also once detection has judged the suspects anew without it.
    """
    events = [one.event for one in timeline]
    own = {one.alert_id for one in events if isinstance(one, e.AlertJoined) and one.card_id == card_id}
    return {one.against for one in events if isinstance(one, e.AlertJoined | e.AlertRevised) and one.alert_id in own}


def _is_sure(state: CaseState, transaction_id: str) -> bool:
    return state.confirmed[transaction_id] == "operator" or state.resolution == "genuine"


def _way(transaction_id: str, timeline: Sequence[Recorded[Event]]) -> QuietWayMessage | None:
    """The way between the confirmed payment and what it contradicted, as it was last told."""
    found = None
    for evidence in _told(timeline):
        suspect, against = evidence.get("suspect"), evidence.get("against")
        if not isinstance(suspect, dict) or not isinstance(against, dict):
            continue
        if suspect.get("transaction_id") == transaction_id:
            found = QuietWayMessage(
                transaction_id=transaction_id,
                lat=against["lat"],
                lon=against["lon"],
                other_lat=suspect["lat"],
                other_lon=suspect["lon"],
                since=datetime.fromisoformat(suspect["at"]),
            )
    return found


def _told(timeline: Sequence[Recorded[Event]]) -> Iterator[dict[str, Any]]:
    for one in timeline:
        if isinstance(one.event, e.AlertJoined | e.AlertRevised) and isinstance(one.event.evidence, dict):
            yield one.event.evidence
