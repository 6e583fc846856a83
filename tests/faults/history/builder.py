"""A read model whose builder can be killed: in a process of its own, slow enough to be caught in the middle."""

import asyncio
import base64
import sys

from infra.clock import utc_now
from infra.history import building
from infra.history.building import rebuild
from infra.history.event import Event, Recorded
from infra.history.registry import register
from infra.history.store import Connection, History
from tests.infra.history.notes import Counted

_BATCH = 20
_SLOW_S = 0.004


class Totals:
    """Adds up, and notes each event that it is told of."""

    name = "totals"
    version = 1
    ddl = (
        "CREATE TABLE totals (stream text PRIMARY KEY, total bigint NOT NULL);"
        "CREATE TABLE totals_seen (position bigint NOT NULL)"
    )
    tables = ("totals", "totals_seen")

    def __init__(self, slow_s: float = 0.0) -> None:
        self._slow_s = slow_s

    async def apply(self, conn: Connection, recorded: Recorded[Event]) -> None:
        """One event."""
        if isinstance(recorded.event, Counted):
            await conn.execute(
                "INSERT INTO totals AS t VALUES (%s, %s)"
                " ON CONFLICT (stream) DO UPDATE SET total = t.total + excluded.total",
                (recorded.stream, recorded.event.number),
            )
            await conn.execute("INSERT INTO totals_seen VALUES (%s)", (recorded.position,))
            await asyncio.sleep(self._slow_s)


async def _build(url: str, key: str) -> None:
    register(Counted)
    building._BATCH = _BATCH  # type: ignore[misc] # so that there is a middle to be caught in
    async with await History.open(url, master_key=base64.b64decode(key), clock=utc_now) as history:
        await rebuild(history, Totals(_SLOW_S))


if __name__ == "__main__":
    asyncio.run(_build(*sys.argv[1:3]))
