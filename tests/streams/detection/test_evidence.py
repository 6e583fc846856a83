"""Records are read back as far as the broker answers, and one that does not holds up and ends nobody."""

import os
import signal

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.detection.evidence import RecordReader
from tests.streams.detection.conftest import Bank
from tests.streams.detection.payments import PARIS, payment


async def test_a_broker_that_goes_away_ends_neither_the_look_up_nor_whoever_asks(
    bank: Bank, stage: Settings, ground: EmbeddedServers
) -> None:
    """A consumer that is ended while it waits to ask again would have whoever ends it believe itself cancelled."""
    bank.send([payment("a", str(number), PARIS, number) for number in range(3)])
    readers = [RecordReader(stage.kafka_servers or "", number, patience_s=0.5) for number in (0, 1)]
    found = [await reader.read([0, 1, 2]) for reader in readers]
    assert sorted(map(len, found)) == [0, 3]
    os.kill(ground.pid("kafka") or 0, signal.SIGKILL)
    assert [await reader.read([0, 2]) for reader in readers] == [{}, {}]
