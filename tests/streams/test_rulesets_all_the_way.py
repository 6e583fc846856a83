"""From the history to the alert: a rule set in the shadow is told of, and never acted on; released, it is."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import msgspec

from infra.clock import utc_now
from infra.history.registry import register
from infra.history.store import History
from infra.settings import Settings
from outreach.cases import events
from rules.ruleset import LIVE
from streams.producer import Outgoing, Producer, Sent
from streams.rulesets.alerts import Raised, raised_by
from streams.rulesets.decide import Draft, Publish, Release, Shadow
from streams.rulesets.service import RuleSets
from streams.topics import ensure_topics
from tests.streams.detection.payments import JOHOR, SINGAPORE, payment
from tests.streams.role import RoleProcess

STRICT = msgspec.structs.replace(LIVE, version="strict", floor_km=10.0, slot_degrees=0.05)
WHY = "thieves at the border"

register(events)


async def pay(settings: Settings, card: str) -> None:
    """Singapore, and Johor a minute later: 18 km, below the built-in floor."""
    rows: list[dict[str, Any]] = [payment(card, "sg", SINGAPORE, 0), payment(card, "johor", JOHOR, 1)]
    async with Producer(settings.kafka_servers or "", client_id="test") as producer:
        sent = await producer.send_all([Outgoing("transactions", card, json.dumps(row).encode()) for row in rows])
        assert all(isinstance(answer, Sent) for answer in sent)


async def test_a_shadow_is_never_acted_on_and_when_it_is_released_it_is(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    ensure_topics(settings.kafka_servers or "", settings)
    rulesets = RuleSets(history, utc_now)

    async def told(mode: str) -> list[Raised]:
        return await asyncio.to_thread(raised_by, settings.kafka_servers or "", "strict", mode)

    async def cases() -> list[str]:
        return [one.stream for one in await history.read(after=0, types=["case.opened"])]

    async def paid(mode: str) -> list[Raised]:
        """Pays until the rule set is in force: each card once."""
        await pay(settings, f"{mode}-{secrets.token_hex(3)}")
        return await told(mode)

    await rulesets.handle("strict", Draft(ruleset=STRICT, author="ana", reason=WHY), cause="1")
    await rulesets.handle("strict", Shadow(author="ana", reason=WHY), cause="2")
    with (
        RoleProcess("casework", settings, tmp_path / "casework") as casework,
        RoleProcess("detection.worker", settings, tmp_path / "detection") as detection,
    ):
        in_shadow = await detection.until(lambda: paid("shadow"))
        assert {each.mode for each in in_shadow} == {"shadow"}
        await rulesets.handle("strict", Publish(author="ana", reason=WHY), cause="3")
        await rulesets.handle("strict", Release(author="ben", reason=WHY), cause="4")
        await detection.until(lambda: paid("live"))
        opened = await casework.until(cases)
        cards = {getattr(one.event, "card_id", "") for one in await history.read(after=0, types=["case.alert-joined"])}
        assert opened
        assert all(card.startswith("live-") for card in cards)  # those of the shadow were read before these
