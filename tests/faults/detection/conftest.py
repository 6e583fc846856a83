"""The ground of each fault run: a broker and a Redis of its own, with empty topics."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.servers import EmbeddedServers
from infra.settings import Settings
from streams.topics import ensure_topics
from tests.apache_kafka import ApacheKafka, KafkaMissingError
from tests.faults.detection.ground import Ground


@pytest.fixture
def ground() -> Iterator[Ground]:
    """Apache Kafka, three partitions; without Java 17 and Maven there is nothing to run on."""
    folder = Path(tempfile.mkdtemp(prefix="ringback-faults-", dir="/tmp"))
    with EmbeddedServers(folder / "home", which=frozenset({"redis"}), durable=False) as servers:
        broker = ApacheKafka(folder / "kafka", heap="512m")
        try:
            broker.start()
        except KafkaMissingError as missing:
            if os.environ.get("CI"):
                pytest.fail(str(missing))
            pytest.skip(str(missing))
        settings = Settings(kafka_servers=broker.servers, redis_url=servers.addresses.redis_url, partitions=3)
        ensure_topics(broker.servers, settings, timeout_s=60)
        stage = Ground(settings, broker, servers, folder)
        try:
            yield stage
        finally:
            stage.close()
            broker.stop()
    shutil.rmtree(folder, ignore_errors=True)
