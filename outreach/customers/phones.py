"""The read model `phones`: which customer a number on file belongs to, by the number's keyed hash."""

from typing import Any, ClassVar

from psycopg import AsyncConnection

from infra.history.event import Event, Recorded
from outreach.customers.events import CustomerErased, CustomerRecorded
from outreach.customers.numbers import lookup_key, phone_hash


class Phones:
    """The projection. The master key makes the hashes; without it the rows say nothing."""

    name: str = "phones"
    version: int = 2
    tables: tuple[str, ...] = ("phones",)
    ddl: str = """
    CREATE TABLE phones (customer_id text PRIMARY KEY, phone_hash text NOT NULL);
    CREATE INDEX phones_by_hash ON phones (phone_hash);
    """
    _UPSERT: ClassVar[str] = (
        "INSERT INTO phones (customer_id, phone_hash) VALUES (%s, %s)"
        " ON CONFLICT (customer_id) DO UPDATE SET phone_hash = excluded.phone_hash"
    )

    def __init__(self, master_key: bytes) -> None:
        self._key = lookup_key(master_key)

    async def apply(self, conn: AsyncConnection[Any], recorded: Recorded[Event]) -> None:
        """Keeps the newest number of each customer; an erased customer has none."""
        event = recorded.event
        if isinstance(event, CustomerErased):
            await conn.execute("DELETE FROM phones WHERE customer_id = %s", (event.customer_id,))
        if not isinstance(event, CustomerRecorded):
            return
        if event.phone:
            await conn.execute(self._UPSERT, (event.customer_id, phone_hash(self._key, event.phone)))
        else:
            await conn.execute("DELETE FROM phones WHERE customer_id = %s", (event.customer_id,))


async def customers_with(conn: AsyncConnection[Any], master_key: bytes, number: str) -> list[str]:
    """The customers who have this number (E.164) on file."""
    hashed = phone_hash(lookup_key(master_key), number)
    cursor = await conn.execute(
        "SELECT customer_id FROM views.phones WHERE phone_hash = %s ORDER BY customer_id LIMIT 10", (hashed,)
    )
    return [row[0] for row in await cursor.fetchall()]
