"""The acceptance cases in which detection is only the half: from the payment to the case."""

import json
from pathlib import Path
from typing import Any

from infra.clock import utc_now
from infra.history.registry import register
from infra.history.store import History
from infra.settings import Settings
from outreach.cases import events
from outreach.customers.service import Customers
from streams.contracts.customer import EXAMPLES as CUSTOMERS
from streams.producer import Outgoing, Producer, Sent
from streams.topics import ensure_topics
from tests.streams.detection.payments import PARIS, PHNOM_PENH, payment
from tests.streams.role import RoleProcess

register(events)

HERS, HIS = "card-of-hers", "card-of-an-additional-holder"
NOTICE = {"country": "KH", "from": "2026-03-10", "to": "2026-03-24"}
CUSTOMER = CUSTOMERS["traveller"] | {"cards": [{"card_id": HERS}, {"card_id": HIS}], "travel_notices": [NOTICE]}


async def send(settings: Settings, topic: str, key: str, *messages: Any) -> None:
    async with Producer(settings.kafka_servers or "", client_id="test") as producer:
        sent = await producer.send_all([Outgoing(topic, key, json.dumps(one).encode()) for one in messages])
        assert all(isinstance(answer, Sent) for answer in sent)


async def test_cases_13_and_20_another_holders_alert_joins_the_customers_case_and_a_notice_silences_nothing(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    ensure_topics(settings.kafka_servers or "", settings)

    async def so_many(count: int) -> list[Any] | None:
        found = await history.read(after=0, types=["case.alert-joined"])
        return found if len(found) >= count else None

    with (
        RoleProcess("casework", settings, tmp_path / "casework") as casework,
        RoleProcess("detection.worker", settings, tmp_path / "detection") as detection,
    ):
        await send(settings, "customers", str(CUSTOMER["customer_id"]), CUSTOMER)
        await casework.until(lambda: history.read(after=0, types=["customer.recorded"]))
        both = (payment(HERS, "pnh", PHNOM_PENH, 0), payment(HERS, "paris", PARIS, 12))
        await send(settings, "transactions", HERS, *both)
        (hers,) = await detection.until(lambda: so_many(1))
        # his own card, where she is not: nothing; then two places at once of its own
        await send(settings, "transactions", HIS, payment(HIS, "paris", PARIS, 14), payment(HIS, "pnh", PHNOM_PENH, 30))
        _, his = await detection.until(lambda: so_many(2))

    assert (hers.event.suspect, his.event.suspect) == (f"{HERS}-paris", f"{HIS}-pnh")
    assert hers.event.verdict == "alert"
    assert hers.stream == his.stream
    assert len(await history.read(after=0, types=["case.opened"])) == 1
    profile = await Customers(history, utc_now, master_key=history.lookup_key).profile(str(CUSTOMER["customer_id"]))
    assert profile is not None
    assert list(profile.travel_notices) == [NOTICE]  # which the case shows beside her name
    assert profile.open_case in hers.stream
