"""The rehearsal world in one process: the phone network, the mail server, the bank, and the page of the phone.

HTTP on ``http_port`` + 1, SMTP on ``http_port`` + 2. Phones and mailboxes are in memory: empty after a restart,
and the real system does not notice. The bank keeps what it did in a file: it does nothing twice.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
import uvloop
from fastapi import FastAPI

from infra.clock import Clock, utc_now
from infra.problems import install_problems
from infra.settings import Settings
from streams.rehearsal.bank import REHEARSAL_CUSTOMERS, REHEARSAL_SEED, RehearsalBank, bank_router
from streams.rehearsal.mail_api import mails_router
from streams.rehearsal.mail_server import Mailboxes, MailServer
from streams.rehearsal.people import customers, story_customer
from streams.rehearsal.phone_api import phones_router, twilio_router
from streams.rehearsal.phone_network import PhoneNetwork
from streams.rehearsal.phone_page import person_of, phone_page_router
from streams.serving import Server

STOP_WITHIN_S = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What the pages and routes of the rehearsal stand on. Without a broker in the settings there is no bank."""

    bank: RehearsalBank | None
    network: PhoneNetwork
    mailboxes: Mailboxes


@asynccontextmanager
async def open_rehearsal(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Rehearsal]:
    """The phone network, the mail server listening, and the bank at work.

    Raises:
        ValueError: the settings lack the account with which the phone network is used.
        OSError: the mail server's port is taken.
    """
    network = PhoneNetwork(settings, clock)
    mailboxes = Mailboxes(clock)
    server = MailServer(mailboxes, settings.http_host, settings.http_port + 2)
    await server.start()
    bank = RehearsalBank(settings, clock) if settings.kafka_servers else None
    if bank is not None:
        await bank.start()
    try:
        yield Rehearsal(bank=bank, network=network, mailboxes=mailboxes)
    finally:
        if bank is not None:
            await bank.stop()
        await server.stop()
        await network.close()


def rehearsal_app(rehearsal: Rehearsal, settings: Settings, clock: Clock = utc_now) -> FastAPI:
    """Every route of the rehearsal."""
    app = FastAPI(title="Ringback rehearsal", version="1", docs_url=None, redoc_url=None)
    app.state.rehearsal = rehearsal
    install_problems(app)
    app.include_router(twilio_router(rehearsal.network))
    app.include_router(phones_router(rehearsal.network))
    app.include_router(mails_router(rehearsal.mailboxes))
    if rehearsal.bank is not None:
        app.include_router(bank_router(rehearsal.bank))
    people = [person_of(each) for each in (story_customer(), *customers(REHEARSAL_CUSTOMERS, REHEARSAL_SEED))]
    app.include_router(
        phone_page_router(rehearsal.network, rehearsal.mailboxes, lambda: people, bank=settings.bank_name, clock=clock)
    )

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """That the process answers."""
        return {"status": "ok"}

    return app


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT."""
    uvloop.run(serve(settings))


async def serve(settings: Settings, clock: Clock = utc_now) -> None:
    """Serves until SIGTERM or SIGINT, on the running loop."""
    async with open_rehearsal(settings, clock) as rehearsal:
        server = Server(
            rehearsal_app(rehearsal, settings, clock),
            host=settings.http_host,
            port=settings.http_port + 1,
            stop_within_s=STOP_WITHIN_S,
        )

        def stop() -> None:
            rehearsal.network.hang_up()
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await server.serve()
