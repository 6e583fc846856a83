"""One partition in hand: rows that the rules cannot bear, cards that are read back, cards that are too old."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from rules.layout import unpack
from rules.memory import Context
from rules.transaction import Transaction
from rules.watch import Judged, Watch
from streams.detection.partition import REMEMBERED_S, Partition
from streams.detection.rows import Found, Rows, SetAside
from streams.detection.said import Heard, Word
from streams.detection.state import PartitionState, hash_name
from streams.topics import TopicIdentity
from tests.streams.detection.payments import PARIS, PHNOM_PENH, TODAY, payment

IDENTITY = TopicIdentity(topic_id="first", partitions=1)
NOW = datetime.now(UTC)


def rows(payments: Sequence[dict[str, Any]], first: int = 0) -> Rows:
    return Rows(
        range(first, first + len(payments)),
        [int(NOW.timestamp() * 1000)] * len(payments),
        [json.dumps(one).encode() for one in payments],
    )


async def flush(partition: Partition) -> None:
    change = partition.snapshot()
    assert change is not None
    await partition.state.flush(change)
    partition.written()


def suspects(outcomes: Sequence[object]) -> list[tuple[str, str]]:
    return [(one.finding.status, one.finding.suspect.transaction_id) for one in outcomes if isinstance(one, Found)]


@pytest.fixture
async def state(redis_url: str) -> AsyncIterator[PartitionState]:
    one = PartitionState(redis_url, 0)
    yield one
    await one.close()


async def claimed(state: PartitionState, **options: Any) -> Partition:
    partition = Partition(state, await state.claim(IDENTITY, NOW), **options)
    await partition.load()
    return partition


@pytest.fixture
def unbearable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that change the watermark, and then fail, at every payment named `bad`."""
    observe = Watch.observe

    def failing(self: Watch, memory: bytes, transaction: Transaction, ref: int, stamp_ms: int) -> Judged:
        judged = observe(self, memory, transaction, ref, stamp_ms)
        if transaction.transaction_id.endswith("-bad"):
            raise ZeroDivisionError
        return judged

    monkeypatch.setattr(Watch, "observe", failing)


@pytest.mark.usefixtures("unbearable")
@pytest.mark.parametrize("flushed", [0, 1, 2, 3])
async def test_a_row_that_the_rules_cannot_bear_is_set_aside_and_leaves_no_trace_in_the_card(
    state: PartitionState, flushed: int
) -> None:
    partition = await claimed(state)
    payments = [
        payment("a", "1", PHNOM_PENH, 0),
        payment("a", "2", PHNOM_PENH, 1),
        payment("b", "1", PARIS, 1),
        # were it remembered, Paris would be believed after it
        payment("a", "bad", PHNOM_PENH, 2, repeat_of="a-1"),
        payment("a", "3", PARIS, 3),
    ]
    watermark_us = int((TODAY + timedelta(minutes=3)).timestamp() * 1_000_000)
    outcomes: list[object] = []
    if flushed:
        outcomes += await partition.judge(rows(payments[:flushed]))
        await flush(partition)
    outcomes += await partition.judge(rows(payments[flushed:], flushed))
    assert [(one.reason, one.offset) for one in outcomes if isinstance(one, SetAside)] == [("not_judged", 3)]
    assert suspects(outcomes) == [("raised", "a-3")]
    memory = unpack(partition._cards["a"])
    assert [entry.transaction_id for entry in memory.entries] == ["a-1", "a-2", "a-3"]
    assert partition._watch.watermark_us == watermark_us
    assert sum(partition.counts.values()) == 0


@pytest.mark.usefixtures("unbearable")
async def test_a_row_that_is_set_aside_does_not_move_the_watermark(state: PartitionState) -> None:
    partition = await claimed(state)
    await partition.judge(rows([payment("a", "1", PHNOM_PENH, 0), payment("a", "bad", PHNOM_PENH, 500)]))
    assert partition._watch.watermark_us == int(TODAY.timestamp() * 1_000_000)


