"""Ranges so small that a test comes to their ends."""

from typing import Any

import psycopg


async def small_ranges(conn: psycopg.AsyncConnection[Any], size: int) -> None:
    """Makes the ranges of an empty history as small as this."""
    await conn.execute("DROP TABLE history.events_000000000001")
    await conn.execute("UPDATE history.head SET range_size = %s", (size,))
    await conn.execute("UPDATE history.head SET ranges_end = history.make_range(1, range_size)")
