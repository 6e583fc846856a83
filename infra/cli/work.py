"""``ringback work ROLE``: one role in this process, for running many."""

import importlib
from enum import StrEnum
from typing import Annotated

import typer
from prometheus_client import start_http_server

from infra.cli.connected import connected_settings
from infra.cli.parent import end_with_parent
from infra.metrics import REGISTRY
from infra.settings import Settings
from infra.telemetry import configure
from rules.card_number import mask_card_numbers


class Role(StrEnum):
    """The roles that work on the servers; the web process is ``ringback serve``."""

    DETECTION = "detection"
    CASEWORK = "casework"
    OUTREACH = "outreach"
    RELAY = "relay"
    CARDS = "cards"
    REHEARSAL = "rehearsal"


MODULES = {
    "detection": "streams.detection.worker",
    "casework": "streams.casework",
    "outreach": "streams.contact",
    "relay": "streams.relay",
    "cards": "streams.cards",
    "rehearsal": "streams.rehearsal.server",
    "web": "streams.web",
}
"""Where each role's ``run(settings)`` lives; it blocks until SIGTERM or SIGINT."""


def work(
    role: Annotated[Role, typer.Argument(help="What to do.", show_default=False)],
    name: Annotated[str, typer.Option(help="What its log lines call it, where several do the same.")] = "",
) -> None:
    """Runs one role until it is told to stop; addresses come from the settings, else from what runs in the home."""
    run_role(role.value, name=name)


def run_role(role: str, settings: Settings | None = None, *, name: str = "") -> None:
    """Runs a role in this process until SIGTERM or SIGINT; its log lines call it by its name, or else by its role.

    Raises:
        NothingRunning: an address is missing and nothing runs in the home.
    """
    end_with_parent()
    resolved = connected_settings(settings)
    configure(resolved, role=name or role, mask_numbers=mask_card_numbers)
    if resolved.metrics_port:
        start_http_server(resolved.metrics_port, addr=resolved.http_host, registry=REGISTRY)
    importlib.import_module(MODULES[role]).run(resolved)
