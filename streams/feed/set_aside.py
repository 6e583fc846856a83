"""Reading ``transactions-refused`` back: what was set aside and is still open.

A refusal may be on the topic several times: made again after a crash, and once more with ``retried_at`` when it was
sent again and taken. All of these have one id, and are one refusal.
"""

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from streams.errors import BrokerAway
from streams.feed.refused import Origin, Refused
from streams.topics import TRANSACTIONS_REFUSED

_WITHIN_S: Final = 20.0


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal without its original: what a list shows."""

    refusal_id: str
    reason: str
    detail: str
    origin: Origin
    length_bytes: int
    refused_at: datetime
    retried_at: datetime | None = None


def refusals(servers: str) -> Iterator[tuple[bytes | None, Refused]]:
    """Every refusal on the topic with its record's key, partition by partition; repeats are not folded.

    What is no refusal of ours is passed over: the topic is the bank's.

    Raises:
        BrokerAway: the broker does not answer, or stops to.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"ringback-refused-{random.getrandbits(64):x}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,  # the one sign of an end that every broker gives rightly
            "log_level": 0,
        }
    )
    try:
        open_ends = _partitions(consumer)
        consumer.assign([TopicPartition(TRANSACTIONS_REFUSED, number, OFFSET_BEGINNING) for number in open_ends])
        while open_ends:
            message = consumer.poll(_WITHIN_S)
            if message is None:
                raise BrokerAway(f"{TRANSACTIONS_REFUSED} cannot be read: nothing came for {_WITHIN_S:.0f} s")
            if (error := message.error()) is not None:
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise BrokerAway(f"{TRANSACTIONS_REFUSED} cannot be read: {error.str()}")
                open_ends.discard(message.partition())
            elif (found := _read(message.value())) is not None:
                key = message.key()
                yield key.encode() if isinstance(key, str) else key, found
    finally:
        consumer.close()


def folded(servers: str) -> dict[str, Entry]:
    """Every refusal once, by id, oldest first; retried, where it was retried at all.

    Raises:
        BrokerAway: as of ``refusals``.
    """
    found: dict[str, Entry] = {}
    for _key, refused in refusals(servers):
        known = found.get(refused.refusal_id)
        if known is None or (known.retried_at is None and refused.retried_at is not None):
            found[refused.refusal_id] = Entry(
                refusal_id=refused.refusal_id,
                reason=refused.reason,
                detail=refused.detail,
                origin=refused.origin,
                length_bytes=refused.length_bytes,
                refused_at=refused.refused_at,
                retried_at=refused.retried_at,
            )
    return dict(sorted(found.items(), key=lambda each: (each[1].refused_at, each[0])))


def _partitions(consumer: Consumer) -> set[int]:
    try:
        topic = consumer.list_topics(TRANSACTIONS_REFUSED, timeout=_WITHIN_S).topics[TRANSACTIONS_REFUSED]
    except KafkaException as error:
        raise BrokerAway(f"the broker does not answer: {error}") from error
    return set() if topic.error is not None else set(topic.partitions)


def _read(value: bytes | str | None) -> Refused | None:
    try:
        return msgspec.json.decode(value or b"", type=Refused)
    except msgspec.DecodeError:
        return None
