"""The rehearsal world in one process: the phone network, the mail server, the bank, and the page of the phone.

HTTP on ``http_port`` + 1, SMTP on ``http_port`` + 2. Everything that it knows is in memory: after a restart the phones
and mailboxes are empty, and the real system does not notice.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from socket import socket

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from infra import telemetry
from infra.clock import Clock, utc_now
from infra.problems import install_problems
from infra.settings import Settings
from streams.rehearsal.mail_api import mails_router
from streams.rehearsal.mail_server import Mailboxes, MailServer
from streams.rehearsal.phone_api import phones_router, twilio_router
from streams.rehearsal.phone_network import PhoneNetwork

STOP_WITHIN_S = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What the pages and routes of the rehearsal stand on."""

    network: PhoneNetwork
    mailboxes: Mailboxes


@asynccontextmanager
async def open_rehearsal(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Rehearsal]:
    """The phone network, and the mail server listening.

    Raises:
        ValueError: the settings lack the account with which the phone network is used.
        OSError: the mail server's port is taken.
    """
    network = PhoneNetwork(settings, clock)
    mailboxes = Mailboxes(clock)
    server = MailServer(mailboxes, settings.http_host, settings.http_port + 2)
    await server.start()
    try:
        yield Rehearsal(network=network, mailboxes=mailboxes)
    finally:
        await server.stop()
        await network.close()


def rehearsal_app(rehearsal: Rehearsal) -> FastAPI:
    """Every route of the rehearsal."""
    app = FastAPI(title="Ringback rehearsal", version="1", docs_url=None, redoc_url=None)
    app.state.rehearsal = rehearsal
    install_problems(app)
    app.include_router(twilio_router(rehearsal.network))
    app.include_router(phones_router(rehearsal.network))
    app.include_router(mails_router(rehearsal.mailboxes))

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
        config = uvicorn.Config(
            rehearsal_app(rehearsal),
            host=settings.http_host,
            port=settings.http_port + 1,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
            lifespan="off",
        )
        server = _Server(config)

        def stop() -> None:
            rehearsal.network.hang_up()
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await server.serve()


class _Server(uvicorn.Server):
    """Uvicorn, told when to stop by us, and telling whoever started the process when it listens."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            telemetry.ready()
