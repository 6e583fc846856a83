"""What runs the read models, as a role does, for as long as a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from infra.history.projection import ProjectionRunner


@asynccontextmanager
async def running(runner: ProjectionRunner) -> AsyncIterator[None]:
    """Cancelled when the block ends."""
    task = asyncio.create_task(runner.run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
