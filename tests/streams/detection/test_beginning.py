"""Where a partition is read from that has no stored position."""

from typing import Any, cast

import confluent_kafka
import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicPartition

from streams.detection.beginning import remembered

SINCE_MS = 1_773_482_400_000


class Broker:
    """Says of each partition where the records since a time begin; the embedded broker seldom does."""

    def __init__(self, says: dict[int, int] | None) -> None:
        self.says = says
        self.asked: list[int] = []

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert timeout > 0
        if self.says is None:
            raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT))
        self.asked = [one.offset for one in partitions]
        return [TopicPartition(one.topic, one.partition, self.says[one.partition]) for one in partitions]


def begins(broker: Broker) -> dict[int, int]:
    return remembered(cast("confluent_kafka.Consumer", cast("Any", broker)), [0, 1], SINCE_MS)


@pytest.mark.parametrize(
    ("says", "begin"),
    [
        ({0: 700, 1: 9}, {0: 700, 1: 9}),
        ({0: 700, 1: 0}, {0: 700, 1: OFFSET_BEGINNING}),
        ({0: 700, 1: OFFSET_END}, {0: 700, 1: OFFSET_BEGINNING}),
        (None, {0: OFFSET_BEGINNING, 1: OFFSET_BEGINNING}),
    ],
    ids=["says both", "says the beginning", "has nothing as new", "does not answer"],
)
def test_a_partition_without_a_position_begins_where_it_matters_or_else_at_its_beginning(
    says: dict[int, int] | None, begin: dict[int, int]
) -> None:
    broker = Broker(says)
    assert begins(broker) == begin
    assert broker.asked == ([] if says is None else [SINCE_MS, SINCE_MS])
