"""``ringback operators``: local accounts at the desk, and who of them is a supervisor.

A new operator sets out from a link that works once.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from infra.cli.connected import connected_settings
from infra.cli.opened import opened_history
from infra.cli.screen import harmless
from infra.clock import utc_now
from infra.settings import Settings
from outreach.desk.accounts import OPERATOR, ROLES, SUPERVISOR, Accounts
from outreach.desk.presence import Presence
from outreach.desk.roster import Roster

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
    *,
    supervisor: Annotated[bool, typer.Option("--supervisor", help="May take what is escalated.")] = False,
) -> None:
    """Makes an account with a password that is shown once, and a link that signs in once."""
    settings = connected_settings()
    password = secrets.token_urlsafe(15)

    async def make(accounts: Accounts, _: Roster) -> str:
        await accounts.create(
            name,
            password,
            display_name=display_name,
            languages=languages.replace(" ", "").split(","),
            role=SUPERVISOR if supervisor else OPERATOR,
            actor=ACTOR,
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

    async def issue(accounts: Accounts, _: Roster) -> str:
        return await accounts.issue_link(name, actor=ACTOR, valid=timedelta(minutes=minutes))

    token = asyncio.run(_with_accounts(settings, issue))
    Console(highlight=False).print(f"{settings.web_url}/sign-in/{token}", soft_wrap=True)


@app.command("list")
def list_command(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False
) -> None:
    """Shows everybody who works at the desk, as what, and when they were last at a case."""
    everybody = asyncio.run(_with_accounts(connected_settings(), lambda _, roster: roster.colleagues()))
    if as_json:
        for each in everybody:
            typer.echo(msgspec.json.encode({**msgspec.to_builtins(each.account), "seen_at": each.seen_at}))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "called", "role", "languages", "last at a case (UTC)"):
        table.add_column(column, no_wrap=True)
    for each in everybody:
        account = each.account
        role = f"{account.role}, disabled" if account.disabled else account.role
        seen = f"{each.seen_at:%Y-%m-%d %H:%M:%S}" if each.seen_at else "never"
        table.add_row(account.name, harmless(account.display_name), role, ", ".join(account.languages), seen)
    Console(markup=False, highlight=False).print(table)


@app.command()
def role(name: Name, to: Annotated[str, typer.Argument(metavar="ROLE", help=f"One of {', '.join(ROLES)}.")]) -> None:
    """Makes somebody a supervisor, or an operator again, from their next click on."""
    _say(f"{name} is {to} now", f"{name} is {to} already", lambda roster: roster.give_role(name, to, actor=ACTOR))


@app.command()
def disable(name: Name) -> None:
    """Ends every session of somebody who has left, and lets them sign in no more. Their tasks come back by silence."""
    _say(f"{name} is disabled", f"{name} is disabled already", lambda roster: roster.disable(name, actor=ACTOR))


@app.command()
def enable(name: Name) -> None:
    """Lets somebody sign in again."""
    _say(f"{name} may sign in again", f"{name} may sign in already", lambda roster: roster.enable(name, actor=ACTOR))


def _say(changed: str, unchanged: str, change: Callable[[Roster], Awaitable[bool]]) -> None:
    done = asyncio.run(_with_accounts(connected_settings(), lambda _, roster: change(roster)))
    typer.echo(changed if done else unchanged)


async def _with_accounts(settings: Settings, ask: Callable[[Accounts, Roster], Awaitable[ResultT]]) -> ResultT:
    async with opened_history(settings) as history:
        accounts = Accounts(history, utc_now)
        await accounts.prepare()
        await Presence(history, utc_now).prepare()
        return await ask(accounts, Roster(history, utc_now))
