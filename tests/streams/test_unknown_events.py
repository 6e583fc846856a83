"""An event that a newer Ringback has written is carried by this one everywhere, and dropped nowhere."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from infra.cli.customer_words import customer_line
from infra.clock import utc_now
from infra.history.event import UnknownEvent
from infra.history.exporting import export_history, read
from infra.history.projection import catch_up
from infra.history.store import History
from outreach.cases import commands as c
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from outreach.desk.case_view import case_view
from outreach.desk.masking import event_document
from outreach.projections import projections
from streams.relay import outgoing
from tests.outreach.cases.given import alert

CARD = "card-sokha-visa"


@pytest.fixture
async def history(postgres_url: str) -> AsyncIterator[History]:
    """A case in which one event, with something personal in it, is of tomorrow."""
    async with await History.open(postgres_url, master_key=secrets.token_bytes(32), clock=utc_now) as opened:
        message = CustomerMessage(
            customer_id="sokha", name="Sokha Chan", phone="+14155552671", cards=[CardRef(card_id=CARD)]
        )
        await Customers(opened, utc_now, master_key=opened.lookup_key).record(message, "customers:1")
        case_id = await Cases(opened, utc_now).receive_alert(alert())
        revised = alert(status="revised", severity="high", raised_by="late")
        await Cases(opened, utc_now).receive_alert(revised)
        assert case_id
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as conn:
            await conn.execute("ALTER TABLE history.events DISABLE TRIGGER append_only")
            await conn.execute(
                "UPDATE history.events SET type = 'case.of-tomorrow', schema_version = 9"
                " WHERE type = 'case.alert-revised'"
            )
        yield opened


@pytest.fixture
async def case_id(history: History) -> str:
    (found,) = [one.stream for one in await history.read(after=0) if isinstance(one.event, UnknownEvent)]
    return found.removeprefix("case-")


async def test_the_case_goes_on_and_its_page_shows_a_line(history: History, case_id: str) -> None:
    cases = Cases(history, utc_now)
    await cases.handle(case_id, c.TakeTask(operator="dara"), actor="operator:dara", cause="1")
    seen = await cases.timeline(case_id)
    state, version = await cases.load(case_id)
    view = case_view(state, version, seen, None, operator="dara", now=utc_now(), bank="Bank")
    (line,) = [line for line in view.timeline if line.text == "Of tomorrow"]
    assert len(view.timeline) == len(seen)
    assert "Paris" not in line.detail


async def test_what_is_personal_in_it_stays_sealed_and_its_name_is_told(history: History, case_id: str) -> None:
    (unknown,) = [one for one in await history.read_stream(f"case-{case_id}") if isinstance(one.event, UnknownEvent)]
    document = event_document(unknown, masked=False)
    assert (document["type"], document["schema_version"]) == ("case.of-tomorrow", 9)
    assert document["data"]["severity"] == "high"
    assert "Paris is far" not in str(document)
    assert customer_line(unknown).text == "Of tomorrow"


async def test_read_models_pass_it_by(history: History) -> None:
    models = projections(history.lookup_key)
    assert await catch_up(history, models) == (await history.head()).position


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library, for the place that it is imported from
@pytest.mark.usefixtures("case_id")
async def test_the_relay_sends_it_as_it_is_stored(history: History) -> None:
    (row,) = await history.read_stored(after=0, types={"case.of-tomorrow"})
    body = msgspec.json.decode(outgoing(row).value or b"")
    assert body["type"] == "case.of-tomorrow"
    assert body["data"]["severity"] == "high"
    assert set(body["data"]["personal"]) == {"key_id", "ciphertext"}


async def test_an_export_holds_it(history: History, tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    await export_history(history, file)
    heading, batches = await asyncio.to_thread(read, file)
    assert heading
    types = [getattr(one, "type", "") for batch in batches for one in batch]
    assert types.count("case.of-tomorrow") == 1
    assert len(types) == (await history.head()).position
