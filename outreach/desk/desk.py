"""The desk as its routes need it: what it stands on, and who is sitting at it."""

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from fastapi import Request

from infra.clock import Clock
from infra.history.store import History
from infra.problems import Problem
from infra.settings import Settings
from outreach.cases.service import Cases
from outreach.customers.service import Customers
from outreach.desk.accounts import Account, Accounts
from outreach.desk.live import Live
from outreach.desk.presence import Presence
from outreach.desk.roster import Roster
from outreach.desk.sessions import Session, Sessions


class SignedIn(msgspec.Struct, frozen=True):
    """An operator with a session that holds."""

    account: Account
    session: Session

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name

    @property
    def actor(self) -> str:
        """As whom the history knows the operator."""
        return f"operator:{self.account.name}"

    @property
    def supervises(self) -> bool:
        """Whether they are a supervisor."""
        return self.account.supervises


class Desk:
    """Everything that the desk's routes share; one per web process.

    Raises:
        ValueError: the history was opened without a master key; sessions could not be signed.
    """

    def __init__(
        self,
        *,
        history: History,
        cases: Cases,
        customers: Customers,
        accounts: Accounts,
        settings: Settings,
        clock: Clock,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self.history = history
        self.cases = cases
        self.customers = customers
        self.accounts = accounts
        self.settings = settings
        self.clock = clock
        self.new_id = new_id
        self.roster = Roster(history, clock)
        self.presence = Presence(history, clock)
        self.live = Live(history)
        # The installation's own key stays what it is when the master key is changed: nobody is signed out by that.
        self.sessions = Sessions(history.lookup_key, secure=settings.web_url.startswith("https://"))

    async def prepare(self) -> None:
        """Creates the desk's own tables where they are missing."""
        await self.accounts.prepare()
        await self.presence.prepare()

    def common(self, operator: SignedIn) -> dict[str, Any]:
        """What every page of somebody who is signed in shows."""
        return {
            "operator": operator.account,
            "csrf": self.sessions.csrf(operator.session),
            "bank": self.settings.bank_name,
            "now": self.clock(),
        }

    def close(self) -> None:
        """Ends the open event streams, so that the process may stop: call it on the signal, before it drains."""
        self.live.close()

    async def signed_in(self, request: Request) -> SignedIn | None:
        """Who the request comes from; None where nobody is signed in, or is no longer."""
        session = self.sessions.read(request)
        account = await self.accounts.find(session.name) if session else None
        if session is None or account is None or account.disabled or account.session_epoch != session.epoch:
            return None
        return SignedIn(account, session)

    async def at_api(self, request: Request) -> SignedIn:
        """The operator who calls the API.

        Raises:
            Problem: 401.
        """
        operator = await self.signed_in(request)
        if operator is None:
            raise Problem(401, "sign-in-needed", "Nobody is signed in", "Sign in at /sign-in, and send its cookie.")
        return operator

    async def at_page(self, request: Request) -> SignedIn:
        """The operator who looks at a page.

        Raises:
            Problem: a redirect to the sign-in, and from there back; 401 to a page that follows what happens.
        """
        operator = await self.signed_in(request)
        if operator is None:
            if request.headers.get("hx-request"):
                # The page stays, with what was typed on it, and asks for the sign-in itself.
                raise Problem(401, "sign-in-needed", "Nobody is signed in")
            here = page_of(request)
            to = "/sign-in" if here == "/" else f"/sign-in?next={quote(here)}"
            raise Problem(303, "sign-in-needed", "Nobody is signed in", headers={"Location": to})
        return operator


def page_of(request: Request) -> str:
    """The page to come back to: itself, or that on which the action was pressed."""
    path = request.url.path
    if request.method == "GET":
        return path
    parts = path.split("/")
    if parts[1] == "cases" and len(parts) > 2:  # noqa: PLR2004 - /cases/ID/action
        return "/".join(parts[:3])
    return "/wallboard" if parts[1] == "wallboard" else "/"
