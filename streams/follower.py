"""From the history to an agent: what is done about an event, and that it is done, stand in one transaction.

A follower leads its subscription (one leader over all processes), puts what it reads on a Faust channel, and the agent
hands each event to the role's handler together with ``done``: a function that moves the checkpoint inside whatever
transaction it is run in. A handler that appends gives it to the append (``within=done``); for one that appends nothing
the follower moves the checkpoint itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from infra.history.errors import CheckpointMoved, Unavailable
from infra.history.event import Event, Recorded
from infra.history.store import Connection, History, Within
from infra.history.subscription import Subscription
from outreach.cases.errors import Busy
from streams.errors import BrokerAway, TopicMissing
from streams.handing import Handing
from streams.runner import App

log = structlog.get_logger(__name__)

RETRYABLE: Final = (Unavailable, Busy, BrokerAway, TopicMissing, CheckpointMoved)
"""What passes by itself: the same event is handled again, after a pause, by whoever leads then."""

_PAUSE_S: Final = 0.2
_PAUSE_AT_MOST_S: Final = 15.0

Handler = Callable[[Recorded[Event], Within], Awaitable[None]]
"""Does what has to follow from one event; idempotent, because a retryable error or a crash brings it again."""


class Follower:
    """One role's way along the history.

    Args:
        app: the role's app; the agent is made here, before the app starts.
        name: the subscription's name, stable: the checkpoint is kept under it.
        handle: called for each event in the order of the history, one at a time.
        types: the wire names that are wanted; None for all.
        lanes: more than one lets events of different streams be handled at the same time, those of one stream still
            in their order. Then ``done`` does nothing, and the checkpoint moves when a whole batch is handled: what
            was handled since comes again after a crash, and the handler must recognise it by the case's state.
    """

    def __init__(
        self, app: App, name: str, handle: Handler, *, types: Collection[str] | None = None, lanes: int = 1
    ) -> None:
        self.name = name
        self._handle = handle
        self._types = types
        self._lanes = asyncio.Semaphore(lanes)
        self._in_order = lanes == 1
        self._hands: Handing[_Read] = Handing(app, f"follow-{name}", self._work)

    async def run(self, history: History, *, name: str | None = None) -> None:
        """Leads and follows until it is cancelled; start it when the app has started.

        Args:
            history: what is followed.
            name: the subscription's name, where it is another each time (a checkpoint that is worth something only
                together with a topic's identity).

        Raises:
            Exception: something that is not understood; the caller leaves the process.
        """
        pause_s = _PAUSE_S
        while True:
            subscription = Subscription(history, name or self.name, types=self._types)
            try:
                async with subscription.lead():
                    log.info("follower leads", follower=subscription.name)
                    async for events in subscription.batches():
                        await self._hands.give(_Read(history, subscription, events))
                        pause_s = _PAUSE_S
            except RETRYABLE as error:
                log.warning("follower waits", follower=self.name, error=type(error).__name__, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_AT_MOST_S)

    async def _work(self, read: "_Read") -> None:
        if self._in_order:
            for recorded in read.events:
                done = _Done(read.subscription, recorded.position)
                await self._handle(recorded, done)
                if not done.ran:
                    await read.advance(recorded.position)
            return
        by_stream: dict[str, list[Recorded[Event]]] = {}
        for recorded in read.events:
            by_stream.setdefault(recorded.stream, []).append(recorded)
        answers = await asyncio.gather(*(self._lane(lane) for lane in by_stream.values()), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        await read.advance(read.events[-1].position)

    async def _lane(self, events: list[Recorded[Event]]) -> None:
        async with self._lanes:
            for recorded in events:
                await self._handle(recorded, _nothing)


class _Read:
    """Events, and the subscription under which they were read: no other checkpoint is moved by them."""

    def __init__(self, history: History, subscription: Subscription, events: list[Recorded[Event]]) -> None:
        self._history = history
        self.subscription = subscription
        self.events = events

    async def advance(self, position: int) -> None:
        """Moves the checkpoint by itself."""
        async with self._history.transaction() as conn:
            await self.subscription.advance(conn, position)


class _Done:
    """Moves the checkpoint behind one event, inside the transaction of what was done about it."""

    def __init__(self, subscription: Subscription, position: int) -> None:
        self._subscription = subscription
        self._position = position
        self.ran = False

    async def __call__(self, conn: Connection) -> None:
        await self._subscription.advance(conn, self._position)
        self.ran = True


async def _nothing(_conn: Connection) -> None:
    """Stands for ``done`` where the checkpoint moves with the batch."""
