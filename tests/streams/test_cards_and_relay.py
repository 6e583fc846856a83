"""The roles `cards` and `relay` on real servers: sent until answered, and the history for others from position 1."""

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from cloudevents.http import from_json
from pydantic import SecretStr

from infra.clock import utc_now
from infra.history.event import Event, Recorded
from infra.history.projection import catch_up
from infra.history.seal_file import read_seals
from infra.history.seals import Seals, key_id, signing_key
from infra.history.store import History
from infra.history.verify import verify
from infra.settings import Settings
from outreach.cases import commands as c
from outreach.cases.service import Cases
from outreach.customers.service import CardRef, CustomerMessage, Customers
from outreach.projections import projections
from streams.contracts.card_command import CardCommand
from streams.contracts.case_event import CaseEvent
from streams.contracts.seal import Seal
from streams.ground import master_key
from streams.topics import ensure_topics
from tests.outreach.cases.given import alert
from tests.streams.role import RoleProcess


@pytest.fixture
async def history(settings: Settings) -> AsyncIterator[History]:
    assert settings.postgres_url
    async with await History.open(
        settings.postgres_url, master_key=master_key(settings), clock=utc_now, redis_url=settings.redis_url
    ) as opened:
        yield opened


@pytest.fixture
def card() -> str:
    """A card of the test's own: the broker is shared by the module."""
    return f"card-{secrets.token_hex(4)}"


async def a_case(settings: Settings, history: History, card: str) -> tuple[Cases, str]:
    assert settings.kafka_servers
    ensure_topics(settings.kafka_servers, settings)
    cases = Cases(history, utc_now)
    customers = Customers(history, utc_now, master_key=master_key(settings))
    await customers.record(
        CustomerMessage(customer_id="sokha", name="Sokha Chan", cards=[CardRef(card_id=card)]), "m-1"
    )
    case_id = await cases.receive_alert(alert(card_id=card))
    assert case_id
    await catch_up(history, projections(master_key(settings)))
    return cases, case_id


def messages(
    settings: Settings, topic: str, *, enough: Callable[[list[bytes]], bool], within_s: float = 60
) -> list[bytes]:
    reader = confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.kafka_servers,
            "group.id": f"test-{secrets.token_hex(4)}",
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
        }
    )
    try:
        parts = reader.list_topics(topic, timeout=10).topics[topic].partitions
        reader.assign([confluent_kafka.TopicPartition(topic, part, confluent_kafka.OFFSET_BEGINNING) for part in parts])
        found: list[bytes] = []
        deadline = time.monotonic() + within_s
        while not enough(found):
            assert time.monotonic() < deadline, f"{len(found)} messages of {topic} only"
            found += [one.value() or b"" for one in reader.consume(500, 0.1) if not one.error()]
        return found
    finally:
        reader.close()


def commands_for(found: list[bytes], card: str) -> list[CardCommand]:
    read = [CardCommand.model_validate_json(one) for one in found]
    return [one for one in read if one.card_id == card]


async def test_a_hold_is_sent_again_under_its_id_until_a_person_has_to_look(
    settings: Settings, history: History, card: str, tmp_path: Path
) -> None:
    cases, case_id = await a_case(settings, history, card)

    async def failed() -> list[Recorded[Event]]:
        await catch_up(history, projections(master_key(settings)))
        return await history.read(after=0, types=["card.action-failed"])

    with RoleProcess("cards", settings, tmp_path / "log") as role:
        await role.until(failed)
    sent = commands_for(messages(settings, "card-commands", enough=lambda got: len(commands_for(got, card)) >= 5), card)
    assert [one.attempt for one in sent] == [1, 2, 3, 4, 5]
    assert len({one.command_id for one in sent}) == 1
    assert sent[0].action == "hold"
    state, _ = await cases.load(case_id)
    assert state.task is not None
    assert state.task.reason == "card_action_failed"


