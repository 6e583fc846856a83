"""The ground of each run: a PostgreSQL of its own, on the disk, and a history on it."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest

from infra.clock import utc_now
from infra.history.store import History
from tests.faults.detection.run import seed
from tests.faults.history.ground import Postgres
from tests.faults.history.load import Load


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ringback-faults-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def postgres(folder: Path) -> Iterator[Postgres]:
    ground = Postgres(folder / "home")
    with ground.servers:
        yield ground


@pytest.fixture
def master_key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
async def history(postgres: Postgres, master_key: bytes) -> AsyncIterator[History]:
    async with await History.open(postgres.url, master_key=master_key, clock=utc_now) as opened:
        yield opened


@pytest.fixture
async def load(history: History) -> Load:
    """Writers and a reader of this history, by the run's seed, which is printed."""
    made = Load(Random(seed()))
    await made.prepare(history)
    return made
