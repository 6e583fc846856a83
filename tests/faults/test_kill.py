"""Workers are killed in the middle of 20,000 payments: the outcome is as if nothing had happened."""

import asyncio
import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest
import redis.asyncio

from infra.history.verify import verify
from outreach.cases.events import CardActionRequested, CaseOpened, ContactAccepted
from tests.faults.world import World, batches, impossible_journeys, read_records, whole_world

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

PAYMENTS = 20_000
IMPOSSIBLE = 40
KILLED = ("detection", "casework", "web")


async def feed_and_kill(
    world: World, rows: list[dict[str, object]], roles: tuple[str, ...], chance: random.Random
) -> None:
    sending = batches(rows)
    moments = dict(zip(chance.sample(range(2, len(sending) - 2), len(roles)), roles, strict=True))
    for number, batch in enumerate(sending):
        sent = asyncio.create_task(world.feed(batch))
        if number in moments:
            await asyncio.sleep(chance.random() * 0.02)
            world.kill(moments[number])
        await sent


async def expect_forty(world: World) -> None:
    async def settled() -> bool:
        return (
            len(await world.events(CaseOpened)) >= IMPOSSIBLE
            and len(await world.events(ContactAccepted)) >= IMPOSSIBLE
            and len(await world.messages()) >= IMPOSSIBLE
        )

    await world.until(f"{IMPOSSIBLE} cases and first messages", settled)


async def count_everything(world: World, labelled_suspects: set[str]) -> None:
    alerts = [json.loads(value) for value in world.alerts()]
    raised = {alert["alert_id"]: alert for alert in alerts}
    assert {alert["suspect"] for alert in raised.values()} == labelled_suspects
    assert all(alert["status"] == "raised" for alert in alerts)
    assert len(raised) == IMPOSSIBLE
    assert len(await world.events(CaseOpened)) == IMPOSSIBLE
    holds = [each for each in await world.events(CardActionRequested) if each.event.action == "hold"]
    assert len(holds) == IMPOSSIBLE
    first_messages = Counter(message["body"] for message in await world.messages() if not message["inbound"])
    assert len(first_messages) == IMPOSSIBLE
    assert set(first_messages.values()) == {1}, "a customer got the same message twice"
    assert (await verify(world.history)).intact


async def test_forty_impossible_journeys_are_forty_cases_whoever_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("RINGBACK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"seed {seed}")
    labelled = impossible_journeys(PAYMENTS, IMPOSSIBLE, seed)
    rows = [each.message for each in labelled]
    suspects = {each.message["transaction_id"] for each in labelled if each.impossible}
    chance = random.Random(seed)
    async with whole_world(tmp_path / "home") as world:
        await feed_and_kill(world, rows, KILLED, chance)
        await expect_forty(world)
        await count_everything(world, suspects)
        assert all(world.supervisor.starts(role) == 2 for role in KILLED)

        # The whole feed again, shuffled: the same forty.
        again = chance.sample(rows, len(rows))
        judged = [asyncio.create_task(world.feed(batch)) for batch in batches(again)]
        await asyncio.gather(*judged)
        await all_is_judged(world)
        await count_everything(world, suspects)


async def all_is_judged(world: World) -> None:
    """Waits until detection has stored positions at the end of every partition of the feed."""
    client = redis.asyncio.from_url(world.supervisor.addresses.redis_url)
    ends: dict[int, int] = {}
    for partition, offset, _ in read_records(world.supervisor.addresses.kafka_servers, "transactions"):
        ends[partition] = max(ends.get(partition, 0), offset + 1)

    async def at_the_end() -> bool:
        stored = {each: int(await client.hget(f"{{transactions:{each}}}", "position") or 0) for each in ends}
        return all(stored[partition] >= end for partition, end in ends.items())

    try:
        await world.until("detection has judged everything", at_the_end)
    finally:
        await client.aclose()
