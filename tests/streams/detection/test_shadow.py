"""What a shadow bears: rows that its rules cannot, cards that are let go of, a topic that was made anew."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
import redis

from rules.ruleset import LIVE
from rules.transaction import Transaction
from rules.watch import Judged, Watch
from streams.detection.partition import REMEMBERED_S, Partition
from streams.detection.rows import Found
from streams.detection.state import PartitionState, hash_name
from streams.rulesets.announced import Announcement
from streams.topics import TopicIdentity
from tests.streams.detection.payments import PARIS, PHNOM_PENH, payment
from tests.streams.detection.test_partition import IDENTITY, NOW, flush, rows

BLIND = msgspec.structs.replace(LIVE, version="blind", floor_km=12_000.0)
NEWS = Announcement(serial=1, live=BLIND, shadow=LIVE)


@pytest.fixture
async def state(redis_url: str) -> AsyncIterator[PartitionState]:
    one = PartitionState(redis_url, 0)
    yield one
    await one.close()


async def shadowed(state: PartitionState, **options: Any) -> Partition:
    partition = Partition(state, await state.claim(IDENTITY, NOW), **options)
    await partition.load()
    partition.begin_to_take_up(NEWS, 0)
    await flush(partition)
    partition.take_up(NEWS)
    return partition


def told(outcomes: Sequence[object]) -> list[tuple[str, str]]:
    return [(one.finding.suspect.transaction_id, one.mode) for one in outcomes if isinstance(one, Found)]


async def test_a_row_that_the_shadow_cannot_bear_stops_nothing(
    state: PartitionState, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    observe = Watch.observe

    def failing(self: Watch, memory: bytes, transaction: Transaction, ref: int, stamp_ms: int) -> Judged:
        if self._ruleset == LIVE and transaction.transaction_id == "a-bad":
            raise ZeroDivisionError
        return observe(self, memory, transaction, ref, stamp_ms)

    monkeypatch.setattr(Watch, "observe", failing)
    partition = await shadowed(state)
    payments = [payment("a", "1", PHNOM_PENH, 0), payment("a", "bad", PHNOM_PENH, 1), payment("a", "2", PARIS, 3)]
    assert told(await partition.judge(rows(payments))) == [("a-2", "shadow")]
    assert "could not judge record 1" in caplog.text


async def test_what_cannot_be_read_is_set_aside_once_and_what_is_ahead_of_its_time_too(state: PartitionState) -> None:
    partition = await shadowed(state)
    outcomes = await partition.judge(rows([payment("a", "ahead", PARIS, 10_000), {"no": "payment"}]))
    assert len(outcomes) == 2
    assert told(outcomes) == []


async def test_cards_that_were_let_go_of_are_read_back(state: PartitionState) -> None:
    partition = await shadowed(state, cards_kept=20)
    cards = [f"card-{number}" for number in range(60)]
    offset = 0
    for at in range(0, len(cards), 10):
        await partition.judge(rows([payment(card, "1", PHNOM_PENH, 0) for card in cards[at : at + 10]], offset))
        offset += 10
        await flush(partition)
    assert partition._shadow is not None
    assert len(partition._shadow._cards) + len(partition._shadow._older) <= 40
    outcomes = await partition.judge(rows([payment(card, "2", PARIS, 12) for card in cards], offset))
    assert told(outcomes) == [(f"{card}-2", "shadow") for card in cards]


async def test_a_memory_of_another_layout_is_that_of_the_live_one(state: PartitionState, redis_url: str) -> None:
    partition = await shadowed(state)
    await partition.judge(rows([payment("a", "1", PHNOM_PENH, 0)]))
    await flush(partition)
    with redis.Redis.from_url(redis_url) as client:
        client.hset(hash_name(0) + ":shadow", "ca", b"\x7fof a later age")
    successor = Partition(state, await state.claim(IDENTITY, NOW))
    await successor.load()
    assert (successor.ruleset, successor.shadow) == (BLIND, LIVE)
    assert told(await successor.judge(rows([payment("a", "2", PARIS, 12)], 1))) == [("a-2", "shadow")]


async def test_under_a_new_topic_identity_what_stands_in_the_shadow_is_said_again_as_such(
    state: PartitionState,
) -> None:
    partition = await shadowed(state)
    await partition.judge(rows([payment("a", "1", PHNOM_PENH, 0), payment("a", "2", PARIS, 12)]))
    await flush(partition)
    successor = Partition(state, await state.claim(TopicIdentity("second", 1), NOW))
    assert told(await successor.load()) == [("a-2", "shadow")]


async def test_a_card_that_is_swept_leaves_the_shadow_as_well(state: PartitionState, redis_url: str) -> None:
    partition = await shadowed(state)
    later = REMEMBERED_S / 60 + 1
    await partition.judge(rows([payment("old", "1", PHNOM_PENH, -later), payment("young", "1", PHNOM_PENH, 0)]))
    await flush(partition)
    await partition.sweep()
    await flush(partition)
    with redis.Redis.from_url(redis_url) as client:
        assert client.hkeys(hash_name(0) + ":shadow") == [b"cyoung"]
