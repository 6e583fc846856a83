"""``ringback operators``: local accounts at the desk. A new operator sets out from a link that works once."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from infra.cli.connected import connected_settings, master_key
from infra.clock import utc_now
from infra.history.opening import open_history
from infra.settings import Settings
from outreach.desk.accounts import Accounts

app = typer.Typer(no_args_is_help=True)

ResultT = TypeVar("ResultT")
ACTOR = "system:command-line"

Name = Annotated[str, typer.Argument(help="Small letters, digits, dots and dashes: it stands in the history.")]
Minutes = Annotated[int, typer.Option("--minutes", min=1, max=1440, help="How long the link may be used.")]


@app.command()
def add(
    name: Name,
    display_name: Annotated[str, typer.Option("--display-name", help="As colleagues read it.")] = "",
    languages: Annotated[str, typer.Option("--languages", help="What the operator speaks: en,es.")] = "en",
    minutes: Minutes = 15,
) -> None:
    """Makes an account with a password that is shown once, and a link that signs in once."""
    settings = connected_settings()
    password = secrets.token_urlsafe(15)

    async def make(accounts: Accounts) -> str:
        await accounts.create(
            name, password, display_name=display_name, languages=languages.replace(" ", "").split(","), actor=ACTOR
        )
        return await accounts.issue_link(name, actor=ACTOR, valid=timedelta(minutes=minutes))

    token = asyncio.run(_with_accounts(settings, make))
    console = Console(highlight=False)
    console.print(f"{name} may sign in at {settings.web_url}/ with the password {password}", soft_wrap=True)
    console.print(f"or once, within {minutes} minutes, at {settings.web_url}/sign-in/{token}", soft_wrap=True)


@app.command()
def link(name: Name, minutes: Minutes = 15) -> None:
    """Prints a link that signs the operator in, once."""
    settings = connected_settings()

    async def issue(accounts: Accounts) -> str:
        return await accounts.issue_link(name, actor=ACTOR, valid=timedelta(minutes=minutes))

    token = asyncio.run(_with_accounts(settings, issue))
    Console(highlight=False).print(f"{settings.web_url}/sign-in/{token}", soft_wrap=True)


async def _with_accounts(settings: Settings, ask: Callable[[Accounts], Awaitable[ResultT]]) -> ResultT:
    master_key(settings)
    async with await open_history(settings, utc_now) as history:
        accounts = Accounts(history, utc_now)
        await accounts.prepare()
        return await ask(accounts)