async def test_an_answered_command_is_not_sent_again(
    settings: Settings, history: History, card: str, tmp_path: Path
) -> None:
    cases, case_id = await a_case(settings, history, card)
    state, _ = await cases.load(case_id)
    answer = c.AnswerCardAction(command_id=next(iter(state.actions)), result="held")
    await cases.handle(case_id, answer, actor="bank", cause="early")
    await catch_up(history, projections(master_key(settings)))
    taken = c.TakeTask(operator="dara")
    await cases.handle(case_id, taken, actor="operator:dara", cause="take")
    deny = c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara")
    await cases.handle(case_id, deny, actor="operator:dara", cause="deny")
    with RoleProcess(
        "cards", settings.model_copy(update={"card_answer_due_after": settings.silence_after * 600}), tmp_path / "log"
    ) as role:

        async def sent() -> list[Recorded[Event]] | None:
            found = await history.read(after=0, types=["card.action-sent"])
            return found if len(found) >= 3 else None

        await role.until(sent)
    found = commands_for(
        messages(settings, "card-commands", enough=lambda got: len(commands_for(got, card)) >= 3), card
    )
    assert [one.action for one in found] == ["decline", "block", "reissue"]
    assert found[0].transactions == ("paris-1",)


async def test_a_worker_that_dies_between_the_topic_and_the_history_asks_for_nothing_new(
    settings: Settings, history: History, card: str, tmp_path: Path
) -> None:
    cases, case_id = await a_case(settings, history, card)
    await cases.handle(case_id, c.TakeTask(operator="dara"), actor="operator:dara", cause="take")
    deny = c.DenyPayments(transactions=["paris-1"], by="operator", operator="dara")
    await cases.handle(case_id, deny, actor="operator:dara", cause="deny")
    patient = settings.model_copy(update={"card_answer_due_after": settings.silence_after * 600})
    for number in range(1, 3):  # killed as soon as something is in the topic, recorded or not
        with RoleProcess("cards", patient, tmp_path / "log") as role:
            messages(settings, "card-commands", enough=lambda got, n=number: len(commands_for(got, card)) >= n)  # type: ignore[misc]
            role.kill()
    with RoleProcess("cards", patient, tmp_path / "log") as role:

        async def sent() -> list[Recorded[Event]] | None:
            found = await history.read(after=0, types=["card.action-sent"])
            return found if len(found) >= 4 else None

        recorded = await role.until(sent)
    found = commands_for(
        messages(settings, "card-commands", enough=lambda got: len(commands_for(got, card)) >= 4), card
    )
    assert len(recorded) == 4
    ids = {(one.action, one.command_id) for one in found}
    assert sorted(action for action, _ in ids) == ["block", "decline", "hold", "reissue"]


async def test_the_relay_sends_the_history_in_order_and_nothing_personal_in_clear(
    settings: Settings, history: History, card: str, tmp_path: Path
) -> None:
    _, case_id = await a_case(settings, history, card)
    head = (await history.head()).position

    def of_case(found: list[bytes]) -> list[dict[str, Any]]:
        return [one for one in map(json.loads, found) if one["subject"] == f"case-{case_id}"]

    with RoleProcess("relay", settings, tmp_path / "log"):
        found = messages(settings, "case-events", enough=lambda got: len(got) >= head)
    assert [CaseEvent.model_validate_json(one) for one in found]
    mine = of_case(found)
    assert [one["type"] for one in mine] == [
        one.event.wire_name for one in await history.read_stream(f"case-{case_id}")
    ]
    assert [one["sequence"] for one in mine] == sorted(one["sequence"] for one in mine)
    assert [one["streamversion"] for one in mine] == [str(version + 1) for version in range(len(mine))]
    assert {one["schemaversion"] for one in mine} == {"1"}
    assert not any(b"Sokha" in one or b"Paris" in one for one in found)
    joined = next(one for one in mine if one["type"] == "case.alert-joined")
    assert joined["data"]["personal"]["ciphertext"]
    assert from_json(found[0])["specversion"] == "1.0"


async def test_the_relay_seals_the_end_of_the_history_and_publishes_each_seal(
    settings: Settings, history: History, card: str, tmp_path: Path
) -> None:
    await a_case(settings, history, card)
    seed = base64.b64encode(secrets.token_bytes(32)).decode()
    sealing = {"seal_key": SecretStr(seed), "seal_every": timedelta(milliseconds=100)}
    with RoleProcess("relay", settings.model_copy(update=sealing), tmp_path / "log"):
        found = messages(settings, "history-seals", enough=lambda got: len(got) >= 1)
        assert [Seal.model_validate_json(one).number for one in found] == [1]
    public = signing_key(seed).public_key()
    seals = Seals(read_seals(settings.seals_path), {key_id(public): public})
    result = await verify(history, seals=seals)
    assert (result.intact, result.seals) == (True, 1)
