"""One append on its way into PostgreSQL: checked, split, sealed, handed over, and the answer understood."""

from collections.abc import Mapping, Sequence

from psycopg.rows import TupleRow

from infra.history.errors import Conflict, IdTaken, PartlyRecorded, Unavailable
from infra.history.keys import CustomerKey
from infra.history.registry import register
from infra.history.sealing import sealed, split
from infra.history.writes import Appended, Connection, StreamWrite

_APPEND = """
SELECT outcome, position, versions, present FROM history.append_events(
    %s::text[], %s::bigint[], %s::text[], %s::uuid[], %s::text[], %s::integer[], %s::timestamptz[],
    %s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::uuid[])
"""


class Batch:
    """The events of one append.

    Attributes:
        events: in order, of all streams.
        subjects: the customers whose keys are needed to seal them.

    Raises:
        SubjectMissing: personal data without a subject.
        UndeclaredClass: an event has no wire name, or another class has it.
        ValueError: a stream or an id twice, a moment without an offset, or a NUL in a text of the envelope.
    """

    def __init__(self, writes: Sequence[StreamWrite]) -> None:
        self._writes = writes
        self._streams = [write.stream for write in writes for _ in write.events]
        self.events = [new for write in writes for new in write.events]
        self._check()
        register(*{type(new.event) for new in self.events})
        self._halves = [split(new) for new in self.events]
        self.subjects = {
            new.subject
            for new, half in zip(self.events, self._halves, strict=True)
            if half.personal is not None and new.subject
        }

    async def write(self, conn: Connection, keys: Mapping[str, CustomerKey]) -> Appended:
        """Takes the writers' lock, which is held until the transaction ends, and appends.

        Raises:
            Conflict, PartlyRecorded, IdTaken: as :meth:`infra.history.store.History.append` says.
        """
        boxes = [sealed(new, half, keys) for new, half in zip(self.events, self._halves, strict=True)]
        cursor = await conn.execute(
            _APPEND,
            (
                [write.stream for write in self._writes],
                [write.expected for write in self._writes],
                self._streams,
                [new.event_id for new in self.events],
                [new.event.wire_name for new in self.events],
                [new.event.schema_version for new in self.events],
                [new.occurred_at for new in self.events],
                [new.actor for new in self.events],
                [new.subject for new in self.events],
                [new.correlation_id for new in self.events],
                [new.causation_id for new in self.events],
                [half.payload for half in self._halves],
                [personal for personal, _ in boxes],
                [key_id for _, key_id in boxes],
            ),
        )
        return self._answer(await cursor.fetchone())

    def _check(self) -> None:
        streams = [write.stream for write in self._writes]
        if len(set(streams)) != len(streams):
            raise ValueError(f"a stream stands twice in one append: {', '.join(streams)}")
        if len({new.event_id for new in self.events}) != len(self.events):
            raise ValueError("an event id stands twice in one append; derive each from its place in the batch too")
        for stream, new in zip(self._streams, self.events, strict=True):
            if new.occurred_at.tzinfo is None:
                raise ValueError(f"{new.event.wire_name} for {stream}: occurred_at has no offset")
            texts = (stream, new.actor, new.subject, new.correlation_id, new.causation_id)
            if any(text and "\0" in text for text in texts):
                raise ValueError(f"{new.event.wire_name} for {stream!r}: PostgreSQL keeps no text with a NUL in it")

    def _answer(self, row: TupleRow | None) -> Appended:
        if row is None:
            raise Unavailable("the append gave no answer")
        outcome, position, versions, present = row
        match outcome:
            case "appended" | "repeated":
                by_stream = {write.stream: version for write, version in zip(self._writes, versions, strict=True)}
                return Appended(position, by_stream, outcome == "repeated")
            case "conflict":
                write = self._writes[position - 1]
                raise Conflict(write.stream, write.expected or 0, versions[position - 1])
            case "partly":
                recorded = set(present)
                raise PartlyRecorded(present, [new.event_id for new in self.events if new.event_id not in recorded])
            case _:
                raise IdTaken(present)
