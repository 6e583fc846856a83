"""The role `relay`: the history for others, on `case-events`, as CloudEvents 1.0 in structured mode.

`sequence` is the position, in twenty digits: an event that was sent twice is recognised by it. Personal fields leave
only as they are stored, encrypted with the customer's key: ``data.personal`` holds the key's id and the ciphertext in
base64; whoever has no key reads everything else. The subscription's name holds the topic's identity, so that a topic
which was made anew is filled from position 1.
"""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from cloudevents.http import CloudEvent, to_structured

from infra.clock import Clock, utc_now
from infra.history.canonical import StoredEvent
from infra.history.store import History
from infra.history.subscription import Subscription
from infra.metrics import RELAY_LAG, RELAYED
from infra.settings import Settings
from streams.errors import StreamsError
from streams.follower import RETRYABLE
from streams.ground import opened_history
from streams.handing import Handing
from streams.incarnation import per_incarnation
from streams.producer import Outgoing, Producer
from streams.role import Role, together
from streams.runner import App, faust_app
from streams.runner import run as run_app
from streams.seals import keep_sealed, publish_seals
from streams.topics import CASE_EVENTS, TopicIdentity

log = structlog.get_logger(__name__)

SOURCE: Final = "ringback"
_PAUSE_S: Final = 0.2
_PAUSE_AT_MOST_S: Final = 15.0
_CUSTOMER: Final = "customer-"
_UNOWNED: Final = "unowned."


class Relay:
    """Everything that the role does, on an app that has not started yet."""

    def __init__(self, app: App, settings: Settings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._hands: Handing[_Read] = Handing(app, "relay-history", self._work)

    async def run(self) -> None:
        """Works until it is cancelled.

        Raises:
            Exception: something that is not understood; leave the process.
        """
        async with (
            opened_history(self._settings, self._clock) as history,
            Producer(self._settings.kafka_servers or "", client_id="ringback-relay", gapless=True) as producer,
        ):

            async def follow(identity: TopicIdentity) -> None:
                await self._follow(history, producer, f"relay.{identity}")

            await together(
                per_incarnation(self._settings, CASE_EVENTS, follow),
                publish_seals(self._settings, history, producer),
                keep_sealed(self._settings, history, self._clock),
            )

    async def _follow(self, history: History, producer: Producer, name: str) -> None:
        pause_s = _PAUSE_S
        while True:
            subscription = Subscription(history, name)
            try:
                async with subscription.lead():
                    log.info("relay leads", follower=name)
                    async for rows in subscription.stored_batches():
                        await self._hands.give(_Read(history, producer, subscription, rows))
                        pause_s = _PAUSE_S
            except RETRYABLE as error:
                log.warning("relay waits", error=type(error).__name__, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_AT_MOST_S)

    async def _work(self, read: "_Read") -> None:
        """Sends all rows, then moves the checkpoint; what is sent again begins at the checkpoint again.

        So everything that ever reaches a partition is a series without gaps from the checkpoint on, or its beginning.
        Whoever reads the partition, and ignores what is not above the last that it has seen, misses nothing.
        """
        head = (await read.history.head()).position
        RELAY_LAG.set(head - read.rows[0].position + 1)
        for answer in await read.producer.send_all([outgoing(row) for row in read.rows]):
            if isinstance(answer, StreamsError):
                raise answer
        async with read.history.transaction() as conn:
            await read.subscription.advance(conn, read.rows[-1].position)
        RELAYED.inc(len(read.rows))
        RELAY_LAG.set(head - read.rows[-1].position)


class _Read:
    """Rows, with where they go and the subscription that they were read under."""

    def __init__(
        self, history: History, producer: Producer, subscription: Subscription, rows: Sequence[StoredEvent]
    ) -> None:
        self.history = history
        self.producer = producer
        self.subscription = subscription
        self.rows = rows


def key_of(row: StoredEvent) -> str:
    """The customer's id where the event is about one, else the stream's name."""
    customer = row.stream.removeprefix(_CUSTOMER) if row.stream.startswith(_CUSTOMER) else row.subject
    return row.stream if not customer or customer.startswith(_UNOWNED) else customer


def outgoing(row: StoredEvent) -> Outgoing:
    """The event as a message of `case-events`."""
    data: dict[str, Any] = msgspec.json.decode(row.payload)
    if row.personal is not None:
        data["personal"] = {"key_id": str(row.key_id), "ciphertext": base64.b64encode(row.personal).decode()}
    attributes = {
        "id": str(row.event_id),
        "source": SOURCE,
        "type": row.type,
        "subject": row.stream,
        "time": row.occurred_at.isoformat(),
        "datacontenttype": "application/json",
        "sequence": f"{row.position:020d}",
        "streamversion": str(row.version),
        "schemaversion": str(row.schema_version),
        "actor": row.actor,
    }
    headers, body = to_structured(CloudEvent(attributes, data))
    return Outgoing(CASE_EVENTS, key_of(row), body, {name: value.encode() for name, value in headers.items()})


def run(settings: Settings) -> None:
    """Runs the role until SIGTERM or SIGINT.

    Raises:
        SystemExit: status 1, for something that is not understood; starting again goes on where it was.
    """
    app = faust_app("relay", settings)
    relay = Relay(app, settings)
    Role(app, relay.run)
    run_app(app)
