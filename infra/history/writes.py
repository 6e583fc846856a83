"""What is asked of an append, and what it answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from infra.history.event import NewEvent

Connection: TypeAlias = AsyncConnection[TupleRow]

Within: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Runs in the transaction of an append, before its events are written; what it raises undoes everything."""

ANY: None = None
"""The writer does not mind which version the stream has."""

NO_STREAM = 0
"""The writer expects that the stream does not exist yet."""


class StreamWrite(msgspec.Struct, frozen=True):
    """Events for one stream, in order.

    Attributes:
        stream: its name.
        events: may be empty: then only the expected version is checked.
        expected: the version that the stream has now, as the writer believes; :data:`ANY` if it does not matter.
    """

    stream: str
    events: Sequence[NewEvent]
    expected: int | None = ANY


class Appended(msgspec.Struct, frozen=True):
    """What an append came to.

    Attributes:
        position: of the last event of the batch; of the history's head, where the batch was empty.
        versions: by stream, the version of its last event in the batch.
        repeated: everything was recorded already, and nothing has been added.
    """

    position: int
    versions: dict[str, int]
    repeated: bool


class Head(msgspec.Struct, frozen=True):
    """The end of the history: its last position (0 when empty) and that event's hash."""

    position: int
    hash: bytes
