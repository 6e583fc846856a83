"""PostgreSQL, Redis and a Kafka-compatible broker out of their wheels: real servers that need no installing."""

from infra.servers.addresses import Addresses, running
from infra.servers.embedded import EmbeddedServers, embedded, from_settings, resolve
from infra.servers.errors import HomeInUse, NothingRunning, NotInstalled, ServerFailed, ServersError
from infra.servers.kafka import FORGETFUL

__all__ = [
    "FORGETFUL",
    "Addresses",
    "EmbeddedServers",
    "HomeInUse",
    "NotInstalled",
    "NothingRunning",
    "ServerFailed",
    "ServersError",
    "embedded",
    "from_settings",
    "resolve",
    "running",
]
