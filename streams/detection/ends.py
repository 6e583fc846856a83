"""Where partitions end: the offset that the next record will have.

A broker that is asked for it tells it, and tells it again beside whatever is fetched. Only the second is right of every
broker: asked for it, the embedded one tells too little by all but the first record of the last batch.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

_WAIT_MS: Final = 20
_ANSWER_S: Final = 10.0


async def ends_of(consumer: AIOKafkaConsumer, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    """Where each of these partitions ends, of any topics; no record that was there when this was called is behind it.

    Fetches the newest batch of each, so that the broker answers at once. What the consumer was assigned to before it
    is not any more.

    Raises:
        KafkaError: the broker does not say.
        TimeoutError: nor does it answer within 10 s.
    """
    begins = await consumer.beginning_offsets(list(places))
    ends: dict[TopicPartition, int] = dict(await consumer.end_offsets(list(places)))
    waiting = {place for place in places if ends[place] > begins[place]}
    if not waiting:
        return ends
    consumer.assign(list(waiting))
    for place in waiting:
        consumer.seek(place, ends[place] - 1)
    async with asyncio.timeout(_ANSWER_S):
        while waiting:
            await consumer.getmany(*waiting, timeout_ms=_WAIT_MS)
            told = {place: consumer.highwater(place) for place in waiting}
            ends |= {place: max(ends[place], end) for place, end in told.items() if end is not None}
            waiting = {place for place, end in told.items() if end is None}
    return ends
