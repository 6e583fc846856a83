"""Real servers for every test that wants one: started once a session, in a home of the session's own."""

import base64
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr

from infra.servers import Addresses, EmbeddedServers
from infra.settings import Settings
from tests.apache_kafka import ApacheKafka
from tests.databases import database

# So many examples keep `make test` within minutes; RINGBACK_TEST_EXAMPLES=1000 looks further.
EXAMPLES = int(os.environ.get("RINGBACK_TEST_EXAMPLES", "60"))
hypothesis_settings.register_profile("untimed", deadline=None, print_blob=True, max_examples=EXAMPLES)
hypothesis_settings.register_profile(
    "same", deadline=None, print_blob=True, max_examples=EXAMPLES, derandomize=True, database=None
)
# No test asserts a time: the machine may be busy. A change is judged by the same examples each time; who works on it
# looks for new ones.
hypothesis_settings.load_profile("same" if os.environ.get("CI") else "untimed")


@pytest.fixture(scope="session")
def session_home() -> Iterator[Path]:
    """A folder with a short path (Unix sockets) that pytest does not close to other accounts (root's PostgreSQL)."""
    home = Path(tempfile.mkdtemp(prefix="ringback-tests-", dir="/tmp" if Path("/tmp").is_dir() else None))  # noqa: S108 - a random name
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def servers(session_home: Path) -> Iterator[Addresses]:
    """All three servers for the whole session; take `postgres_url`, `redis_url`, `kafka_servers` for a clean one."""
    with EmbeddedServers(session_home / "session", durable=False) as started:  # no test loses power
        yield started.addresses


@pytest.fixture
def postgres_url(servers: Addresses) -> Iterator[str]:
    """An empty database of the test's own."""
    with database(servers.postgres_url, "test") as url:
        yield url


@pytest.fixture
def redis_url(servers: Addresses) -> str:
    """The session's Redis, empty at the start of the test."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushall()
    return servers.redis_url


@pytest.fixture(scope="module")
def kafka_servers(session_home: Path) -> Iterator[str]:
    """A broker of the module's own, without topics at its start; Apache Kafka where `make test-kafka` asks for it."""
    home = Path(tempfile.mkdtemp(prefix="kafka-", dir=session_home))
    if os.environ.get("RINGBACK_TEST_BROKER") == "apache":
        with ApacheKafka(home) as broker:
            yield broker.servers
        return
    with EmbeddedServers(home, which=frozenset({"kafka"})) as started:
        yield started.addresses.kafka_servers


@pytest.fixture
def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(postgres_url: str, redis_url: str, kafka_servers: str, free_port: int, tmp_path: Path) -> Settings:
    """Settings on clean servers, with keys of the test's own and short waits; change some by `model_copy(update=…)`."""
    return Settings(
        home=tmp_path / "home",
        postgres_url=postgres_url,
        redis_url=redis_url,
        kafka_servers=kafka_servers,
        http_port=free_port,
        master_key=SecretStr(base64.b64encode(secrets.token_bytes(32)).decode()),
        feed_key=SecretStr(secrets.token_urlsafe(16)),
        twilio_account_sid="AC" + secrets.token_hex(16),
        twilio_auth_token=SecretStr(secrets.token_hex(16)),
        twilio_from="+14155550199",
        twilio_timeout_s=2.0,
        silence_after=timedelta(seconds=1),
        delivery_due_after=timedelta(seconds=1),
        outcome_due_after=timedelta(seconds=1),
        card_answer_due_after=timedelta(seconds=1),
        hand_over_after=timedelta(seconds=1),
    )
