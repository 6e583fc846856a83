"""A worker's custody without a broker: it is handed what it judges, and what it tells is written down."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from infra.settings import Settings
from streams.detection.custody import Batch, Custody
from streams.detection.errors import LetGo
from streams.detection.outbox import Outbox
from streams.detection.partition import Partition
from streams.detection.recall import Recall
from streams.detection.rows import Found, Outcome, Rows
from streams.topics import TopicIdentity

IDENTITY = TopicIdentity("first", 1)
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


class Broker:
    """Has the topic, and says so."""

    def __init__(self, servers: str) -> None:
        del servers

    async def now(self) -> TopicIdentity:
        return IDENTITY

    async def confirm(self, identity: TopicIdentity) -> None:
        del identity


class Said:
    """An outbox that says everything at once."""

    ticket = 0

    def __init__(self) -> None:
        self.recall = Recall()
        self.told: list[tuple[str, str, str, str]] = []

    async def put(self, _partition: Partition, outcomes: Sequence[Outcome]) -> None:
        self.told += [
            (one.finding.status, one.finding.suspect.transaction_id, one.ruleset.version, one.mode)
            for one in outcomes
            if isinstance(one, Found)
        ]

    async def get_ready(self, numbers: Any) -> None:
        del numbers

    async def acknowledged(self, ticket: int) -> None:
        del ticket


def unplugged(redis_url: str, outbox: Said, dropped: list[LetGo]) -> Custody:
    """A custody that no broker is behind; what it lets go of is appended to ``dropped``."""
    return Custody(
        Settings(redis_url=redis_url, kafka_servers="localhost:1"),
        cast("Outbox", outbox),
        lambda: datetime.now(UTC),
        dropped=dropped.append,
    )


class Worker:
    """One worker's custody of the one partition."""

    def __init__(self, redis_url: str) -> None:
        self.outbox = Said()
        self.dropped: list[LetGo] = []
        self.custody = unplugged(redis_url, self.outbox, self.dropped)
        self._assignment = 0

    async def begin(self) -> int:
        """Where to go on."""
        self._assignment, begin = await self.custody.take([0])
        return begin[0] or 0

    async def judge(self, payments: Sequence[dict[str, Any]], first: int) -> list[tuple[str, str, str, str]]:
        """What is told of these records."""
        before = len(self.outbox.told)
        values = [json.dumps(one).encode() for one in payments]
        rows = Rows(range(first, first + len(values)), [NOW_MS] * len(values), values)
        await self.custody.judge(Batch(self._assignment, [(0, rows)]))
        return self.outbox.told[before:]

    async def die(self, *, flush: bool = False) -> None:
        await self.custody.give_up(flush=flush)
