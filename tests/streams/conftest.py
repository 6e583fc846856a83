"""What stands beside the roles: the history that they write, opened by the test for itself."""

from collections.abc import AsyncIterator

import pytest

from infra.clock import utc_now
from infra.history.store import History
from infra.settings import Settings
from streams.ground import master_key


@pytest.fixture
async def history(settings: Settings) -> AsyncIterator[History]:
    """Of the settings' database; what a case says is readable in it where the test registers the cases' events."""
    assert settings.postgres_url
    async with await History.open(settings.postgres_url, master_key=master_key(settings), clock=utc_now) as opened:
        yield opened
