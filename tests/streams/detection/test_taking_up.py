"""Rule sets are taken up at a position that is stored before it is used; a shadow finds, and changes nothing."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import redis.asyncio

from rules.memory import Context
from rules.ruleset import LIVE, RuleSet
from streams.detection import custody as room
from streams.detection import knowledge
from streams.detection.errors import Fenced
from streams.detection.partition import Partition
from streams.detection.rows import Outcome, Rows
from streams.detection.state import Change, PartitionState, hash_name
from streams.rulesets.announced import KEY, Announcement, tell
from tests.streams.detection.conftest import NothingSaid
from tests.streams.detection.payments import JOHOR, PARIS, PHNOM_PENH, SINGAPORE, payment
from tests.streams.detection.unplugged import Broker, Worker

BLIND = msgspec.structs.replace(LIVE, version="blind", floor_km=12_000.0)
"""To which Phnom Penh and Paris are one place."""
STRICT = msgspec.structs.replace(LIVE, version="strict", floor_km=10.0, slot_degrees=0.05)
"""To which Singapore and Johor are two."""


@pytest.fixture
async def client(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[redis.asyncio.Redis]:
    monkeypatch.setattr(room, "Incarnation", Broker)
    monkeypatch.setattr(knowledge, "Sayings", NothingSaid)
    async with redis.asyncio.Redis.from_url(redis_url) as opened:
        yield opened


@pytest.fixture
async def worker(redis_url: str, client: redis.asyncio.Redis) -> AsyncIterator[Worker]:
    del client
    made = Worker(redis_url)
    await made.begin()
    yield made
    await made.die()


async def announce(client: redis.asyncio.Redis, serial: int, live: RuleSet, shadow: RuleSet | None = None) -> None:
    assert await tell(client, Announcement(serial=serial, live=live, shadow=shadow))


async def news(
    worker: Worker, client: redis.asyncio.Redis, serial: int, live: RuleSet, shadow: RuleSet | None = None
) -> None:
    """Announced, and heard."""
    await announce(client, serial, live, shadow)
    await worker.custody.hear()


async def stored(client: redis.asyncio.Redis, *names: str) -> list[str | None]:
    asked: Any = client.hmget(hash_name(0), list(names))
    return [None if one is None else one.decode() for one in await asked]


def journey(card: str) -> list[dict[str, Any]]:
    return [payment(card, "pnh", PHNOM_PENH, 0), payment(card, "paris", PARIS, 12)]


def near(card: str) -> list[dict[str, Any]]:
    return [payment(card, "singapore", SINGAPORE, 0), payment(card, "johor", JOHOR, 1)]


async def test_without_news_the_built_in_one_is_in_force(worker: Worker, client: redis.asyncio.Redis) -> None:
    assert await worker.judge(journey("a"), 0) == [("raised", "a-paris", "2026.1", "live")]
    await worker.die(flush=True)
    assert await stored(client, "ruleset", "rules", "shadow") == ["2026.1", None, None]


async def test_a_new_version_is_in_force_from_the_next_record_on_and_stored_before_that_is_judged(
    worker: Worker, client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await worker.judge(journey("a"), 0) == [("raised", "a-paris", "2026.1", "live")]
    await news(worker, client, 1, BLIND)
    seen: list[list[str | None]] = []
    judge = Partition.judge

    async def looking(self: Partition, rows: Rows) -> list[Outcome]:
        seen.append(await stored(client, "ruleset", "ruleset_from", "position"))
        return await judge(self, rows)

    monkeypatch.setattr(Partition, "judge", looking)
    assert await worker.judge(journey("b"), 2) == []
    assert seen == [["blind", "2", "2"]]


async def test_a_quiet_partition_takes_it_up_as_well(worker: Worker, client: redis.asyncio.Redis) -> None:
    await worker.judge(journey("a"), 0)
    await news(worker, client, 1, BLIND)
    assert await stored(client, "ruleset", "ruleset_from") == ["blind", "2"]


async def test_a_partition_of_which_nothing_is_known_yet_takes_it_up_with_its_first_record(
    worker: Worker, client: redis.asyncio.Redis
) -> None:
    await news(worker, client, 1, BLIND)
    assert await stored(client, "ruleset") == [None]
    assert await worker.judge(journey("a"), 70) == []
    assert await stored(client, "ruleset", "ruleset_from", "position") == ["blind", "70", "70"]


@pytest.mark.parametrize("forgotten", [False, True], ids=["", "though the news are gone"])
async def test_who_follows_a_worker_that_died_right_after_the_take_up_decides_alike(
    worker: Worker, client: redis.asyncio.Redis, redis_url: str, *, forgotten: bool
) -> None:
    await news(worker, client, 1, BLIND, STRICT)
    await worker.judge(journey("a"), 0)
    await news(worker, client, 2, STRICT, BLIND)  # written, and nothing judged under it
    records = journey("b") + near("c")
    told = await worker.judge(records, 2)
    await worker.die()
    if forgotten:
        await client.delete(KEY)
    successor = Worker(redis_url)
    assert await successor.begin() == 2
    assert await successor.judge(records, 2) == told
    assert told == [("raised", "b-paris", "strict", "live"), ("raised", "c-johor", "strict", "live")]
    await successor.die()


async def test_who_follows_a_worker_that_died_before_the_take_up_was_written_judges_what_was_unwritten_anew(
    worker: Worker, client: redis.asyncio.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await worker.judge(journey("a"), 0)

    async def fails(_self: PartitionState, change: Change) -> None:
        assert change.taken_up is not None
        raise Fenced("another has claimed it")

    await announce(client, 1, BLIND)
    with monkeypatch.context() as patched:
        patched.setattr(PartitionState, "flush", fails)
        await worker.custody.hear()
    assert [type(each) for each in worker.dropped] == [Fenced]
    assert await worker.judge(journey("b"), 2) == []  # of an assignment that is over
    assert await stored(client, "ruleset") == [None]
    successor = Worker(redis_url)
    assert await successor.begin() == 0
    assert await successor.judge(journey("a"), 0) == []  # nothing of it was judged before, as far as is stored
    await successor.die()


async def test_a_shadow_finds_beside_the_live_one_and_each_finding_names_its_version(
    worker: Worker, client: redis.asyncio.Redis
) -> None:
    await news(worker, client, 1, LIVE, STRICT)
    assert await worker.judge(journey("a") + near("b"), 0) == [
        ("raised", "a-paris", "2026.1", "live"),
        ("raised", "a-paris", "strict", "shadow"),
        ("raised", "b-johor", "strict", "shadow"),
    ]


async def test_a_shadow_knows_a_card_as_the_live_one_does_when_it_first_sees_it(
    worker: Worker, client: redis.asyncio.Redis
) -> None:
    records = journey("a") + near("b")
    await worker.judge([records[0], records[2]], 0)
    await news(worker, client, 1, BLIND, STRICT)
    assert await worker.judge([records[1], records[3]], 2) == [
        ("raised", "a-paris", "strict", "shadow"),
        ("raised", "b-johor", "strict", "shadow"),
    ]


async def test_what_a_shadow_knows_is_kept_apart_and_outlives_the_worker(
    worker: Worker, client: redis.asyncio.Redis, redis_url: str
) -> None:
    await news(worker, client, 1, BLIND, LIVE)
    first, second = journey("a")
    await worker.judge([first, second], 0)
    await worker.die(flush=True)
    asked: Any = client.hkeys(hash_name(0) + ":shadow")
    assert await asked == [b"ca"]
    successor = Worker(redis_url)
    assert await successor.begin() == 2
    # under the live one all is well; in the shadow Paris contradicts still, and this is a suspect of its own
    assert await successor.judge([payment("a", "paris2", PARIS, 14)], 2) == [("raised", "a-paris2", "2026.1", "shadow")]
    await successor.die()


async def test_a_shadow_believes_what_the_customer_confirms(worker: Worker, client: redis.asyncio.Redis) -> None:
    await news(worker, client, 1, BLIND, LIVE)
    first, second = journey("a")
    assert await worker.judge([first, second], 0) == [("raised", "a-paris", "2026.1", "shadow")]
    shadow = worker.custody._held[0]._shadow
    assert shadow is not None
    found = shadow.apply("a", Context(version=1, confirmed=("a-paris",)))
    assert [(each.status, each.suspect.transaction_id) for each in found] == [("withdrawn", "a-paris")]


async def test_a_shadow_that_ends_leaves_nothing_and_the_next_begins_anew(
    worker: Worker, client: redis.asyncio.Redis
) -> None:
    await news(worker, client, 1, BLIND, LIVE)
    await worker.judge(journey("a"), 0)
    await news(worker, client, 2, BLIND)
    assert await client.exists(hash_name(0) + ":shadow") == 0
    assert await stored(client, "shadow", "shadow_from") == [None, None]
    await news(worker, client, 3, BLIND, STRICT)
    assert await worker.judge(near("b"), 2) == [("raised", "b-johor", "strict", "shadow")]


async def test_a_live_one_that_changes_leaves_the_shadow_running(worker: Worker, client: redis.asyncio.Redis) -> None:
    await news(worker, client, 1, LIVE, STRICT)
    await worker.judge([near("b")[0]], 0)
    await news(worker, client, 2, BLIND, STRICT)
    asked: Any = client.hkeys(hash_name(0) + ":shadow")
    assert await asked == [b"cb"]
    assert await worker.judge([near("b")[1]], 1) == [("raised", "b-johor", "strict", "shadow")]


async def test_what_a_worker_heard_is_not_lost_with_redis(worker: Worker, client: redis.asyncio.Redis) -> None:
    await news(worker, client, 1, BLIND)
    await client.flushall()
    assert await worker.begin() == 0
    assert await worker.judge(journey("a"), 0) == []
    assert await stored(client, "ruleset", "ruleset_from") == ["blind", "0"]


async def test_news_that_cannot_be_read_change_nothing(
    worker: Worker, client: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    asked: Any = client.hset(KEY, mapping={"serial": 9, "content": b'{"of": "a later age"}'})
    await asked
    await worker.custody.hear()
    assert "cannot be read" in caplog.text
    assert await worker.judge(journey("a"), 0) == [("raised", "a-paris", "2026.1", "live")]


async def test_a_longer_memory_is_read_back_further(worker: Worker, client: redis.asyncio.Redis) -> None:
    before = worker.custody.remembered_s
    await news(worker, client, 1, msgspec.structs.replace(LIVE, version="long", memory_s=7 * 86_400))
    assert worker.custody.remembered_s == 8 * 86_400 > before
