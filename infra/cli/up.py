"""``ringback up``: the whole installation on one machine."""

import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.cli.rehearsed import rehearsed
from infra.cli.supervisor import ROLES, Supervisor
from infra.servers import FORGETFUL
from infra.settings import Settings
from infra.telemetry import configure, without_password
from rules.card_number import mask_card_numbers


def up(
    *,
    rehearsal: Annotated[
        bool, typer.Option("--rehearsal", help="With a rehearsal bank, phone network and mail server.")
    ] = False,
) -> None:
    """Starts every role, and the embedded servers that the settings leave to us; Ctrl-C stops all in order."""
    console = Console(highlight=False)
    settings = Settings()
    if sys.stderr.isatty():
        settings = settings.model_copy(update={"log_format": "console"})
    configure(settings, role="up", mask_numbers=mask_card_numbers)
    if rehearsal:
        settings = rehearsed(settings)
    supervisor = Supervisor(settings, (*ROLES, "rehearsal") if rehearsal else ROLES)
    interruptible()
    try:
        console.print(f"Starting in {supervisor.settings.home} …")
        supervisor.start()
        show(console, supervisor)
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopping …")
    finally:
        supervisor.stop()
        if "kafka" in supervisor.servers.which:
            console.print(f"Stopped. Note: {FORGETFUL}. History, cases and sightings stay.")


def interruptible() -> None:
    """Makes SIGTERM and a closed terminal what Ctrl-C is; after the first of them none disturbs the stopping."""
    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        for ending in endings:
            signal.signal(ending, signal.SIG_IGN)
        raise KeyboardInterrupt

    for ending in endings:
        signal.signal(ending, interrupt)


def show(console: Console, supervisor: Supervisor) -> None:
    """Prints where everything is: addresses, roles with their process ids and logs, the desk's URL."""
    embedded = supervisor.servers.which
    places = Table("server", "address", "", box=None, pad_edge=False)
    addresses = supervisor.addresses
    for name, address in (
        ("postgres", addresses.postgres_url),
        ("redis", addresses.redis_url),
        ("kafka", addresses.kafka_servers),
    ):
        places.add_row(name, escape(without_password(address)), "embedded" if name in embedded else "yours")
    roles = Table("role", "process", "log", box=None, pad_edge=False)
    for role in supervisor.roles:
        roles.add_row(role, str(supervisor.pid(role) or "-"), str(supervisor.settings.home / "logs" / f"{role}.log"))
    for table in (places, roles):
        console.print(table, soft_wrap=True)
        console.print()
    if "kafka" in embedded:
        console.print(f"Note: {FORGETFUL}.")
    console.print(f"Desk: {supervisor.settings.web_url}/   (Ctrl-C stops everything)")
