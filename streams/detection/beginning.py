"""Where a partition is read from that has no stored position: at a first start, or where Redis lost its memory.

From the broker's time stamp on before which nothing can matter: the rules' memory, and the day that a payment may be
ahead of its stamp. A broker that does not say where that is, or has nothing as new, is read from the beginning. Up to
where the group has noted that everything was said, that fills the memory and says nothing again: the position in Redis
is the one that counts, and is noted with the group every second for this alone. (The embedded broker does not keep of
which topic that is told, so there everything is said again, under the same ids.) Known limit: after a feed that rested
for days, payments settled late can lack what came before the rest.
"""

import logging
from collections.abc import Sequence
from typing import Final

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

from streams.topics import TRANSACTIONS

logger = logging.getLogger(__name__)

_ANSWER_S: Final = 5.0


def remembered(consumer: confluent_kafka.Consumer, numbers: Sequence[int], since_ms: int) -> dict[int, int]:
    """Where each partition's records since that time begin; its beginning, where the broker does not say."""
    found = dict.fromkeys(numbers, OFFSET_BEGINNING)
    try:
        asked = [TopicPartition(TRANSACTIONS, number, since_ms) for number in numbers]
        for answer in consumer.offsets_for_times(asked, timeout=_ANSWER_S):
            if answer.error is None and answer.offset > 0:  # below: nothing is as new, or it is the beginning
                found[answer.partition] = answer.offset
    except KafkaException as error:
        logger.warning("the broker does not say where the last days begin, reading from the beginning: %s", error)
    return found


def said(consumer: confluent_kafka.Consumer, numbers: Sequence[int], identity: str) -> dict[int, int]:
    """Up to where everything is said, as far as the group has noted it of this very topic."""
    try:
        noted = consumer.committed([TopicPartition(TRANSACTIONS, number) for number in numbers], timeout=_ANSWER_S)
    except KafkaException as error:
        logger.warning("the broker does not say what has been said, it may be said again: %s", error)
        return {}
    return {each.partition: each.offset for each in noted if each.metadata == identity and each.error is None}
