"""A PostgreSQL of the run's own that can be killed, filled and cut off."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil

from infra.servers import EmbeddedServers
from infra.servers.errors import ServerFailed


class Postgres:
    """An embedded PostgreSQL, durable, that is treated badly.

    Args:
        home: its folder.
    """

    def __init__(self, home: Path) -> None:
        self.servers = EmbeddedServers(home, which=frozenset({"postgres"}))

    @property
    def url(self) -> str:
        return self.servers.addresses.postgres_url

    @property
    def socket(self) -> str:
        """The path of its Unix socket."""
        return self.url.split("host=", 1)[1] + "/.s.PGSQL.5432"

    def kill_server(self) -> None:
        """SIGKILL to the postmaster."""
        pid = self.servers.pid("postgres")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def kill_backend(self, random: Random) -> None:
        """SIGKILL to one of those that serve us: PostgreSQL then ends all of them and recovers by itself."""
        backends = [
            child
            for child in psutil.Process(self.servers.pid("postgres")).children()
            if "ringback" in " ".join(child.cmdline())
        ]
        if backends:
            with suppress(psutil.NoSuchProcess):
                random.choice(backends).kill()

    async def restart(self, *, within_s: float = 60) -> None:
        """Starts it again; its old processes may hold on to the shared memory for a moment."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            try:
                return await asyncio.to_thread(self.servers.restart, "postgres")
            except ServerFailed:
                assert asyncio.get_running_loop().time() < deadline, "PostgreSQL does not come up again"
                await asyncio.sleep(0.1)
