"""``ringback up``: the whole installation on one machine."""

import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
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
    console.print(f"Starting in {supervisor.settings.home} …", soft_wrap=True)
    try:
        with supervisor:
            show(console, supervisor)
            threading.Event().wait()
    except KeyboardInterrupt:
        console.print("Stopped.")
        if "kafka" in supervisor.servers.which:
            console.print(f"Note: {FORGETFUL}. History, cases and sightings stay.", soft_wrap=True)


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
    addresses = supervisor.addresses
    for name, address in (
        ("postgres", addresses.postgres_url),
        ("redis", addresses.redis_url),
        ("kafka", addresses.kafka_servers),
    ):
        whose = "embedded" if name in embedded else "yours"
        console.print(f"{name:<9} {whose:<9} {without_password(address)}", soft_wrap=True, markup=False)
    roles = Table(box=None, pad_edge=False)
    roles.add_column("role", no_wrap=True)
    roles.add_column("process", no_wrap=True, justify="right")
    roles.add_column("log", overflow="fold")
    for role in supervisor.roles:
        roles.add_row(role, str(supervisor.pid(role) or "-"), str(supervisor.settings.home / "logs" / f"{role}.log"))
    console.print()
    console.print(roles)
    console.print()
    if "kafka" in embedded:
        console.print(f"Note: {FORGETFUL}.", soft_wrap=True)
    console.print(f"Desk: {supervisor.settings.web_url}/   (Ctrl-C stops everything)", soft_wrap=True)
