"""The casework on real servers: whatever is repeated, shuffled or killed, one customer has one case."""

import json
import random
from pathlib import Path
from typing import Any

from infra.history.event import Event, Recorded
from infra.history.registry import register
from infra.history.store import History
from infra.settings import Settings
from outreach.cases import events
from streams.contracts.alert import EXAMPLES as ALERTS
from streams.contracts.customer import EXAMPLES as CUSTOMERS
from streams.producer import Outgoing, Producer, Sent
from streams.topics import ensure_topics
from tests.streams.role import RoleProcess


def alert(number: int, *, card: str = "card-sokha-visa", **changes: Any) -> Outgoing:
    said = {
        **ALERTS["impossible-journey"],
        "alert_id": f"{card}-alert-{number}",
        "card_id": card,
        "raised_by": f"{card}-paris-{number}",
        "suspect": f"{card}-paris-{number}",
        **changes,
    }
    return Outgoing("fraud-alerts", card, json.dumps(said).encode())


def customer(**changes: Any) -> Outgoing:
    said = {**CUSTOMERS["traveller"], **changes}
    return Outgoing("customers", str(said["customer_id"]), json.dumps(said).encode())


def card_event(command_id: str, type_: str, number: int, **changes: Any) -> Outgoing:
    said = {
        "event_id": f"card-event-{number}",
        "command_id": command_id,
        "card_id": "card-sokha-visa",
        "type": type_,
        "occurred_at": "2026-03-14T10:20:01Z",
        **changes,
    }
    return Outgoing("card-events", "card-sokha-visa", json.dumps(said).encode())


register(events)


async def send(settings: Settings, *messages: Outgoing) -> None:
    assert settings.kafka_servers
    ensure_topics(settings.kafka_servers, settings)
    async with Producer(settings.kafka_servers, client_id="test") as producer:
        assert all(isinstance(answer, Sent) for answer in await producer.send_all(messages))


async def of_type(history: History, *names: str) -> list[Recorded[Event]]:
    return await history.read(after=0, limit=10_000, types=names)


async def at_least(history: History, count: int, name: str) -> list[Recorded[Event]] | None:
    found = await of_type(history, name)
    return found if len(found) >= count else None


async def test_three_alerts_for_one_customer_are_one_case_and_one_message(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    with RoleProcess("casework", settings, tmp_path / "log") as role:
        await send(settings, customer(customer_id="c-1", cards=[{"card_id": "k-1"}]))
        await role.until(lambda: at_least(history, 1, "customer.recorded"))
        await send(settings, *(alert(number, card="k-1") for number in (1, 2, 3)))
        await role.until(lambda: at_least(history, 3, "case.alert-joined"))

        assert len(await of_type(history, "case.opened")) == 1
        assert len(await of_type(history, "contact.requested")) == 1
        assert len(await of_type(history, "card.action-requested")) == 1


async def test_the_whole_topic_again_and_shuffled_changes_nothing(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    messages = [alert(number, card=f"s-{number % 5}") for number in range(15)]
    owners = [customer(customer_id=f"o-{number}", cards=[{"card_id": f"s-{number}"}]) for number in range(5)]
    with RoleProcess("casework", settings, tmp_path / "log") as role:
        await send(settings, *owners)
        await role.until(lambda: at_least(history, 5, "customer.recorded"))
        await send(settings, *messages)
        await role.until(lambda: at_least(history, 15, "case.alert-joined"))
        before = (await history.head()).position
        random.Random(seed).shuffle(messages)
        await send(settings, *messages, *owners, customer(customer_id="o-last"))
        await role.until(lambda: at_least(history, 6, "customer.recorded"))
        await send(settings, alert(1, card="s-last"))
        await role.until(lambda: at_least(history, 16, "case.alert-joined"))

        after = await history.read(after=before)
        assert {one.stream for one in after if not one.stream.startswith("case-")} == {
            "customer-o-last",
            "card-card-sokha-visa",
            "customer-unowned.s-last",
        }
        assert len({one.stream for one in after if one.stream.startswith("case-")}) == 1
        assert len(await of_type(history, "case.opened")) == 6


async def test_a_killed_worker_is_followed_by_one_that_finishes(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    owners = [customer(customer_id=f"p-{number}", cards=[{"card_id": f"p-{number}"}]) for number in range(40)]
    with RoleProcess("casework", settings, tmp_path / "first") as role:
        await send(settings, *owners)
        await role.until(lambda: at_least(history, 40, "customer.recorded"))
        await send(settings, *(alert(1, card=f"p-{number}") for number in range(40)))
        await role.until(lambda: at_least(history, 3, "case.opened"))
        role.kill()
    with RoleProcess("casework", settings, tmp_path / "second") as role:
        await role.until(lambda: at_least(history, 40, "case.opened"))
        await send(settings, alert(1, card="p-end"))
        await role.until(lambda: at_least(history, 41, "case.opened"))

        opened = await of_type(history, "case.opened")
        requested = await of_type(history, "contact.requested")
        assert len(opened) == len({one.stream for one in opened}) == 41
        assert len(requested) == 40


async def test_a_message_that_breaks_its_contract_is_set_aside_and_stops_nothing(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    bad = Outgoing("fraud-alerts", "b-1", b'{"alert_id": 1}')
    worse = Outgoing("fraud-alerts", "b-1", b"\xff\x00 not json")
    # What PostgreSQL cannot keep would stop the worker again and again.
    unkept = [alert(2, card="b\0-1"), customer(customer_id="c\0"), customer(cards=[{"card_id": "k\0"}])]
    numbered = customer(cards=[{"card_id": "4111111111111111"}])
    with RoleProcess("casework", settings, tmp_path / "log") as role:
        await send(settings, bad, worse, *unkept, numbered, alert(1, card="b-1"))
        await role.until(lambda: at_least(history, 1, "case.opened"))

        async def set_aside() -> bool:
            return role.tail().count("message set aside") == 6

        await role.until(set_aside)
        assert not await of_type(history, "customer.recorded")


async def test_an_alert_before_its_customer_finds_its_owner(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    with RoleProcess("casework", settings, tmp_path / "log") as role:
        await send(settings, alert(1, card="late-1"))
        await role.until(lambda: at_least(history, 1, "case.opened"))
        assert not await of_type(history, "contact.requested")
        await send(settings, customer(customer_id="late", cards=[{"card_id": "late-1"}]))
        await role.until(lambda: at_least(history, 1, "contact.requested"))
        await send(settings, alert(2, card="late-1"))
        await role.until(lambda: at_least(history, 2, "case.alert-joined"))

        assert len(await of_type(history, "case.opened")) == 1


async def test_answers_of_the_card_system_may_repeat_and_come_in_any_order(
    settings: Settings, history: History, tmp_path: Path
) -> None:
    with RoleProcess("casework", settings, tmp_path / "log") as role:
        await send(settings, customer(), alert(1))
        asked = await role.until(lambda: at_least(history, 1, "card.action-requested"))
        command_id: str = asked[0].event.command_id  # type: ignore[attr-defined]
        held = card_event(command_id, "held", 1)
        wrong = card_event(command_id, "blocked", 2)
        strange = card_event("nobody-asked", "held", 3)
        await send(settings, strange, wrong, held, held, card_event(command_id, "failed", 4, reason="late"))
        await role.until(lambda: at_least(history, 1, "card.action-answered"))
        await send(settings, alert(2))
        await role.until(lambda: at_least(history, 2, "case.alert-joined"))

        assert len(await of_type(history, "card.action-answered")) == 1
        assert not await of_type(history, "card.action-failed")
