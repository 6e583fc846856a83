"""The embedded broker is killed in the middle and comes back without its topics: nothing twice, nothing left undone."""

import asyncio
import os
import random
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.history.verify import verify
from outreach.cases.events import CaseOpened, ContactAccepted
from tests.faults.world import World, batches, impossible_journeys, whole_world

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

PAYMENTS = 6_000
IMPOSSIBLE = 40


async def test_a_broker_that_forgets_its_topics_loses_no_case_and_repeats_no_deed(tmp_path: Path) -> None:
    seed = int(os.environ.get("RINGBACK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"seed {seed}")
    labelled = impossible_journeys(PAYMENTS, IMPOSSIBLE, seed)
    sent: list[tuple[datetime, list[dict[str, Any]]]] = []
    async with whole_world(tmp_path / "home") as world:
        sending = batches([each.message for each in labelled])
        for number, batch in enumerate(sending):
            if number == len(sending) // 2:
                await kill_the_broker(world)
            at = datetime.now(UTC)
            await world.feed(batch)
            sent.append((at, list(batch)))

        await world.until("the feed is told what to send again", lambda: told_to_resend(world))
        since = await told_to_resend(world)
        assert since is not None
        again = [batch for at, batch in sent if at >= since - timedelta(seconds=30)]
        for batch in again:
            await world.feed(batch)

        async def settled() -> bool:
            done = await deeds(world)
            return (
                len(await world.events(CaseOpened)) >= IMPOSSIBLE
                and len(await world.events(ContactAccepted)) >= IMPOSSIBLE
                and sum(action == "hold" for _, action in done) >= IMPOSSIBLE
            )

        await world.until("every journey is a case with its message and its hold", settled, within_s=180)
        assert len(await world.events(CaseOpened)) == IMPOSSIBLE
        messages = Counter(each["body"] for each in await world.messages() if not each["inbound"])
        assert len(messages) == IMPOSSIBLE
        assert set(messages.values()) == {1}, "a customer got the same message twice"
        done = await deeds(world)
        assert set(done.values()) == {1}, "the card system was made to do a thing twice"
        assert len(done) == IMPOSSIBLE
        assert (await verify(world.history)).intact


async def kill_the_broker(world: World) -> None:
    pid = world.supervisor.servers.pid("kafka")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await asyncio.sleep(0)


async def told_to_resend(world: World) -> datetime | None:
    assert world.settings.feed_key is not None
    key = world.settings.feed_key.get_secret_value()
    answer = await world.http.get(
        f"{world.settings.web_url}/v1/transactions/resend", headers={"Authorization": f"Bearer {key}"}
    )
    if answer.status_code != httpx.codes.OK or answer.json()["from"] is None:
        return None
    return datetime.fromisoformat(answer.json()["from"])


async def deeds(world: World) -> Counter[tuple[str, str]]:
    """What the bank's card system did: (card, action), how often."""
    answer = await world.http.get(f"{world.settings.twilio_api_url}/rehearsal/bank")
    answer.raise_for_status()
    return Counter((each["card_id"], each["action"]) for each in answer.json()["commands"])
