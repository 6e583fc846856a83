"""The embedded servers of a home, as the other rooms use them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.servers import Addresses, EmbeddedServers, HomeInUse, embedded, from_settings, resolve, running
from infra.settings import Settings


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ringback-test-", dir="/tmp"))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


def topics(servers: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": servers}).list_topics(timeout=10).topics)


def make_topic(servers: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics([NewTopic(name, 2, 1)]).values():
        made.result(10)


def test_each_server_answers_its_own_driver(servers: Addresses) -> None:
    with psycopg.connect(servers.postgres_url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("ringback",)
    with redis.Redis.from_url(servers.redis_url) as client:
        assert client.ping()
    assert isinstance(topics(servers.kafka_servers), set)


def test_postgres_waits_for_the_disk_unless_told_otherwise(home: Path) -> None:
    with (
        embedded(home, which=frozenset({"postgres"})) as addresses,
        psycopg.connect(addresses.postgres_url) as connection,
    ):
        assert connection.execute("SELECT current_setting('fsync')").fetchone() == ("on",)
        assert connection.execute("SELECT current_setting('synchronous_commit')").fetchone() == ("on",)


def test_a_restart_keeps_what_was_stored_at_the_same_addresses(home: Path) -> None:
    kept = frozenset({"postgres", "redis"})
    with embedded(home, which=kept) as first:
        with psycopg.connect(first.postgres_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        with redis.Redis.from_url(first.redis_url) as client:
            client.set("kept", "7")
    with embedded(home, which=kept) as second:
        assert second == first
        with psycopg.connect(second.postgres_url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        with redis.Redis.from_url(second.redis_url) as client:
            assert client.get("kept") == b"7"


def test_two_homes_run_side_by_side_without_touching_each_other(home: Path) -> None:
    with embedded(home, durable=False) as one, embedded(home.with_name("other"), durable=False) as two:
        assert len({*vars(one).values(), *vars(two).values()}) == 6
        with psycopg.connect(one.postgres_url) as connection:
            connection.execute("CREATE TABLE mine (n int)")
        with psycopg.connect(two.postgres_url) as connection:
            assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)
        with redis.Redis.from_url(one.redis_url) as client:
            client.set("mine", "1")
        with redis.Redis.from_url(two.redis_url) as client:
            assert client.get("mine") is None
        make_topic(one.kafka_servers, "mine")
        assert "mine" not in topics(two.kafka_servers)


def test_a_home_with_a_path_too_long_for_a_socket_gets_its_sockets_elsewhere(home: Path) -> None:
    deep = home / ("deep" * 20) / ("deeper" * 20)
    with embedded(deep, which=frozenset({"postgres", "redis"}), durable=False) as addresses:
        with redis.Redis.from_url(addresses.redis_url) as client:
            assert client.ping()
        with psycopg.connect(addresses.postgres_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_others_learn_what_a_home_serves_while_it_does(home: Path) -> None:
    assert running(home) is None
    with embedded(home, which=frozenset({"redis"})) as addresses:
        assert running(home) == addresses
    assert running(home) is None


def test_a_home_in_use_is_refused_and_the_message_names_the_process(home: Path) -> None:
    with (
        embedded(home, which=frozenset({"kafka"})),
        pytest.raises(HomeInUse, match=f"process {os.getpid()}") as refused,
    ):
        EmbeddedServers(home, which=frozenset({"kafka"})).start()
    assert refused.value.pid == os.getpid()


def test_a_restarted_broker_answers_at_the_same_port_and_has_forgotten_its_topics(home: Path) -> None:
    with EmbeddedServers(home, which=frozenset({"kafka"})) as servers:
        make_topic(servers.addresses.kafka_servers, "forgotten")
        before = servers.pid("kafka")
        servers.restart("kafka")
        assert servers.pid("kafka") != before
        assert servers.alive("kafka")
        assert "forgotten" not in topics(servers.addresses.kafka_servers)


def test_the_broker_is_at_the_port_of_its_last_run(home: Path) -> None:
    with embedded(home, which=frozenset({"kafka"})) as first:
        pass
    with embedded(home, which=frozenset({"kafka"})) as second:
        assert second.kafka_servers == first.kafka_servers


def test_a_url_in_the_settings_stands_in_for_a_server(home: Path, servers: Addresses) -> None:
    settings = Settings(home=home, postgres_url=servers.postgres_url, kafka_servers="kafka.bank.example:9092")
    with resolve(settings) as addresses:
        assert addresses.postgres_url == servers.postgres_url
        assert addresses.kafka_servers == "kafka.bank.example:9092"
        with redis.Redis.from_url(addresses.redis_url) as client:
            assert client.ping()
        assert running(home) == addresses
        assert not (home / "postgres").exists()


def test_nothing_embedded_starts_when_every_url_is_given(home: Path) -> None:
    named = Addresses(postgres_url="postgresql://db/", redis_url="redis://cache", kafka_servers="broker:9092")
    settings = Settings(home=home, **vars(named))
    assert not from_settings(settings).which
    with resolve(settings) as addresses:
        assert addresses == named
    assert not home.exists()


def test_a_server_that_does_not_exist_is_refused(home: Path) -> None:
    with pytest.raises(ValueError, match="oracle"):
        EmbeddedServers(home, which=frozenset({"oracle"}))


def test_the_broker_takes_and_acknowledges_messages(kafka_servers: str) -> None:
    make_topic(kafka_servers, "taken")
    answers: list[object] = []
    producer = Producer({"bootstrap.servers": kafka_servers})
    producer.produce("taken", b"value", on_delivery=lambda error, _message: answers.append(error))
    assert producer.flush(10) == 0
    assert answers == [None]
