"""The topics: their names, how many partitions each has, and how a topic that was made anew is recognised.

Kafka gives every topic an id when it is created (KIP-516). A position is worth something only together with that id
and the partition count: a broker that forgot its topics, or a bank that recreated one, starts again at offset 0 under
another id, and with another count a card's history lies elsewhere.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._topic import TopicDescription
from confluent_kafka.cimpl import NewTopic

from infra.settings import Settings
from streams.errors import BrokerAway, TopicMissing

TRANSACTIONS: Final = "transactions"
TRANSACTIONS_REFUSED: Final = "transactions-refused"
FRAUD_ALERTS: Final = "fraud-alerts"
CARD_CONTEXT: Final = "card-context"
CASE_EVENTS: Final = "case-events"
HISTORY_SEALS: Final = "history-seals"
CARD_COMMANDS: Final = "card-commands"
CARD_EVENTS: Final = "card-events"
CUSTOMERS: Final = "customers"

ALL: Final = (
    TRANSACTIONS,
    TRANSACTIONS_REFUSED,
    FRAUD_ALERTS,
    CARD_CONTEXT,
    CASE_EVENTS,
    HISTORY_SEALS,
    CARD_COMMANDS,
    CARD_EVENTS,
    CUSTOMERS,
)

COMPACTED: Final = frozenset({CARD_CONTEXT, CUSTOMERS})

_WORDS_KEPT_MS: Final = 24 * 60 * 60 * 1000

PARTITIONER: Final = "murmur2_random"
"""What every producer of ours sets: librdkafka's name for the way in which Java's clients place a key."""

_UNKNOWN: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001 - its public name


class TopicIdentity(msgspec.Struct, frozen=True):
    """Which incarnation of a topic this is: Kafka's id of it, and its partition count."""

    topic_id: str
    partitions: int

    def __str__(self) -> str:
        """The form that is stored beside a position."""
        return f"{self.topic_id}/{self.partitions}"


def partitions_of(identity: str) -> int:
    """The partition count in the stored form of an identity."""
    return int(identity.rpartition("/")[2])


def control_topic(role: str) -> str:
    """The small topic of a role: a Faust app that subscribes to no topic does not start."""
    return f"ringback-control-{role}"


def admin(servers: str) -> AdminClient:
    """A client for questions about topics, quiet about a broker that is away (the caller says it once)."""
    return AdminClient({"bootstrap.servers": servers, "log_level": 0, "socket.timeout.ms": 5000})


def ensure_topics(servers: str, settings: Settings, *, timeout_s: float = 10.0) -> list[str]:
    """Creates what is missing of the topics; those that exist stay as they are.

    `card-context` is given the partition count that `transactions` has, because a card's context is read beside its
    transactions.

    Returns:
        The names of the topics that were created.

    Raises:
        BrokerAway: no answer within `timeout_s`, or the broker refused to create one.
    """
    client = admin(servers)
    existing = _partitions(client, timeout_s)
    missing = [name for name in ALL if name not in existing]
    if not missing:
        return []
    of_transactions = existing.get(TRANSACTIONS, settings.partitions)
    new = [
        NewTopic(
            name,
            num_partitions=_count(name, settings.partitions, of_transactions),
            replication_factor=settings.replication_factor,
            config=_config(name),
        )
        for name in missing
    ]
    for name, created in client.create_topics(new, operation_timeout=timeout_s, request_timeout=timeout_s).items():
        try:
            created.result(timeout_s)
        except KafkaException as error:
            if _code(error) != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was first
                raise BrokerAway(f"topic {name} could not be created: {error}") from error
        except TimeoutError as error:
            raise BrokerAway(f"topic {name} could not be created within {timeout_s} s") from error
    return missing


def topic_identity(servers: str, topic: str, *, timeout_s: float = 10.0) -> TopicIdentity:
    """Which incarnation of `topic` the broker has now.

    Raises:
        TopicMissing: the broker answers, and does not have it.
        BrokerAway: no answer within `timeout_s`.
    """
    return topic_identities(servers, [topic], timeout_s=timeout_s)[topic]


def topic_identities(servers: str, topics: Sequence[str], *, timeout_s: float = 10.0) -> dict[str, TopicIdentity]:
    """Which incarnation of each topic the broker has now, in one question.

    Raises:
        TopicMissing: the broker answers, and does not have one of them.
        BrokerAway: no answer within `timeout_s`.
    """
    client = admin(servers)  # held until the answers are there: librdkafka ends with its last reference
    asked = client.describe_topics(TopicCollection(list(topics)), request_timeout=timeout_s)
    found: dict[str, TopicIdentity] = {}
    for topic, answer in asked.items():
        try:
            found[topic] = described(answer.result(timeout_s))
        except KafkaException as error:
            raise failure(topic, error) from error
        except TimeoutError as error:
            raise BrokerAway(f"topic {topic} could not be described within {timeout_s} s") from error
    return found


def described(topic: TopicDescription) -> TopicIdentity:
    """The identity in a broker's description of a topic."""
    return TopicIdentity(topic_id=str(topic.topic_id), partitions=len(topic.partitions))


def failure(topic: str, error: KafkaException) -> TopicMissing | BrokerAway:
    """What it means that a topic could not be described."""
    if _code(error) in _UNKNOWN:
        return TopicMissing(f"the broker has no topic {topic}")
    return BrokerAway(f"topic {topic} could not be described: {error}")


def _count(name: str, partitions: int, of_transactions: int) -> int:
    if name == HISTORY_SEALS:  # in the order of their numbers, all of them
        return 1
    return of_transactions if name == CARD_CONTEXT else partitions


def _config(name: str) -> dict[str, str]:
    if name == CARD_CONTEXT:
        # Whoever follows a detection worker that died heeds the same words again, the overtaken ones as well.
        return {"cleanup.policy": "compact", "min.compaction.lag.ms": str(_WORDS_KEPT_MS)}
    if name in COMPACTED:
        return {"cleanup.policy": "compact"}
    if name == HISTORY_SEALS:
        return {"retention.ms": "-1"}
    # What is "ahead of its time" is judged by the broker's stamp, not by that of whoever produced.
    return {"message.timestamp.type": "LogAppendTime"} if name == TRANSACTIONS else {}


def _partitions(client: AdminClient, timeout_s: float) -> dict[str, int]:
    try:
        listed = client.list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise BrokerAway(f"the broker does not answer: {error}") from error
    return {name: len(topic.partitions) for name, topic in listed.topics.items() if topic.error is None}


def _code(error: KafkaException) -> int | None:
    first = error.args[0] if error.args else None
    return first.code() if isinstance(first, KafkaError) else None
