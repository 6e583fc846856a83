"""Following the history: where a reader goes on, and who may move its checkpoint."""

import asyncio
from contextlib import aclosing

import psycopg
import pytest

from infra.clock import utc_now
from infra.history.errors import CheckpointMoved, Unavailable
from infra.history.store import Connection, History, StreamWrite, Within
from infra.history.subscription import Subscription
from tests.infra.history.conftest import Make
from tests.infra.history.notes import Counted


def advancing(subscription: Subscription, position: int) -> Within:
    async def within(conn: Connection) -> None:
        await subscription.advance(conn, position)

    return within


async def first(subscription: Subscription, count: int, limit: int = 500) -> list[int]:
    positions: list[int] = []
    async with asyncio.timeout(10), aclosing(subscription.batches(limit)) as batches:
        async for batch in batches:
            positions += [recorded.position for recorded in batch]
            if len(positions) >= count:
                break
    return positions


async def test_a_new_subscription_begins_with_the_first_event(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(), note(), note()]))
    assert await first(Subscription(history, "contact"), 3, limit=2) == [1, 2, 3]


async def test_it_goes_on_after_its_checkpoint(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(), note(), note()]))
    subscription = Subscription(history, "contact")
    async with subscription.lead():
        await first(subscription, 3)
        await history.append(StreamWrite("case-2", [note()]), within=advancing(subscription, 2))
    assert await Subscription(history, "contact").checkpoint() == 2
    assert await first(Subscription(history, "contact"), 2) == [3, 4]


async def test_a_reader_is_woken_by_an_append(history: History, note: Make) -> None:
    reading = asyncio.create_task(first(Subscription(history, "contact"), 1))
    async with asyncio.timeout(10):
        while not history.wake._waiters:  # noqa: ASYNC110 -- looks inside for what no caller can wait for
            await asyncio.sleep(0)
    await history.append(StreamWrite("case-1", [note()]))
    assert await reading == [1]


async def test_only_the_wanted_types_come_and_the_others_are_passed_over(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(), note(Counted(number=1)), note(), note(Counted(number=2))]))
    assert await first(Subscription(history, "counts", types={"note.counted"}), 2) == [2, 4]


@pytest.mark.parametrize("wanted", [{"category": "customer"}, {"correlation_id": "case-2"}])
async def test_only_the_wanted_category_or_conversation_comes_and_what_comes_later_too(
    history: History, note: Make, wanted: dict[str, str]
) -> None:
    async def write() -> None:
        for stream in ("case-1", "customer-1"):
            correlation = "case-2" if stream == "customer-1" else "case-1"
            await history.append(StreamWrite(stream, [note(correlation_id=correlation)]))

    await write()
    reading = asyncio.create_task(first(Subscription(history, "some", **wanted), 2))
    async with asyncio.timeout(10):
        while not history.wake._waiters:  # noqa: ASYNC110 -- looks inside for what no caller can wait for
            await asyncio.sleep(0)
    await write()
    assert await reading == [2, 4]


async def test_a_subscription_by_two_things_at_once_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="two of them at once: types and category"):
        Subscription(history, "some", types=["note.taken"], category="case")


async def test_sealed_rows_can_be_followed_too(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    async with asyncio.timeout(10), aclosing(Subscription(history, "relay").stored_batches()) as batches:
        batch = await anext(batches)
    assert batch[0].personal is not None
    assert b"It was not me" not in batch[0].personal + batch[0].payload


async def test_what_a_zombie_does_is_undone_with_its_checkpoint(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    zombie, successor = Subscription(history, "contact"), Subscription(history, "contact")
    await first(zombie, 1)
    await first(successor, 1)
    with pytest.raises(CheckpointMoved):
        await history.append(StreamWrite("case-2", [note()]), within=advancing(zombie, 1))
    assert await history.read_stream("case-2") == []
    await history.append(StreamWrite("case-2", [note()]), within=advancing(successor, 1))


async def test_a_checkpoint_whose_transaction_failed_can_be_moved_again(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note()]))
    subscription = Subscription(history, "contact")
    await first(subscription, 1)

    async def fails_after(conn: Connection) -> None:
        await subscription.advance(conn, 1)
        raise LookupError("no")

    with pytest.raises(LookupError):
        await history.append(within=fails_after)
    assert await subscription.checkpoint() == 0
    await history.append(within=advancing(subscription, 1))
    await history.append(within=advancing(subscription, 1))
    assert await subscription.checkpoint() == 1


async def test_a_checkpoint_never_goes_back(history: History, note: Make) -> None:
    await history.append(StreamWrite("case-1", [note(), note()]))
    subscription = Subscription(history, "contact")
    await first(subscription, 2)
    await history.append(within=advancing(subscription, 2))
    with pytest.raises(CheckpointMoved):
        await history.append(within=advancing(subscription, 1))


async def test_one_leads_and_the_next_waits_for_its_end(history: History, postgres_url: str, master_key: bytes) -> None:
    led: list[str] = []

    async def follow() -> None:
        async with (
            await History.open(postgres_url, master_key=master_key, clock=utc_now) as other,
            Subscription(other, "contact").lead(),
        ):
            led.append("second")

    async with asyncio.timeout(20):
        async with Subscription(history, "contact").lead():
            waiting = asyncio.create_task(follow())
            while not await _trying(history):  # noqa: ASYNC110 -- the server is what is waited for
                await asyncio.sleep(0.05)
            assert led == []
        await waiting
    assert led == ["second"]


async def test_a_leader_whose_connection_is_cut_is_told(history: History, note: Make, postgres_url: str) -> None:
    subscription = Subscription(history, "contact")
    await history.append(StreamWrite("case-1", [note()]))

    async def lead_until_cut() -> None:
        async with asyncio.timeout(20), subscription.lead(), aclosing(subscription.batches()) as batches:
            async for _ in batches:
                async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as admin:
                    await admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s",
                        ("ringback lead%",),
                    )

    with pytest.raises(Unavailable):
        await lead_until_cut()


async def _trying(history: History) -> bool:
    async with history.pool.connection() as conn:
        cursor = await conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND datname = current_database()",
            ("ringback lead%",),
        )
        row = await cursor.fetchone()
    return row is not None and row[0] == 2
