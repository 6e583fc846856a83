"""The read model `contacts`: every message to a customer, for routing replies and for the law's allowance."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection


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


async def newest_to(
    conn: AsyncConnection[Any], customer_id: str, *, channel: str | None = None, purpose: str | None = "alert"
) -> ContactRow | None:
    """The newest message to the customer (of the purpose; of any, where it is None) that was not refused."""
    raise NotImplementedError


async def by_provider_id(conn: AsyncConnection[Any], provider_id: str) -> ContactRow | None:
    """The message that the provider calls so."""
    raise NotImplementedError


async def by_contact_id(conn: AsyncConnection[Any], contact_id: str) -> ContactRow | None:
    """The message by our own id."""
    raise NotImplementedError


async def count_since(
    conn: AsyncConnection[Any],
    customer_id: str,
    since: datetime,
    *,
    channels: tuple[str, ...] = ("sms", "voice"),
    purposes: tuple[str, ...] = ("alert",),
) -> int:
    """How many messages to the customer were intended since then, whatever became of them."""
    raise NotImplementedError


THREE_DAYS = timedelta(days=3)
"""The window of 47 CFR 64.1200(a)(9)(iii)."""
