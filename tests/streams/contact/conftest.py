"""The world of the contact tests, a fresh one for each."""

from collections.abc import AsyncIterator

import pytest

from infra.settings import Settings
from tests.streams.contact.world import World, open_world, rehearsed, three_ports


@pytest.fixture
async def world(settings: Settings) -> AsyncIterator[World]:
    """The rehearsal, the webhooks and the read models on real sockets; the outreach role is the test's to start."""
    async with open_world(rehearsed(settings, three_ports())) as opened:
        yield opened
