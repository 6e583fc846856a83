"""A way to PostgreSQL that can be cut between the commit and its answer."""

import asyncio
from types import TracebackType
from typing import Self


class Proxy:
    """Passes on what comes, and once it is told to, swallows the next answer and cuts that connection.

    Args:
        socket: path of the server's Unix socket.
    """

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._marked = b""
        self._swallow = 0
        self.cut = 0

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def swallow_next(self, marked: bytes) -> None:
        """The answer to the next request that holds these bytes is not passed on."""
        self._marked = marked
        self._swallow += 1

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._ends:
            writer.transport.abort()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        there_reader, there_writer = await asyncio.open_unix_connection(self._socket)
        ends = {writer, there_writer}
        self._ends |= ends
        doomed = asyncio.Event()
        to_server = asyncio.create_task(self._to_server(reader, there_writer, doomed))
        try:
            while data := await there_reader.read(65_536):
                if doomed.is_set():  # it is done there, and nobody hears of it
                    self.cut += 1
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            for end in ends:
                end.transport.abort()
            await asyncio.gather(to_server, return_exceptions=True)
            self._ends -= ends
            self._passing.discard(task)

    async def _to_server(
        self, reader: asyncio.StreamReader, there: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(65_536):
            if self._swallow and self._marked in data:
                self._swallow -= 1
                doomed.set()
            there.write(data)
            await there.drain()
        there.close()
