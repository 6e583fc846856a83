"""A history on a database of the test's own, and a way to write a few events."""

import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest

from infra.clock import utc_now
from infra.history.event import Event, NewEvent
from infra.history.store import History
from tests.infra.history.notes import NoteTaken

Make = Callable[..., NewEvent]


@pytest.fixture
def master_key() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
async def history(postgres_url: str, master_key: bytes) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=master_key, clock=utc_now) as opened:
        yield opened


@pytest.fixture
def note() -> Make:
    """Makes a new event about Sokha."""

    def make(event: Event | None = None, **fields: object) -> NewEvent:
        given = {
            "event_id": uuid4(),
            "occurred_at": datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC),
            "actor": "system:test",
            "subject": "sokha",
            **fields,
        }
        return NewEvent(event=event or NoteTaken(about="card", text="It was not me"), **given)  # type: ignore[arg-type] # the test's own names

    return make


@pytest.fixture
async def tampering(postgres_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A superuser who has switched the guard off."""
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as conn:
        await conn.execute("SET session_replication_role = replica")  # no trigger fires
        yield conn
