"""The state of the partitions on a Redis Cluster of real nodes: each in one slot, wherever that slot is."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from infra.cli.doctor import Finding, examine
from infra.clock import utc_now
from infra.history.wake import Wake
from infra.redis_client import redis_client
from infra.settings import Settings
from rules.ruleset import LIVE
from streams.detection.gaps import close_gap, gaps
from streams.detection.state import Change, PartitionState, hash_name
from streams.rulesets.announced import Announcement, heard, read, tell
from streams.topics import TopicIdentity
from tests.redis_cluster import RedisCluster
from tests.streams.detection.conftest import Bank, Worker, until
from tests.streams.detection.test_worker import expected, journeys, suspects

TOPIC = TopicIdentity(topic_id="first", partitions=6)
ANEW = TopicIdentity(topic_id="second", partitions=6)
NOW = datetime(2026, 3, 14, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def cluster(nodes: RedisCluster) -> RedisCluster:
    nodes.flush()
    return nodes


def change(position: int, cards: dict[str, bytes]) -> Change:
    return Change(cards=cards, position=position, watermark_us=7, applied_ms=1_773_482_400_000, ruleset="r")


async def test_each_partition_is_kept_whole_on_the_node_that_has_its_slot(cluster: RedisCluster) -> None:
    for number in range(TOPIC.partitions):
        state = PartitionState(cluster.url, number)
        await state.claim(TOPIC, NOW)
        await state.flush(change(5, {"card": b"memory"}))
        await state.flush(change(6, {"other": b"memory"}))
        assert await state.load(["card", "other", "nobody's"]) == {"card": b"memory", "other": b"memory"}
        assert (await state.claim(ANEW, NOW)).generation == 1
        await state.close()
    assert len({cluster.serving(hash_name(number)) for number in range(TOPIC.partitions)}) > 1
    assert [gap.partition for gap in await gaps(cluster.url)] == [0, 1, 2, 3, 4, 5]
    assert await close_gap(cluster.url, 4)
    assert [gap.partition for gap in await gaps(cluster.url)] == [0, 1, 2, 3, 5]


async def test_a_slot_that_moves_to_another_node_is_followed(cluster: RedisCluster) -> None:
    state = PartitionState(cluster.url, 3)
    await state.claim(TOPIC, NOW)
    await state.flush(change(5, {"card": b"memory"}))
    assert await state.load(["card"]) == {"card": b"memory"}
    before = cluster.serving(hash_name(3))
    cluster.move(hash_name(3), to=(before + 1) % 3)
    assert await state.load(["card"]) == {"card": b"memory"}
    await state.flush(change(6, {"other": b"memory"}))
    assert cluster.serving(hash_name(3)) == (before + 1) % 3
    assert await state.load(["card", "other"]) == {"card": b"memory", "other": b"memory"}
    assert (await state.claim(TOPIC, NOW)).position == 6
    await state.close()


async def test_rule_sets_are_announced_and_heard(cluster: RedisCluster) -> None:
    async with redis_client(cluster.url) as client:
        assert await tell(client, Announcement(serial=3, live=LIVE))
        assert not await tell(client, Announcement(serial=2, live=LIVE))
        assert read(await heard(client) or b"").serial == 3


async def test_readers_of_the_history_are_woken(cluster: RedisCluster) -> None:
    here, elsewhere = Wake(cluster.url), Wake(cluster.url)
    await here.start()
    await elsewhere.start()
    try:
        for position in range(1, 200):
            before = elsewhere.heard()
            here.publish(position)
            await elsewhere.wait(before, 0.1)
            if elsewhere.heard() != before:
                break
        assert elsewhere.heard() > 0
        assert await here.forget_keys()
    finally:
        await here.stop()
        await elsewhere.stop()


def test_a_worker_judges_on_a_cluster(stage: Settings, bank: Bank, cluster: RedisCluster) -> None:
    worker = Worker(stage.model_copy(update={"redis_url": cluster.url}))
    try:
        bank.send(journeys("c", 5))
        until(lambda: len(bank.alerts()) == 5, "five alerts")
        assert suspects(bank) == expected("c", 5)
    finally:
        assert worker.stop() == 0


@pytest.mark.parametrize(
    ("written", "finding", "says"),
    [
        (lambda url: url, Finding.GOOD, "a node of a cluster"),
        (lambda url: url.replace("+cluster", ""), Finding.BROKEN, "write redis+cluster://"),
    ],
    ids=["as a cluster", "as a server"],
)
def test_the_doctor_knows_a_cluster(
    cluster: RedisCluster, written: Callable[[str], str], finding: Finding, says: str
) -> None:
    checked = next(each for each in examine(Settings(redis_url=written(cluster.url)), utc_now) if each.what == "redis")
    assert (checked.finding, says in checked.says) == (finding, True)


async def test_a_node_that_dies_is_waited_for_until_its_replica_serves(cluster: RedisCluster) -> None:
    # the last of the module: the cluster is without this node from here on
    number = next(number for number in range(32) if cluster.serving(hash_name(number)) == 0)
    state = PartitionState(cluster.url, number)
    await state.claim(TOPIC, NOW)
    await state.flush(change(5, {"card": b"memory"}))
    until(lambda: cluster.nodes[0].wait(1, 100) == 1, "the replica has it")
    cluster.kill(0)
    await state.flush(change(6, {"other": b"memory"}))
    assert cluster.serving(hash_name(number)) == 3
    assert await state.load(["card", "other"]) == {"card": b"memory", "other": b"memory"}
    await state.close()
