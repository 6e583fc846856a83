"""Empty databases of a test's own, on the session's PostgreSQL.

PostgreSQL takes a fifth of a second of its processor to make one and to delete it again, for its three hundred files.
One that a test has done with is therefore emptied and given to the next test, under a name that nobody has heard of.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

_ENDED_WITHIN_MS: Final = 10_000

_OTHERS = "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"

_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"

_PUBLIC = "CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC"  # as it comes

_LEFT = " UNION ALL ".join(
    f"SELECT oid FROM {catalog} WHERE oid >= 16384"  # noqa: S608 - of the names below; smaller ones are PostgreSQL's own
    for catalog in ("pg_class", "pg_proc", "pg_type", "pg_extension", "pg_largeobject_metadata")
)

_spare: defaultdict[str, list[str]] = defaultdict(list)


@contextmanager
def database(server_url: str, kind: str) -> Iterator[str]:
    """The URL of an empty one, which is nobody's after the block: whoever is still connected is thrown out.

    Args:
        server_url: of the server's database ``ringback``.
        kind: lower case letters; begins its name.
    """
    name = f"{kind}_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        spare = _spare[server_url]
        if not (spare and _renamed(connection, spare.pop(), name)):
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield _url(server_url, name)
        finally:
            connection.execute(_OTHERS, (_ENDED_WITHIN_MS, name))
            if _renamed(connection, name, emptied := f"spare_{secrets.token_hex(6)}"):
                if _is_empty_now(_url(server_url, emptied)):
                    spare.append(emptied)
                else:
                    _drop(connection, emptied)


def _is_empty_now(url: str) -> bool:
    """Takes away every schema with what is in it; anything that was made elsewhere is too much."""
    with psycopg.connect(url) as connection:
        for (schema,) in connection.execute(_SCHEMAS).fetchall():
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))
        connection.execute(_PUBLIC)
        return connection.execute(_LEFT).fetchone() is None


def _renamed(connection: psycopg.Connection, old: str, new: str) -> bool:
    """Whether it has its new name; otherwise somebody is still connected, or is again, and it is gone with them."""
    try:
        connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(old), Identifier(new)))
    except psycopg.errors.ObjectInUse:
        _drop(connection, old)
        return False
    return True


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def _url(server_url: str, name: str) -> str:
    return server_url.replace("/ringback?", f"/{name}?", 1)
