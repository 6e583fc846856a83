"""A worker of its own process takes rule sets up while it runs, and after it was killed."""

from collections.abc import Callable

import msgspec
import pytest
import redis
import redis.asyncio

from infra.settings import Settings
from rules.ruleset import LIVE, RuleSet
from streams.detection.state import hash_name
from streams.rulesets.announced import Announcement, tell
from tests.streams.detection.conftest import Bank, Worker, until
from tests.streams.detection.payments import JOHOR, PARIS, PHNOM_PENH, SINGAPORE, payment
from tests.streams.detection.test_worker import judged

BLIND = msgspec.structs.replace(LIVE, version="blind", floor_km=12_000.0)
STRICT = msgspec.structs.replace(LIVE, version="strict", floor_km=10.0, slot_degrees=0.05)


async def announce(settings: Settings, serial: int, live: RuleSet, shadow: RuleSet | None = None) -> None:
    async with redis.asyncio.Redis.from_url(settings.redis_url or "") as client:
        assert await tell(client, Announcement(serial=serial, live=live, shadow=shadow))


def in_force(settings: Settings) -> set[str]:
    with redis.Redis.from_url(settings.redis_url or "") as store:
        found = [store.hget(hash_name(number), "ruleset") for number in range(settings.partitions)]
    return {"" if one is None else one.decode() for one in found}


def journey(card: str) -> list[dict[str, object]]:
    return [payment(card, "pnh", PHNOM_PENH, 0), payment(card, "paris", PARIS, 12)]


def near(card: str) -> list[dict[str, object]]:
    return [payment(card, "singapore", SINGAPORE, 0), payment(card, "johor", JOHOR, 1)]


def cards(prefix: str, story: Callable[[str], list[dict[str, object]]]) -> list[dict[str, object]]:
    """Of eight cards, so that both partitions have some."""
    return [one for number in range(8) for one in story(f"{prefix}{number}")]


@pytest.mark.faults
@pytest.mark.parametrize("point", ["before-write", "after-write"])
async def test_a_worker_killed_at_the_take_up_is_followed_by_one_that_judges_each_record_under_one_version(
    stage: Settings, bank: Bank, start: Callable[[], Worker], monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    await announce(stage, 1, BLIND, STRICT)
    monkeypatch.setenv("RINGBACK_FAILPOINT", f"{point}:1:kill")  # the first write is that of the take-up
    first = start()
    bank.send(cards("a", journey) + cards("b", near))
    until(lambda: first.process.poll() is not None, "the worker has died")
    monkeypatch.delenv("RINGBACK_FAILPOINT")
    start()
    until(lambda: judged(stage) == 32, "everything is judged")
    assert in_force(stage) == {"blind"}
    told = {(one["suspect"], one["ruleset_version"], one["mode"]) for one in bank.alerts()}
    assert told == {
        (f"{prefix}{number}-{place}", "strict", "shadow")
        for prefix, place in (("a", "paris"), ("b", "johor"))
        for number in range(8)
    }


async def test_versions_are_taken_up_without_a_restart_and_a_successor_of_a_killed_worker_decides_alike(
    stage: Settings, bank: Bank, start: Callable[[], Worker]
) -> None:
    first = start()
    bank.send(cards("a", journey))
    until(lambda: judged(stage) == 16, "judged under the built-in one")
    await announce(stage, 1, BLIND, STRICT)
    until(lambda: in_force(stage) == {"blind"}, "the new one is in force, on partitions that are quiet")
    bank.send(cards("b", journey) + cards("c", near))
    until(lambda: judged(stage) == 48, "judged under the new one")
    await announce(stage, 2, STRICT)
    until(lambda: in_force(stage) == {"strict"}, "the third is in force")
    first.kill()
    start()
    bank.send(cards("d", near))
    until(lambda: judged(stage) == 64, "judged by the successor")
    told = {(one["card_id"][0], one["ruleset_version"], one["mode"]) for one in bank.alerts()}
    assert told == {
        ("a", "2026.1", "live"),
        ("b", "strict", "shadow"),
        ("c", "strict", "shadow"),
        ("d", "strict", "live"),
    }
    assert len(bank.alerts()) == 32