async def test_cards_beyond_those_kept_are_read_back_in_one_round_trip_a_batch(
    state: PartitionState, redis_url: str
) -> None:
    partition = await claimed(state, cards_kept=20)
    cards = [f"card-{number}" for number in range(60)]
    outcomes: list[object] = []
    offset = 0
    for at in range(0, len(cards), 10):  # most are let go of before they are seen again
        outcomes += await partition.judge(
            rows([payment(card, "1", PHNOM_PENH, 0) for card in cards[at : at + 10]], offset)
        )
        offset += 10
        await flush(partition)
    assert len(partition._cards) + len(partition._older) <= 40
    with redis.Redis.from_url(redis_url) as client:
        client.config_resetstat()
        outcomes += await partition.judge(rows([payment(card, "2", PARIS, 12) for card in cards], offset))
        asked = client.info("commandstats")
    assert asked["cmdstat_hmget"]["calls"] == 1
    assert set(suspects(outcomes)) == {("raised", f"{card}-2") for card in cards}


@pytest.fixture
async def thrifty(state: PartitionState) -> Partition:
    """A partition that holds some of its sixty cards, each of which was in Phnom Penh; not `card-0`."""
    partition = await claimed(state, cards_kept=20)
    for number in range(60):
        await partition.judge(rows([payment(f"card-{number}", "1", PHNOM_PENH, 0)], number))
        await flush(partition)
    assert "card-0" not in partition._cards.keys() | partition._older.keys()
    return partition


async def test_what_was_heard_meanwhile_is_not_written_over_by_what_redis_was_asked_for_before(
    thrifty: Partition,
) -> None:
    ahead = rows([payment("card-0", "2", PARIS, 12)], 60)
    assert thrifty.ask_ahead(ahead)
    struck_out = Context(version=1, at_us=int(NOW.timestamp() * 1e6), struck_out=("card-0-1",))
    assert await thrifty.hear(Heard([Word("card-0", struck_out, 0, 0)], "words", 1), 60) == []
    assert await thrifty.judge(ahead) == []  # nobody believes Phnom Penh any more
    assert unpack(thrifty._cards["card-0"]).context == struck_out


async def test_what_was_asked_for_and_not_judged_counts_for_nothing(thrifty: Partition) -> None:
    broken = rows([{"no": "payment"}, payment("card-0", "2", PARIS, 12)], 60)
    thrifty.ask_ahead(broken)
    first, second = broken.parted(1)
    assert [one.offset for one in await thrifty.judge(first) if isinstance(one, SetAside)] == [60]
    assert suspects(await thrifty.judge(second)) == [("raised", "card-0-2")]
    thrifty.ask_ahead(rows([payment("card-1", "2", PARIS, 12)], 62))
    thrifty.ask_no_more()
    assert suspects(await thrifty.judge(rows([payment("card-2", "2", PARIS, 12)], 62))) == [("raised", "card-2-2")]
    assert "card-1" not in thrifty._cards.keys() | thrifty._older.keys()


async def test_cards_that_are_too_old_to_matter_are_swept_and_the_others_stay(
    state: PartitionState, redis_url: str
) -> None:
    partition = await claimed(state)
    later = REMEMBERED_S / 60 + 1
    old = [payment(f"old-{number}", "1", PHNOM_PENH, -later) for number in range(1200)]
    await partition.judge(
        rows([*old, payment("young", "1", PHNOM_PENH, 0 - later + 5), payment("old-0", "2", PARIS, 0)])
    )
    await flush(partition)
    while True:
        await partition.sweep()
        if partition._cursor == 0:
            break
    # one of the swept is seen again before the flush that deletes them
    assert await partition.judge(rows([payment("old-1", "2", PARIS, 1)], 1202)) == []
    await flush(partition)
    with redis.Redis.from_url(redis_url) as client:
        kept = {field.decode() for field in client.hkeys(hash_name(0)) if field.startswith(b"c")}
    assert kept == {"cyoung", "cold-0", "cold-1"}


async def test_the_sweep_rests_after_a_round_until_time_has_passed(state: PartitionState) -> None:
    partition = await claimed(state)
    await partition.judge(rows([payment("a", "1", PHNOM_PENH, 0)]))
    await flush(partition)
    await partition.sweep()
    assert partition._cursor == 0
    swept_up_to = partition._swept_up_to
    await partition.judge(rows([payment("a", "2", PHNOM_PENH, 30)], 1))
    await partition.sweep()
    assert partition._swept_up_to == swept_up_to
