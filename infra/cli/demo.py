"""``ringback demo``: the whole system on this machine with a rehearsal world, and one story told as it happens."""

import asyncio
import secrets
import shutil
import signal
import socket
import time
from contextlib import suppress
from shlex import quote
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from infra.cli.connected import demo_home, with_addresses
from infra.cli.rehearsed import rehearsed
from infra.cli.supervisor import ROLES, Supervisor
from infra.cli.up import interruptible
from infra.clock import utc_now
from infra.history.opening import open_history
from infra.history.store import History
from infra.servers import ServersError, running
from infra.settings import Settings
from infra.telemetry import configure
from outreach.desk.accounts import SUPERVISOR as SUPERVISING
from outreach.desk.accounts import Accounts
from rules.card_number import mask_card_numbers
from streams.rehearsal.background import pay_on
from streams.rehearsal.entrances import Bank, Desk, EntranceError, Telephone
from streams.rehearsal.people import story_customer
from streams.rehearsal.story import Line, Story
from streams.rehearsal.witness import NotSeenError

OPERATOR = "dara"
SUPERVISOR = "vera"
LANGUAGES = ("en", "es", "de")
PORTS = 3
"""Web, phone network and mail server, one after the other."""


class PortsTaken(ServersError):
    """No three free ports in a row were found."""


class Access(msgspec.Struct, frozen=True):
    """How to come to the desk: an operator's password, and the tokens of links that work once."""

    password: str
    for_story: str
    for_visitor: str
    for_supervisor: str


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the story: 0 if every step of it was seen.")] = False,
) -> None:
    """Runs the whole system, tells the story of a card in two places, and then keeps running."""
    console = Console(highlight=False)
    settings = _prepared(Settings())
    configure(settings, role="demo", mask_numbers=mask_card_numbers)
    interruptible()
    began = time.monotonic()
    console.print(
        f"\n[bold]Ringback[/] starts PostgreSQL, Redis, a Kafka broker, {len(ROLES)} roles and a rehearsal bank,"
        f" phone network and mail server, all on this machine.\n[dim]Data and logs: {settings.home}[/]"
    )
    supervisor = Supervisor(settings, (*ROLES, "rehearsal"))
    told = False
    try:
        supervisor.start()
        console.print(f"[dim]Everything is up after {time.monotonic() - began:.1f} s.[/]\n")
        told = asyncio.run(_perform(console, supervisor, once=once))
    except KeyboardInterrupt:
        console.print("\nStopping …")
        told = True
    finally:
        supervisor.stop()
    if not told:
        console.print(f"The roles' logs are in {settings.home / 'logs'}.")
        raise typer.Exit(1)


def _prepared(settings: Settings) -> Settings:
    """A home of the demo's own, empty, and ports that are free: no demo meets what another has left.

    Raises:
        PortsTaken: there is no room.
        ServersError: a demo runs in this home already.
    """
    home = demo_home(settings.home)
    if running(home) is not None:
        raise ServersError(
            f"A demo is running in {home} already; end it first, or set RINGBACK_HOME to another folder."
        )
    shutil.rmtree(home, ignore_errors=True)
    port = _free_ports(settings.http_host, settings.http_port)
    return rehearsed(
        settings.model_copy(update={"home": home, "http_port": port, "log_format": "json", "public_url": None})
    )


def _free_ports(host: str, wanted: int) -> int:
    for first in range(wanted, wanted + 500, 10):
        with suppress(OSError):
            for port in range(first, first + PORTS):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((host, port))
            return first
    raise PortsTaken(f"No {PORTS} free ports in a row from {wanted} on; set RINGBACK_HTTP_PORT.")


async def _perform(console: Console, supervisor: Supervisor, *, once: bool) -> bool:
    """Tells the story; then, unless ``once``, lets the bank's customers go on paying until it is interrupted."""
    settings = supervisor.settings
    web, rehearsal = settings.web_url, settings.twilio_api_url or ""
    feed_key = settings.feed_key.get_secret_value() if settings.feed_key else ""
    customer = story_customer()
    async with (
        await open_history(with_addresses(settings, supervisor.addresses), utc_now) as history,
        Bank(web, feed_key) as bank,
        Telephone(rehearsal, customer["phone"]) as telephone,
        Desk(web) as desk,
    ):
        access = await _let_in(history)
        await desk.sign_in(f"/sign-in/{access.for_story}")
        _announce(console, settings, access)
        story = Story(
            history=history,
            bank=bank,
            telephone=telephone,
            desk=desk,
            operator=OPERATOR,
            tell=lambda line: _tell(console, line),
            clock=utc_now,
        )
        try:
            case_id = await story.act()
        except (NotSeenError, EntranceError) as failure:
            console.print(f"\n[bold red]The story broke off:[/] {failure}")
            return False
        console.print("\n[bold green]Every step was seen in the history.[/]")
        console.print(f"[dim]The case: {web}/cases/{case_id}[/]")
        if once:
            return True
        console.print("\nThe bank's customers go on paying; a card is stolen every minute or so. Ctrl-C ends it all.")
        console.print(
            f"Every other command looks into it with RINGBACK_HOME={quote(str(settings.home))}\n", soft_wrap=True
        )
        _announce(console, settings, access)
        await _until_interrupted(bank)
    return True


async def _let_in(history: History) -> Access:
    accounts = Accounts(history, utc_now)
    await accounts.prepare()
    password = secrets.token_urlsafe(12)
    await accounts.create(OPERATOR, password, display_name="Dara", languages=LANGUAGES, actor="system:demo")
    await accounts.create(
        SUPERVISOR, secrets.token_urlsafe(12), display_name="Vera", role=SUPERVISING, actor="system:demo"
    )
    links = [await accounts.issue_link(name, actor="system:demo") for name in (OPERATOR, OPERATOR, SUPERVISOR)]
    return Access(password, *links)


def _announce(console: Console, settings: Settings, access: Access) -> None:
    console.print(
        f"  desk    {settings.web_url}/sign-in/{access.for_visitor}   [dim](signs you in, once)[/]", soft_wrap=True
    )
    console.print(f"          {settings.web_url}/   [dim]{OPERATOR} / {access.password}[/]", soft_wrap=True)
    console.print(
        f"          {settings.web_url}/sign-in/{access.for_supervisor}   [dim](the same for a supervisor)[/]",
        soft_wrap=True,
    )
    console.print(f"  phone   {settings.twilio_api_url}/rehearsal/phone\n", soft_wrap=True)


def _tell(console: Console, line: Line) -> None:
    text = Text()
    text.append(f"{line.after_s:+8.2f} s  ", style="dim")
    text.append(f"{line.who:<10}", style="cyan")
    text.append(line.what)
    console.print(text)
    if line.quoted:
        console.print(Text(line.quoted, style="italic"), style="dim", width=min(console.width, 110), justify="left")


async def _until_interrupted(bank: Bank) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(ending, ended.set)
    paying = asyncio.create_task(pay_on(bank, clock=utc_now))
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({paying, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (paying, waiting):
        task.cancel()
    results = await asyncio.gather(paying, waiting, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
