"""The phone network misbehaves in each of its ways, in turn: nobody is told twice, nobody is forgotten."""

import os
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.history.verify import verify
from outreach.cases.events import CaseOpened, ContactAccepted, ContactIntended
from streams.rehearsal.phones import Mode
from tests.faults.world import World, batches, impossible_journeys, whole_world

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

EACH = 5


async def test_each_customer_is_told_once_whatever_the_phone_network_does(tmp_path: Path) -> None:
    seed = int(os.environ.get("RINGBACK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"seed {seed}")
    journeys = EACH * len(Mode)
    labelled = impossible_journeys(3_000, journeys, seed)
    quick: dict[str, Any] = {
        "twilio_timeout_s": 1.0,
        "delivery_due_after": timedelta(seconds=2),
        "outcome_due_after": timedelta(seconds=3),
        "sms_validity_s": 5,
    }
    async with whole_world(tmp_path / "home", **quick) as world:
        for mode in Mode:
            await world.misbehave(mode.value, EACH)
        for batch in batches([each.message for each in labelled]):
            await world.feed(batch)

        async def told() -> bool:
            return len(await reached(world)) >= journeys

        await world.until("every customer is told", told, within_s=180)
        texts = Counter(each["body"] for each in await world.messages() if not each["inbound"])
        assert set(texts.values()) == {1}, "a customer got the same text message twice"
        assert len(await world.events(CaseOpened)) == journeys
        assert await reached(world) == {each.stream for each in await world.events(CaseOpened)}
        assert (await verify(world.history)).intact


async def reached(world: World) -> set[str]:
    """The cases whose alert the provider has taken and, if it did not arrive by SMS, the mail server too."""
    alerts = {each.event.contact_id for each in await world.events(ContactIntended) if each.event.purpose == "alert"}
    return {each.stream for each in await world.events(ContactAccepted) if each.event.contact_id in alerts}
