"""A group is left so that it can be joined again, also in the middle of a join."""

import asyncio
import threading
from collections.abc import Iterable
from typing import Any, cast

import pytest

from infra.settings import Settings
from streams.detection.custody import Custody
from streams.detection.intake import Intake as Feed
from streams.intake import _Consumer
from streams.topics import TRANSACTIONS, ensure_topics

WITHIN_S = 40.0


@pytest.fixture
def stage(kafka_servers: str) -> Settings:
    settings = Settings(kafka_servers=kafka_servers, partitions=2)
    ensure_topics(kafka_servers, settings)
    return settings


class Care:
    """Takes whatever it is given, and says so."""

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        self.settled = asyncio.Event()
        self.judging = asyncio.Event()
        self.positions: dict[int, int] = {}
        self.stored: dict[int, int] = {}
        self.progress: dict[int, Any] = {}
        self.said: dict[int, int] = {}
        self.identity = ""
        self.remembered_s = 0
        self.now_ms = 0

    async def take(self, numbers: Iterable[int]) -> tuple[int, dict[int, int | None]]:
        self.taken.set()
        return 1, dict.fromkeys(numbers, 0)

    async def give_up(self, *, flush: bool) -> None:
        del flush


@pytest.fixture
def joining(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as a feed's join is under way; a sole member's takes three seconds."""
    begun = threading.Event()
    read = Feed._read

    def noted(self: Feed, consumer: Any) -> None:
        read(self, consumer)
        if consumer.memberid():
            begun.set()

    monkeypatch.setattr(Feed, "_read", noted)
    return begun


def feed(stage: Settings, care: Care) -> Feed:
    return Feed(stage, asyncio.Queue(), cast("Custody", care))


async def test_a_feed_that_is_to_join_anew_while_it_joins_is_given_its_partitions(
    stage: Settings, joining: threading.Event
) -> None:
    care = Care()
    intake = feed(stage, care)
    await intake.on_start()
    assert await asyncio.to_thread(joining.wait, WITHIN_S)
    intake.join_anew()
    await asyncio.wait_for(care.taken.wait(), WITHIN_S)
    await intake.on_stop()


@pytest.mark.faults
async def test_a_feed_that_ends_while_it_joins_is_followed_by_one_that_is_given_the_partitions(
    stage: Settings, joining: threading.Event
) -> None:
    second = Care()
    intake = feed(stage, Care())
    await intake.on_start()
    assert await asyncio.to_thread(joining.wait, WITHIN_S)
    await intake.on_stop()
    following = feed(stage, second)
    await following.on_start()
    await asyncio.wait_for(second.taken.wait(), WITHIN_S)
    await following.on_stop()


@pytest.mark.faults
async def test_a_role_that_ends_while_it_joins_is_followed_by_one_that_is_given_the_partitions(stage: Settings) -> None:
    async with _Consumer(stage.kafka_servers or "", "ends-early", [TRANSACTIONS]) as consumer:
        while not consumer._consumer.memberid():
            await consumer.consume()
    async with asyncio.timeout(WITHIN_S), _Consumer(stage.kafka_servers or "", "ends-early", [TRANSACTIONS]) as again:
        while not again.joined:
            await again.consume()
