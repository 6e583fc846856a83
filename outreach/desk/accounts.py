"""Local accounts of operators: created, verified, signed in by password or by a link that works once.

Passwords are kept as argon2id hashes with the library's parameters (RFC 9106, low-memory profile), tokens of links as
SHA-256. Sign-ins are limited by account and by address; each, good or bad, is an event of the operator's stream.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from psycopg.errors import UniqueViolation

from infra.clock import Clock
from infra.history.event import NewEvent, derived_id
from infra.history.store import Connection, History, StreamWrite, Within
from outreach.desk.events import (
    AccountCreated,
    OperatorSignedIn,
    OperatorSignedOut,
    SignInFailed,
    SignInLinkIssued,
)

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?\Z")
"""A name stands in streams and on screens: small letters, digits, and dots, dashes and underscores inside."""

UNKNOWN = "unknown"
"""Stands in the stream's name where no account was meant; nobody may be called so."""

OPERATOR, SUPERVISOR = "operator", "supervisor"
ROLES = (OPERATOR, SUPERVISOR)

SHORTEST_PASSWORD = 12
"""Characters; length is what counts (NIST SP 800-63B-4, section 3.1.1.2 asks for 15, or 8 beside a second factor)."""

LONGEST_PASSWORD = 256
LIMIT_WINDOW = timedelta(minutes=15)
FAILURES_OF_A_NAME = 5
FAILURES_OF_AN_ADDRESS = 20
LINK_VALID = timedelta(minutes=15)

DDL = """
CREATE SCHEMA IF NOT EXISTS desk;
CREATE TABLE IF NOT EXISTS desk.accounts (
    name text PRIMARY KEY, display_name text NOT NULL, password_hash text NOT NULL, languages text[] NOT NULL,
    created_at timestamptz NOT NULL, disabled_at timestamptz, session_epoch integer NOT NULL DEFAULT 0,
    role text NOT NULL DEFAULT 'operator');
ALTER TABLE desk.accounts ADD COLUMN IF NOT EXISTS role text NOT NULL DEFAULT 'operator';
CREATE TABLE IF NOT EXISTS desk.sign_in_links (
    token_hash bytea PRIMARY KEY, name text NOT NULL REFERENCES desk.accounts, expires_at timestamptz NOT NULL,
    used_at timestamptz);
CREATE TABLE IF NOT EXISTS desk.sign_in_failures (limited text NOT NULL, failed_at timestamptz NOT NULL);
CREATE INDEX IF NOT EXISTS sign_in_failures_limited ON desk.sign_in_failures (limited, failed_at);
"""


class AccountError(Exception):
    """The root of what can be wrong with an account; the message may be shown."""


class AccountRefused(AccountError):
    """The account cannot be made like this."""


class SignInRefused(AccountError):
    """Name, password or link are not right; which of them is not told."""


class TooManyAttempts(AccountError):
    """Too many failures of this account or address; try again after ``wait_s`` seconds."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("Too many failed sign-ins. Wait a little, then try again.")
        self.wait_s = wait_s


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who works at the desk. ``session_epoch`` counts sign-outs: sessions of an older epoch are over.

    ``role``: ``operator`` or ``supervisor``, who is an operator too.
    """

    name: str
    display_name: str
    languages: tuple[str, ...]
    disabled: bool
    session_epoch: int
    role: str = OPERATOR

    @property
    def supervises(self) -> bool:
        """Whether escalated tasks are theirs to take, and the tasks of others theirs to move."""
        return self.role == SUPERVISOR


