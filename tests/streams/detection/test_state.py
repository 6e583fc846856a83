"""The fence: who has lost a partition writes nothing more."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

from streams.detection import state as room
from streams.detection.errors import Fenced, StateLost
from streams.detection.gaps import close_gap, gaps
from streams.detection.state import Change, PartitionState, TakenUp, hash_name
from streams.detection.stretch import Hearing
from streams.topics import TopicIdentity

FIRST = TopicIdentity(topic_id="first", partitions=2)
SECOND = TopicIdentity(topic_id="second", partitions=2)
NOW = datetime(2026, 3, 14, 10, 0, tzinfo=UTC)


def change(position: int, cards: dict[str, bytes] | None = None, **other: Any) -> Change:
    return Change(
        cards=cards or {}, position=position, watermark_us=7, applied_ms=1_773_482_400_000, ruleset="r", **other
    )


@pytest.fixture
async def state(redis_url: str) -> AsyncIterator[PartitionState]:
    one = PartitionState(redis_url, 3)
    yield one
    await one.close()


@pytest.fixture
async def successor(redis_url: str) -> AsyncIterator[PartitionState]:
    one = PartitionState(redis_url, 3)
    yield one
    await one.close()


async def test_a_first_claim_begins_without_a_position(state: PartitionState) -> None:
    claim = await state.claim(FIRST, NOW)
    assert (claim.epoch, claim.position, claim.reissue) == (1, None, False)


async def test_what_a_flush_wrote_is_found_by_the_next_claim(state: PartitionState, successor: PartitionState) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(5, {"card": b"memory"}))
    claim = await successor.claim(FIRST, NOW)
    assert (claim.epoch, claim.position, claim.watermark_us) == (2, 5, 7)
    assert await successor.load(["card", "other"]) == {"card": b"memory"}


async def test_nothing_but_cards_is_taken_for_one(state: PartitionState, successor: PartitionState) -> None:
    """How far words are heeded once began with the same letter, and was swept as a card that nobody had seen."""
    whole = TakenUp(version="r", rules=b"{}", shadow=b"{}", keep_shadow=False)
    for identity in (FIRST, SECOND):  # which leaves what a replaced topic does as well
        await state.claim(identity, NOW)
        await state.flush(change(5, {"card": b"memory"}, context=("words", 7), taken_up=whole))
        await state.intend(Hearing("words", 9, 5))
    assert await state.some(0) == (0, {"card": b"memory"})
    assert (await successor.claim(SECOND, NOW)).context == ("words", 7)


async def test_who_was_succeeded_writes_nothing(state: PartitionState, successor: PartitionState) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(5, {"card": b"mine"}))
    await successor.claim(FIRST, NOW)
    with pytest.raises(Fenced):
        await state.flush(change(9, {"card": b"a zombie's"}))
    assert await successor.load(["card"]) == {"card": b"mine"}


async def test_who_was_succeeded_writes_nothing_even_before_the_successor_does(
    state: PartitionState, successor: PartitionState
) -> None:
    await state.claim(FIRST, NOW)
    await successor.claim(FIRST, NOW)
    with pytest.raises(Fenced):
        await state.flush(change(9))
    await successor.flush(change(6))
    assert (await state.claim(FIRST, NOW)).position == 6


async def test_a_touch_by_somebody_else_under_the_same_epoch_does_not_stop_a_flush(
    state: PartitionState, redis_url: str
) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(1))
    with redis.Redis.from_url(redis_url) as client:
        client.hset(hash_name(3), "note", "somebody looked")
    await state.flush(change(2, {"card": b"x"}))
    assert await state.load(["card"]) == {"card": b"x"}


async def test_a_flush_whose_connection_was_cut_is_made_once(state: PartitionState, redis_url: str) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(1))
    with redis.Redis.from_url(redis_url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    await state.flush(change(2, {"card": b"x"}))
    with redis.Redis.from_url(redis_url) as client:
        assert client.hmget(hash_name(3), "position", "serial") == [b"2", b"2"]


async def test_cards_whose_connection_was_cut_are_read_over_another(state: PartitionState, redis_url: str) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(1, {"card": b"memory"}))
    assert await state.load(["card"]) == {"card": b"memory"}
    with redis.Redis.from_url(redis_url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert await state.load(["card"]) == {"card": b"memory"}


async def test_the_answer_of_a_read_that_was_given_up_is_no_other_ones(
    state: PartitionState, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def given_up() -> None:
        raise asyncio.CancelledError

    await state.claim(FIRST, NOW)
    await state.flush(change(1, {"a": b"1", "b": b"2"}))
    assert await state.load(["a"]) == {"a": b"1"}
    monkeypatch.setattr(state._reader, "read_response", given_up)
    with pytest.raises(asyncio.CancelledError):
        await state.load(["a"])
    assert await state.load(["b"]) == {"b": b"2"}


async def test_what_redis_refuses_to_read_is_an_error_and_not_waited_for(state: PartitionState, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(hash_name(3), "no hash")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await state.load(["card"])


async def test_a_redis_that_forgot_is_told_from_a_successor(state: PartitionState, redis_url: str) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(1))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with pytest.raises(StateLost):
        await state.flush(change(2))


async def test_a_redis_that_came_back_with_an_older_state_is_told_from_one_that_kept_it(
    state: PartitionState, redis_url: str
) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(1))
    await state.flush(change(2, {"card": b"lost"}))
    with redis.Redis.from_url(redis_url) as client:
        client.hset(hash_name(3), mapping={"position": 1, "serial": 1})
        client.hdel(hash_name(3), "ccard")
        client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(StateLost, match="older state"):
        await state.flush(change(3))


async def test_what_is_flushed_while_redis_answers_does_not_make_its_answer_an_older_state(
    state: PartitionState, monkeypatch: pytest.MonkeyPatch
) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(5))
    ask = state._client.hmget

    async def answering_late(*asked: Any) -> Any:
        answer = await ask(*asked)
        await state.flush(change(9))
        return answer

    monkeypatch.setattr(room, "_FRESH_S", -1.0)
    monkeypatch.setattr(state._client, "hmget", answering_late)
    await state.look()


async def test_another_identity_keeps_the_cards_and_drops_the_position(
    state: PartitionState, successor: PartitionState
) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(5, {"card": b"memory"}))
    claim = await successor.claim(SECOND, NOW)
    assert (claim.position, claim.generation, claim.reissue) == (None, 1, True)
    assert [packed async for packed in successor.everything()] == [{"card": b"memory"}]


async def test_the_reissue_is_due_until_a_flush_says_that_it_was_done(
    state: PartitionState, successor: PartitionState
) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(5))
    assert (await state.claim(SECOND, NOW)).reissue
    assert (await successor.claim(SECOND, NOW)).reissue
    await successor.flush(change(0, reissued=True))
    assert not (await state.claim(SECOND, NOW)).reissue


async def test_a_gap_names_since_when_to_send_again_until_it_is_closed(state: PartitionState, redis_url: str) -> None:
    await state.claim(FIRST, NOW)
    await state.flush(change(5))
    await state.claim(SECOND, NOW)
    (gap,) = await gaps(redis_url)
    assert (gap.partition, gap.resend_from, gap.lost_at) == (3, datetime(2026, 3, 14, 10, tzinfo=UTC), NOW)
    assert await close_gap(redis_url, 3)
    assert await gaps(redis_url) == []


async def test_the_gaps_of_a_topic_with_many_partitions_are_all_named(redis_url: str) -> None:
    wide, wider = TopicIdentity("wide", 40), TopicIdentity("wider", 41)
    for number in (0, 39):
        state = PartitionState(redis_url, number)
        await state.claim(wide, NOW)
        await state.claim(wider, NOW)
        await state.close()
    assert [gap.partition for gap in await gaps(redis_url)] == [0, 39]
    assert not await close_gap(redis_url, 40)


async def test_who_stood_still_while_redis_forgot_finds_no_claim_of_its_own_in_a_successor_of_the_same_epoch(
    redis_url: str, state: PartitionState, successor: PartitionState
) -> None:
    first = await state.claim(FIRST, NOW)
    await state.flush(change(5, {"card": b"mine"}))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    assert (await successor.claim(FIRST, NOW)).epoch == first.epoch
    await successor.flush(change(9, {"card": b"rebuilt"}))
    with pytest.raises(Fenced):
        await state.flush(change(6, {"card": b"a zombie's"}))
    assert await successor.load(["card"]) == {"card": b"rebuilt"}


async def test_who_has_not_looked_for_long_finds_out_that_it_was_succeeded(
    state: PartitionState, successor: PartitionState, monkeypatch: pytest.MonkeyPatch
) -> None:
    await state.claim(FIRST, NOW)
    await successor.claim(FIRST, NOW)
    assert await state.is_ours(), "seen a moment ago"
    monkeypatch.setattr(room, "_FRESH_S", -1.0)
    assert not await state.is_ours()
    assert await successor.is_ours()
    await state.close()


async def test_who_cannot_ask_takes_the_partition_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_FRESH_S", -1.0)
    alone = PartitionState("redis://localhost:1", 3)
    assert await alone.is_ours()
    await alone.close()
