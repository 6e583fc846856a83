"""The read model `contacts`: every message to a customer, for routing replies and for the law's allowance."""

from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from infra.history.event import Event, Recorded
from outreach.cases import events as e
from outreach.cases.evolve import DELIVERED, LOST

THREE_DAYS: Final = timedelta(days=3)
"""The window of 47 CFR 64.1200(a)(9)(iii)."""


class ContactRow(Struct, frozen=True, kw_only=True):
    """One message that was intended. ``status`` as in ``ContactState``; times in UTC."""

    contact_id: str
    case_id: str
    case_code: str
    customer_id: str
    channel: str
    purpose: str
    provider_id: str
    status: str
    intended_at: datetime


class Contacts:
    """The projection: a row a message, from its first intent on. No address and no text in it."""

    name: str = "contacts"
    version: int = 2
    tables: tuple[str, ...] = ("contacts", "contacts_cases")
    ddl: str = """
    CREATE TABLE contacts (
        contact_id text PRIMARY KEY, case_id text NOT NULL, channel text NOT NULL, purpose text NOT NULL,
        provider_id text NOT NULL DEFAULT '', status text NOT NULL, intended_at timestamptz NOT NULL,
        position bigint NOT NULL
    );
    CREATE INDEX contacts_by_provider_id ON contacts (provider_id) WHERE provider_id <> '';
    CREATE INDEX contacts_by_case ON contacts (case_id);
    CREATE TABLE contacts_cases (case_id text PRIMARY KEY, case_code text NOT NULL, customer_id text NOT NULL);
    CREATE INDEX contacts_cases_by_customer ON contacts_cases (customer_id);
    """

    async def apply(self, conn: AsyncConnection[Any], recorded: Recorded[Event]) -> None:
        """Follows the messages."""
        case_id = recorded.stream.removeprefix("case-")
        match recorded.event:
            case e.CaseOpened() as opened:
                await conn.execute(
                    "INSERT INTO contacts_cases VALUES (%s, %s, %s)",
                    (case_id, opened.case_code, opened.customer_id),
                )
            case e.OwnerFound(customer_id=customer_id):
                await conn.execute(
                    "UPDATE contacts_cases SET customer_id = %s WHERE case_id = %s", (customer_id, case_id)
                )
            case e.ContactIntended() as intended:
                await conn.execute(
                    "INSERT INTO contacts (contact_id, case_id, channel, purpose, status, intended_at, position)"
                    " VALUES (%s, %s, %s, %s, 'intended', %s, %s) ON CONFLICT (contact_id) DO UPDATE"
                    " SET status = 'intended', intended_at = excluded.intended_at, position = excluded.position",
                    (
                        intended.contact_id,
                        case_id,
                        intended.channel,
                        intended.purpose,
                        recorded.occurred_at,
                        recorded.position,
                    ),
                )
            case e.ContactAccepted() as accepted:
                await conn.execute(
                    "UPDATE contacts SET status = 'accepted', provider_id = %s WHERE contact_id = %s",
                    (accepted.provider_id, accepted.contact_id),
                )
            case e.CustomerOfCaseErased():
                # Nothing that comes from a number later may find this case.
                await conn.execute("DELETE FROM contacts WHERE case_id = %s", (case_id,))
                await conn.execute("DELETE FROM contacts_cases WHERE case_id = %s", (case_id,))
            case e.ContactUnknown(contact_id=named):
                await _set_status(conn, named, "unknown")
            case e.ContactFailed(contact_id=named):
                await _set_status(conn, named, "failed")
            case e.DeliveryReported(contact_id=named, status=status) if status in DELIVERED:
                await _set_status(conn, named, "delivered")
            case e.DeliveryReported(contact_id=named, status=status) if status in LOST:
                await _set_status(conn, named, "undelivered")
            case _:
                pass


async def _set_status(conn: AsyncConnection[Any], contact_id: str, status: str) -> None:
    await conn.execute(
        "UPDATE contacts SET status = %s WHERE contact_id = %s AND status <> 'delivered'", (status, contact_id)
    )


_ROWS: Final = """
SELECT k.contact_id, k.case_id, c.case_code, c.customer_id, k.channel, k.purpose, k.provider_id, k.status, k.intended_at
  FROM views.contacts k JOIN views.contacts_cases c USING (case_id)
"""


async def newest_to(
    conn: AsyncConnection[Any], customer_id: str, *, channel: str | None = None, purpose: str | None = "alert"
) -> ContactRow | None:
    """The newest message to the customer (of the purpose; of any, where it is None) that was not refused."""
    return await _one(
        conn,
        " WHERE c.customer_id = %s AND k.channel = coalesce(%s::text, k.channel)"
        " AND k.purpose = coalesce(%s::text, k.purpose) ORDER BY k.position DESC LIMIT 1",
        (customer_id, channel, purpose),
    )


async def by_provider_id(conn: AsyncConnection[Any], provider_id: str) -> ContactRow | None:
    """The message that the provider calls so."""
    return await _one(conn, " WHERE k.provider_id = %s AND k.provider_id <> '' LIMIT 1", (provider_id,))


async def by_contact_id(conn: AsyncConnection[Any], contact_id: str) -> ContactRow | None:
    """The message by our own id."""
    return await _one(conn, " WHERE k.contact_id = %s", (contact_id,))


async def count_since(
    conn: AsyncConnection[Any],
    customer_id: str,
    since: datetime,
    *,
    channels: tuple[str, ...] = ("sms", "voice"),
    purposes: tuple[str, ...] = ("alert",),
) -> int:
    """How many messages to the customer were intended since then, less those that never left us."""
    cursor = await conn.execute(
        "SELECT count(*) FROM views.contacts k JOIN views.contacts_cases c USING (case_id)"
        " WHERE c.customer_id = %s AND k.intended_at >= %s AND k.channel = ANY (%s) AND k.purpose = ANY (%s)"
        " AND NOT (k.status = 'failed' AND k.provider_id = '')",
        (customer_id, since, list(channels), list(purposes)),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _one(conn: AsyncConnection[Any], where: LiteralString, values: tuple[Any, ...]) -> ContactRow | None:
    async with conn.cursor(row_factory=class_row(ContactRow)) as cursor:
        await cursor.execute(_ROWS + where, values)
        return await cursor.fetchone()