class Accounts:
    """The accounts, in the table ``desk.accounts``; what happens to them is in the streams ``operator-{name}``."""

    def __init__(
        self,
        history: History,
        clock: Clock,
        *,
        hasher: PasswordHasher | None = None,
        new_token: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._history = history
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._new_token = new_token
        self._decoy = self._hasher.hash(new_token())

    async def prepare(self) -> None:
        """Creates the tables where they are missing; safe in several processes at once."""
        async with self._history.transaction() as conn:
            await conn.execute("SELECT pg_advisory_xact_lock(hashtext('ringback desk.accounts'))")
            await conn.execute(DDL)

    async def create(
        self,
        name: str,
        password: str,
        *,
        display_name: str = "",
        languages: Sequence[str] = ("en",),
        role: str = OPERATOR,
        actor: str,
    ) -> Account:
        """Makes an account; ``role`` is one of ``ROLES``.

        Raises:
            AccountRefused: the name is taken or malformed, or the password too short or too long.
        """
        if not NAME.match(name) or name == UNKNOWN:
            raise AccountRefused("A name is 1 to 40 small letters, digits, dots, dashes and underscores.")
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise AccountRefused(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
        hashed = await asyncio.to_thread(self._hasher.hash, password)
        shown = display_name or name.capitalize()
        row = (name, shown, hashed, list(languages), self._clock(), role)

        async def insert(conn: Connection) -> None:
            await conn.execute(
                "INSERT INTO desk.accounts (name, display_name, password_hash, languages, created_at, role)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                row,
            )

        try:
            created = AccountCreated(operator=name, languages=list(languages), role=role)
            await self._tell(created, actor=actor, within=insert)
        except UniqueViolation as error:
            raise AccountRefused(f"There is an account named {name} already.") from error
        return Account(
            name=name, display_name=shown, languages=tuple(languages), disabled=False, session_epoch=0, role=role
        )

    async def find(self, name: str) -> Account | None:
        """The account of that name, disabled ones included."""
        async with self._history.transaction() as conn:
            found = await self._row(conn, name)
        return found[0] if found else None

    async def verify(self, name: str, password: str, *, address: str) -> Account:
        """Signs in by password; takes as long for a name that nobody has.

        Raises:
            TooManyAttempts: before anything is compared.
            SignInRefused: name or password are wrong, or the account is disabled.
        """
        name = name.strip().lower()
        await self._within_limits(name, address)
        async with self._history.transaction() as conn:
            found = await self._row(conn, name) if NAME.match(name) else None
        hashed = found[1] if found else self._decoy
        right = await asyncio.to_thread(self._matches, hashed, password[: LONGEST_PASSWORD + 1])
        if found is None:
            await self._failed(name, address, UNKNOWN, "unknown")
        elif not right:
            await self._failed(name, address, name, "password")
        elif found[0].disabled:
            await self._failed(name, address, name, "disabled")
        else:
            await self._signed_in(found[0], "password")
            return found[0]
        raise SignInRefused("Name or password are not right.")

    async def issue_link(self, name: str, *, actor: str, valid: timedelta = LINK_VALID) -> str:
        """The token of a link that signs the operator in, once, until it expires.

        Raises:
            AccountRefused: nobody has that name.
        """
        token = self._new_token()
        expires = self._clock() + valid

        async def insert(conn: Connection) -> None:
            if await self._row(conn, name) is None:
                raise AccountRefused(f"There is no account named {name}.")
            await conn.execute("DELETE FROM desk.sign_in_links WHERE expires_at < %s", (self._clock(),))
            await conn.execute(
                "INSERT INTO desk.sign_in_links (token_hash, name, expires_at) VALUES (%s, %s, %s)",
                (_hashed(token), name, expires),
            )

        issued = SignInLinkIssued(operator=name, valid_s=int(valid.total_seconds()))
        await self._tell(issued, actor=actor, within=insert)
        return token

    async def redeem(self, token: str, *, address: str) -> Account:
        """Signs in by link; of two who try at once, one succeeds.

        Raises:
            TooManyAttempts: too many failures of this address.
            SignInRefused: the link is unknown, used, expired, or its account disabled.
        """
        await self._within_limits("", address)
        async with self._history.transaction() as conn:
            cursor = await conn.execute(
                "UPDATE desk.sign_in_links SET used_at = %s WHERE token_hash = %s AND used_at IS NULL"
                " AND expires_at > %s RETURNING name",
                (self._clock(), _hashed(token), self._clock()),
            )
            used = await cursor.fetchone()
            found = await self._row(conn, str(used[0])) if used else None
        if found is None or found[0].disabled:
            await self._failed("", address, found[0].name if found else UNKNOWN, "link")
            raise SignInRefused("This link has been used, or is too old. Ask for a new one.")
        await self._signed_in(found[0], "link")
        return found[0]

    async def sign_out(self, name: str) -> None:
        """Ends every session of the account."""

        async def bump(conn: Connection) -> None:
            await conn.execute("UPDATE desk.accounts SET session_epoch = session_epoch + 1 WHERE name = %s", (name,))

        await self._tell(OperatorSignedOut(operator=name), actor=f"operator:{name}", within=bump)

    async def _row(self, conn: Connection, name: str) -> tuple[Account, str] | None:
        cursor = await conn.execute(
            "SELECT name, display_name, languages, disabled_at, session_epoch, role, password_hash"
            " FROM desk.accounts WHERE name = %s",
            (name,),
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        return account_of(row), row[6]

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _within_limits(self, name: str, address: str) -> None:
        now = self._clock()
        limits = ((f"name {name}", FAILURES_OF_A_NAME), (f"address {address}", FAILURES_OF_AN_ADDRESS))
        async with self._history.transaction() as conn:
            for limited, most in limits:
                cursor = await conn.execute(
                    "SELECT failed_at FROM desk.sign_in_failures WHERE limited = %s AND failed_at > %s"
                    " ORDER BY failed_at DESC LIMIT %s",
                    (limited, now - LIMIT_WINDOW, most),
                )
                failures: list[datetime] = [row[0] for row in await cursor.fetchall()]
                if len(failures) >= most:
                    raise TooManyAttempts(max(1, int((failures[-1] + LIMIT_WINDOW - now).total_seconds())))

    async def _signed_in(self, account: Account, method: str) -> None:
        async def forget(conn: Connection) -> None:
            await conn.execute("DELETE FROM desk.sign_in_failures WHERE limited = %s", (f"name {account.name}",))

        event = OperatorSignedIn(operator=account.name, method=method)
        await self._tell(event, actor=f"operator:{account.name}", within=forget)

    async def _failed(self, typed: str, address: str, operator: str, reason: str) -> None:
        now = self._clock()
        limited = [f"address {address}", *([f"name {typed[:40]}"] if typed else [])]

        async def note(conn: Connection) -> None:
            await conn.execute("DELETE FROM desk.sign_in_failures WHERE failed_at < %s", (now - LIMIT_WINDOW,))
            for each in limited:
                await conn.execute("INSERT INTO desk.sign_in_failures VALUES (%s, %s)", (each, now))

        await self._tell(SignInFailed(operator=operator, reason=reason), actor="system:desk", within=note)

    async def _tell(
        self,
        event: AccountCreated | SignInLinkIssued | OperatorSignedIn | SignInFailed | OperatorSignedOut,
        *,
        actor: str,
        within: Within,
    ) -> None:
        stream = f"operator-{event.operator}"
        new = NewEvent(
            event=event,
            # Each happens once and follows from nothing recorded: its cause is its own.
            event_id=derived_id(stream, self._new_token()),
            occurred_at=self._clock(),
            actor=actor,
        )
        await self._history.append(StreamWrite(stream=stream, events=[new]), within=within)


def account_of(row: Sequence[Any]) -> Account:
    """The account out of a row: name, display name, languages, since when disabled, epoch of its sessions, role."""
    return Account(
        name=row[0],
        display_name=row[1],
        languages=tuple(row[2]),
        disabled=row[3] is not None,
        session_epoch=row[4],
        role=row[5],
    )


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
