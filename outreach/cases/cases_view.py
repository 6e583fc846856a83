"""The read model `cases`: every case by its id and its code, for look-ups and lists. Nothing personal in it."""

from datetime import datetime
from typing import Any, Final, LiteralString

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from infra.history.event import Event, Recorded
from outreach.cases import events as e


class CaseRow(Struct, frozen=True, kw_only=True):
    """One case. ``resolution`` is empty and ``resolved_at`` None while it is open."""

    case_id: str
    case_code: str
    customer_id: str
    card_id: str
    severity: str
    resolution: str
    opened_at: datetime
    resolved_at: datetime | None

    @property
    def status(self) -> str:
        """``open`` or ``resolved``."""
        return "resolved" if self.resolution else "open"


class CaseList:
    """The projection."""

    name: str = "cases"
    version: int = 2
    tables: tuple[str, ...] = ("cases",)
    ddl: str = """
    CREATE TABLE cases (
        case_id text PRIMARY KEY, case_code text NOT NULL, customer_id text NOT NULL, card_id text NOT NULL,
        severity text NOT NULL DEFAULT '', resolution text NOT NULL DEFAULT '', opened_at timestamptz NOT NULL,
        resolved_at timestamptz
    );
    CREATE INDEX cases_by_code ON cases (case_code);
    CREATE INDEX cases_by_customer ON cases (customer_id, opened_at);
    CREATE INDEX cases_by_opening ON cases (opened_at);
    """

    async def apply(self, conn: AsyncConnection[Any], recorded: Recorded[Event]) -> None:
        """Follows the cases."""
        case_id = recorded.stream.removeprefix("case-")
        match recorded.event:
            case e.CaseOpened() as opened:
                await conn.execute(
                    "INSERT INTO cases (case_id, case_code, customer_id, card_id, opened_at)"
                    " VALUES (%s, %s, %s, %s, %s)",
                    (case_id, opened.case_code, opened.customer_id, opened.card_id, recorded.occurred_at),
                )
            case e.OwnerFound(customer_id=customer_id):
                await conn.execute("UPDATE cases SET customer_id = %s WHERE case_id = %s", (customer_id, case_id))
            case e.AlertJoined(severity=severity):
                await conn.execute(
                    "UPDATE cases SET severity = %s WHERE case_id = %s AND severity = ''", (severity, case_id)
                )
            case e.SeverityRaised(severity=severity):
                await conn.execute("UPDATE cases SET severity = %s WHERE case_id = %s", (severity, case_id))
            case e.CaseReopened():
                await conn.execute(
                    "UPDATE cases SET resolution = '', resolved_at = NULL WHERE case_id = %s", (case_id,)
                )
            case e.CaseResolved(resolution=resolution):
                await conn.execute(
                    "UPDATE cases SET resolution = %s, resolved_at = %s WHERE case_id = %s",
                    (resolution, recorded.occurred_at, case_id),
                )
            case _:
                pass


async def by_id(conn: AsyncConnection[Any], case_id: str) -> CaseRow | None:
    """The case with the id."""
    found = await _rows(conn, " WHERE case_id = %s", (case_id,))
    return found[0] if found else None


async def by_code(conn: AsyncConnection[Any], code: str) -> list[CaseRow]:
    """The cases with the code, newest first; upper and lower case are one. Two cases may share a code, years apart."""
    return await _rows(conn, " WHERE case_code = upper(%s) ORDER BY opened_at DESC, case_id", (code.strip(),))


async def of_customer(conn: AsyncConnection[Any], customer_id: str, *, limit: int = 50) -> list[CaseRow]:
    """The customer's cases, newest first."""
    return await _rows(conn, " WHERE customer_id = %s ORDER BY opened_at DESC, case_id LIMIT %s", (customer_id, limit))


async def newest(conn: AsyncConnection[Any], *, limit: int = 100, open_only: bool = False) -> list[CaseRow]:
    """The newest cases."""
    return await _rows(
        conn,
        " WHERE (NOT %s OR resolution = '') ORDER BY opened_at DESC, case_id LIMIT %s",
        (open_only, limit),
    )


_COLUMNS: Final = """
SELECT case_id, case_code, customer_id, card_id, severity, resolution, opened_at, resolved_at FROM views.cases
"""


async def _rows(conn: AsyncConnection[Any], where: LiteralString, values: tuple[Any, ...]) -> list[CaseRow]:
    async with conn.cursor(row_factory=class_row(CaseRow)) as cursor:
        await cursor.execute(_COLUMNS + where, values)
        return await cursor.fetchall()
