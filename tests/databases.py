"""Empty databases of a test's own, on the session's PostgreSQL."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def database(server_url: str, kind: str) -> Iterator[str]:
    """The URL of a new one, gone with the block; `kind` begins its name.

    Args:
        server_url: of the server's database ``ringback``.
        kind: lower case letters.
    """
    name = f"{kind}_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield server_url.replace("/ringback?", f"/{name}?", 1)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
