"""Who works at the desk, as what, and when they were last at a case: what a supervisor and the site engineer ask."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from infra.clock import Clock
from infra.history.event import NewEvent, derived_id
from infra.history.store import Connection, History, StreamWrite
from outreach.desk.accounts import ROLES, Account, AccountRefused, account_of
from outreach.desk.events import AccountDisabled, AccountEnabled, RoleGiven


class Colleague(msgspec.Struct, frozen=True, kw_only=True):
    """An account, with its last sign of life at any case; None where there never was one."""

    account: Account
    seen_at: datetime | None


class _Unchanged(Exception):
    """It is so already: nothing is to be recorded."""


class Roster:
    """The accounts as a list. What is changed in it is in the streams ``operator-{name}``, with who changed it."""

    def __init__(
        self, history: History, clock: Clock, *, new_id: Callable[[], str] = lambda: secrets.token_hex(16)
    ) -> None:
        self._history = history
        self._clock = clock
        self._new_id = new_id

    async def colleagues(self) -> list[Colleague]:
        """Everybody, by name; disabled accounts included."""
        async with self._history.transaction() as conn:
            cursor = await conn.execute(
                "SELECT name, display_name, languages, disabled_at, session_epoch, role,"
                " (SELECT max(seen_at) FROM desk.presence p WHERE p.operator = a.name)"
                " FROM desk.accounts a ORDER BY name"
            )
            rows = await cursor.fetchall()
        return [Colleague(account=account_of(row), seen_at=row[6]) for row in rows]

    async def has_supervisor(self) -> bool:
        """Whether anybody can take what is escalated."""
        async with self._history.transaction() as conn:
            cursor = await conn.execute(
                "SELECT 1 FROM desk.accounts WHERE role = 'supervisor' AND disabled_at IS NULL LIMIT 1"
            )
            return await cursor.fetchone() is not None

    async def give_role(self, name: str, role: str, *, actor: str) -> bool:
        """Makes somebody an operator or a supervisor, from their next request on; false where they are that already.

        Raises:
            AccountRefused: nobody has that name, or there is no such role.
        """
        if role not in ROLES:
            raise AccountRefused(f"A role is one of {', '.join(ROLES)}.")
        statement = "UPDATE desk.accounts SET role = %s WHERE name = %s AND role <> %s"
        return await self._change(name, RoleGiven(operator=name, role=role), statement, (role, name, role), actor)

    async def disable(self, name: str, *, actor: str) -> bool:
        """Ends every session of the account, and lets nobody sign in to it; false where that is so already.

        Raises:
            AccountRefused: nobody has that name.
        """
        statement: LiteralString = (
            "UPDATE desk.accounts SET disabled_at = %s, session_epoch = session_epoch + 1"
            " WHERE name = %s AND disabled_at IS NULL"
        )
        return await self._change(name, AccountDisabled(operator=name), statement, (self._clock(), name), actor)

    async def enable(self, name: str, *, actor: str) -> bool:
        """Lets them sign in again; false where they may.

        Raises:
            AccountRefused: nobody has that name.
        """
        statement = "UPDATE desk.accounts SET disabled_at = NULL WHERE name = %s AND disabled_at IS NOT NULL"
        return await self._change(name, AccountEnabled(operator=name), statement, (name,), actor)

    async def _change(
        self,
        name: str,
        event: RoleGiven | AccountDisabled | AccountEnabled,
        statement: LiteralString,
        values: Sequence[Any],
        actor: str,
    ) -> bool:
        async def within(conn: Connection) -> None:
            known = await (await conn.execute("SELECT 1 FROM desk.accounts WHERE name = %s", (name,))).fetchone()
            if known is None:
                raise AccountRefused(f"There is no account named {name}.")
            if (await conn.execute(statement, values)).rowcount == 0:
                raise _Unchanged

        stream = f"operator-{name}"
        new = NewEvent(event=event, event_id=derived_id(stream, self._new_id()), occurred_at=self._clock(), actor=actor)
        try:
            await self._history.append(StreamWrite(stream=stream, events=[new]), within=within)
        except _Unchanged:
            return False
        return True
