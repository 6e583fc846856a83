"""HTTP as every process of ours serves it: uvicorn, told by us when to stop."""

from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from infra import telemetry


class Server(uvicorn.Server):
    """Uvicorn that leaves signals alone, and tells whoever started the process when it listens.

    Set ``should_exit`` to stop it: it answers what is begun, for ``stop_within_s`` at most.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int, stop_within_s: int, **more: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=stop_within_s,
                lifespan="off",
                **more,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's: it has more to stop than this."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listens, and says so."""
        await super().startup(sockets)
        if self.started:
            telemetry.ready()
