"""Redis, one server or a cluster, behind one client.

``redis://``, ``rediss://`` and ``unix://`` name a server; ``redis+cluster://`` and ``rediss+cluster://`` any node of a
Redis Cluster, which names the others. Everything that is asked touches keys of one slot only.
"""

from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import Connection
from redis.exceptions import ClusterDownError, RedisClusterException
from redis.exceptions import ConnectionError as RedisAway

CLUSTER: Final = "+cluster://"


class _Cluster(RedisCluster):
    """The library's, whose own errors are those of a Redis that is away: it is waited for in the same way."""

    async def initialize(self, *args: Any, **kwargs: Any) -> RedisCluster:
        try:
            return await super().initialize(*args, **kwargs)
        except RedisClusterException as error:
            raise RedisAway(f"no node of the cluster answers: {error}") from error

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().execute_command(*args, **kwargs)
        except (RedisClusterException, ClusterDownError) as error:
            raise RedisAway(f"the cluster cannot serve this now: {error}") from error


def redis_client(url: str, **options: Any) -> Redis:
    """A client for what the URL names; connects when it is first used.

    Args:
        url: see above.
        options: of ``redis.asyncio.Redis``.

    Returns:
        A client of one server or of a cluster: what Ringback asks is asked of both in the same words. Where a cluster
        does not answer, it raises ``redis.exceptions.ConnectionError`` as for a server.
    """
    if CLUSTER in url:
        return cast("Redis", _Cluster.from_url(server_url(url), **options))
    return Redis.from_url(url, **options)


def server_url(url: str) -> str:
    """The URL of the one server, or of the node that is named of a cluster."""
    return url.replace(CLUSTER, "://", 1)


async def connection_to(client: Redis, key: bytes) -> Connection:
    """A connection of one's own, not connected yet, to the server that has this key today.

    Raises:
        redis.exceptions.RedisError: no server can say.
    """
    either: Any = client
    if isinstance(either, RedisCluster):
        await either.exists(key)  # who asks a wrong node is told the right one, and the client remembers it
        node = either.get_node_from_key(key)  # type: ignore[arg-type]  # takes bytes as well
        if node is None:
            raise RedisAway("no node of the cluster has the slot")
        return node.connection_class(**node.connection_kwargs)
    connection: Connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # untyped there
    return connection
