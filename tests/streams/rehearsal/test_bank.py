import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import confluent_kafka
import pytest

from infra.clock import utc_now
from infra.settings import Settings
from streams.contracts.card_command import EXAMPLES, CardCommand
from streams.contracts.card_event import CardEvent
from streams.contracts.customer import CustomerMessage
from streams.producer import Producer
from streams.rehearsal.bank import REHEARSAL_CUSTOMERS, BankFault, RehearsalBank
from streams.rehearsal.people import STORY_CARD
from streams.topics import CARD_COMMANDS, CARD_EVENTS, CUSTOMERS, ensure_topics

Command: TypeAlias = Callable[..., bytes]


@pytest.fixture
def settings_of(kafka_servers: str, tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, kafka_servers=kafka_servers)
    ensure_topics(kafka_servers, settings)
    return settings


@pytest.fixture
async def bank(settings_of: Settings) -> AsyncIterator[RehearsalBank]:
    bank = RehearsalBank(settings_of, dispatch_after_s=0.05, late_s=0.2)
    await bank.start()
    yield bank
    await bank.stop()


@pytest.fixture
async def producer(settings_of: Settings) -> AsyncIterator[Producer]:
    async with Producer(settings_of.kafka_servers or "", client_id="test") as started:
        yield started


@pytest.fixture
def command(request: pytest.FixtureRequest) -> Command:
    def make(action: str, **changes: Any) -> bytes:
        own = {"command_id": f"{request.node.name[-40:]}-{action}", "action": action, "transactions": []}
        return json.dumps({**EXAMPLES["decline"], **own, **changes}).encode()

    return make


class Read:
    """Everything of a topic, as it comes."""

    def __init__(self, servers: str, topic: str) -> None:
        self._consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": servers, "group.id": "test", "fetch.wait.max.ms": 20}
        )
        partitions = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        self._consumer.assign(
            [confluent_kafka.TopicPartition(topic, each, confluent_kafka.OFFSET_BEGINNING) for each in partitions]
        )
        self._values: list[bytes] = []

    async def until(self, count: int, mine: Callable[[bytes], bool]) -> list[bytes]:
        async with asyncio.timeout(30):
            while len(found := [value for value in self._values if mine(value)]) < count:
                for message in await asyncio.to_thread(self._consumer.consume, 500, 0.05):
                    assert message.error() is None
                    self._values.append(message.value() or b"")
        return found

    async def of(self, command: bytes, count: int) -> list[CardEvent]:
        wanted = json.loads(command)["command_id"]
        values = await self.until(count, lambda value: json.loads(value)["command_id"] == wanted)
        return [CardEvent.model_validate_json(value) for value in values]


@pytest.fixture
def answers(settings_of: Settings) -> Read:
    return Read(settings_of.kafka_servers or "", CARD_EVENTS)


async def test_the_bank_publishes_its_customers_as_the_contract_has_them(
    bank: RehearsalBank, settings_of: Settings
) -> None:
    assert bank is not None
    values = await Read(settings_of.kafka_servers or "", CUSTOMERS).until(REHEARSAL_CUSTOMERS + 1, lambda _: True)

    people = [CustomerMessage.model_validate_json(value) for value in values]
    assert len({each.customer_id for each in people}) == REHEARSAL_CUSTOMERS + 1
    assert STORY_CARD in {card.card_id for each in people for card in each.cards}


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize(
    ("action", "kinds"),
    [
        ("hold", ["held"]),
        ("decline", ["declined"]),
        ("block", ["blocked"]),
        ("release", ["released"]),
        ("reissue", ["reissued", "dispatched", "delivered"]),
    ],
)
async def test_each_command_has_its_answer(
    producer: Producer, answers: Read, command: Command, action: str, kinds: list[str]
) -> None:
    wanted = command(action)

    await producer.send(CARD_COMMANDS, "card-sokha-visa", wanted)

    found = await answers.of(wanted, len(kinds))
    assert [each.type for each in found] == kinds
    assert all(bool(each.new_card_id) == (action == "reissue") for each in found)


async def test_a_command_that_comes_again_is_answered_again_and_done_once(
    bank: RehearsalBank, producer: Producer, answers: Read, command: Command
) -> None:
    wanted = command("block")

    for _ in range(3):
        await producer.send(CARD_COMMANDS, "card-sokha-visa", wanted)

    found = await answers.of(wanted, 3)
    assert len({each.event_id for each in found}) == 1
    assert bank.card_system.received[found[0].command_id] == 3
    assert Counter(each["command_id"] for each in bank.card_system.report()["commands"])[found[0].command_id] == 1


async def test_a_restart_forgets_nothing_of_what_was_done(
    bank: RehearsalBank, producer: Producer, answers: Read, command: Command, settings_of: Settings
) -> None:
    wanted = command("reissue")
    await producer.send(CARD_COMMANDS, "card-sokha-visa", wanted)
    before = (await answers.of(wanted, 1))[0]
    await bank.stop()

    again = RehearsalBank(settings_of, dispatch_after_s=0.05)

    event = again.card_system.do(CardCommand.model_validate_json(wanted), before.occurred_at)
    assert (event["event_id"], event["new_card_id"]) == (before.event_id, before.new_card_id)
    assert sum(each["command_id"] == before.command_id for each in again.card_system.report()["commands"]) == 1


async def test_a_bank_that_never_answers_has_done_it_and_answers_the_next_time(
    bank: RehearsalBank, producer: Producer, answers: Read, command: Command
) -> None:
    lost, asked = command("hold"), command("release")
    await producer.send(CARD_COMMANDS, "card-sokha-visa", asked)
    await answers.of(asked, 1)
    bank.misbehave(BankFault(mode="never", count=1))

    await producer.send(CARD_COMMANDS, "card-sokha-visa", lost)
    await producer.send(CARD_COMMANDS, "card-sokha-visa", lost)

    assert [each.type for each in await answers.of(lost, 1)] == ["held"]
    assert bank.card_system.received[json.loads(lost)["command_id"]] == 2


@pytest.mark.parametrize("told", [("twice", ["held", "held"]), ("late", ["held"]), ("refuse", ["failed"])])
async def test_the_bank_misbehaves_as_it_is_told(
    bank: RehearsalBank, producer: Producer, answers: Read, command: Command, told: tuple[Any, list[str]]
) -> None:
    mode, kinds = told
    asked, wanted = command("release"), command("hold")
    await producer.send(CARD_COMMANDS, "card-sokha-visa", asked)
    await answers.of(asked, 1)
    bank.misbehave(BankFault(mode=mode, count=1))

    await producer.send(CARD_COMMANDS, "card-sokha-visa", wanted)

    assert [each.type for each in await answers.of(wanted, len(kinds))] == kinds


def test_a_line_that_was_not_written_to_its_end_counts_for_nothing(settings_of: Settings) -> None:
    memory = Path(settings_of.home) / "rehearsal" / "bank.jsonl"
    memory.parent.mkdir(parents=True)
    memory.write_text('{"command_id": "c-1", "acti')

    assert RehearsalBank(settings_of).card_system.report()["done"] == {}
    RehearsalBank(settings_of).card_system.do(
        CardCommand.model_validate_json(json.dumps(EXAMPLES["decline"])), utc_now()
    )
    assert RehearsalBank(settings_of).card_system.report()["done"] == {"decline": 1}
