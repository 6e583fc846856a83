"""Signs of life of the operators: keys, pointer and focus on a case page give one; hand-over asks for the last.

A page that is merely open gives none, however long it follows what happens: a task whose operator has left the desk
goes back to the queue.
"""

from datetime import datetime

from infra.clock import Clock
from infra.history.store import Connection, History

EVERY_S = 30
"""The least time between two signs of life of one page."""

DDL = """
CREATE SCHEMA IF NOT EXISTS desk;
CREATE TABLE IF NOT EXISTS desk.presence (
    operator text NOT NULL, case_id text NOT NULL, seen_at timestamptz NOT NULL, PRIMARY KEY (operator, case_id));
"""


class Presence:
    """The table ``desk.presence``. Not part of the history: it says nothing that anybody decides about a customer."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def prepare(self) -> None:
        """Creates the table where it is missing; safe in several processes at once."""
        async with self._history.transaction() as conn:
            await conn.execute("SELECT pg_advisory_xact_lock(hashtext('ringback desk.presence'))")
            await conn.execute(DDL)

    async def touch(self, operator: str, case_id: str) -> None:
        """The operator is at the case now."""
        async with self._history.transaction() as conn:
            await conn.execute(
                "INSERT INTO desk.presence (operator, case_id, seen_at) VALUES (%s, %s, %s)"
                " ON CONFLICT (operator, case_id) DO UPDATE SET seen_at = greatest(presence.seen_at, excluded.seen_at)",
                (operator, case_id, self._clock()),
            )


async def last_seen(conn: Connection, operator: str, case_id: str) -> datetime | None:
    """When the operator was last at the case; None where never, or where no desk has ever run."""
    exists = await (await conn.execute("SELECT to_regclass('desk.presence') IS NOT NULL")).fetchone()
    if exists is None or not exists[0]:
        return None
    cursor = await conn.execute(
        "SELECT seen_at FROM desk.presence WHERE operator = %s AND case_id = %s", (operator, case_id)
    )
    row = await cursor.fetchone()
    return row[0] if row else None
