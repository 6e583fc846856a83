"""Appends on their way into PostgreSQL: checked, split, sealed, handed over together, and the answers understood."""

from collections.abc import Mapping, Sequence

from psycopg.rows import TupleRow

from infra.history.arrays import BinaryArray, Bytes, Int4s, Int8s, Moments, Texts, Uuids
from infra.history.errors import Conflict, HistoryError, IdTaken, PartlyRecorded, Unavailable
from infra.history.event import NewEvent
from infra.history.keys import CustomerKey
from infra.history.registry import register
from infra.history.sealing import Split, sealed, split
from infra.history.writes import Appended, Connection, StreamWrite

TEXT_AT_MOST = 1_000
"""Bytes of a text of the envelope: PostgreSQL's indexes hold no entry above some 2,700."""

_APPEND = """
SELECT outcome, position, versions, present FROM history.append_batches(
    %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)
"""


class Batch:
    """The events of one append.

    Attributes:
        writes: each stream at most once.
        events: in order, of all streams.
        subjects: the customers whose keys are needed to seal them.
        size: of what the events say, in bytes.

    Raises:
        SubjectMissing: personal data without a subject.
        UndeclaredClass: an event has no wire name, or another class has it.
        ValueError: a stream or an id twice, a moment without an offset, a version that none can be, or a text of the
            envelope that PostgreSQL would not take.
    """

    def __init__(self, writes: Sequence[StreamWrite]) -> None:
        self.writes = writes
        self.events = [new for write in writes for new in write.events]
        self._check()
        register(*{type(new.event) for new in self.events})
        self.halves: list[Split] = [split(new) for new in self.events]
        self.size = sum(len(half.payload) + len(half.personal or b"") for half in self.halves)
        self.subjects = {
            new.subject
            for new, half in zip(self.events, self.halves, strict=True)
            if half.personal is not None and new.subject
        }

    def answer(self, row: TupleRow) -> Appended | HistoryError:
        """What PostgreSQL's answer means to the writer: given, not raised."""
        outcome, position, versions, present = row
        match outcome:
            case "appended" | "repeated":
                by_stream = {write.stream: version for write, version in zip(self.writes, versions, strict=True)}
                return Appended(position, by_stream, outcome == "repeated")
            case "conflict":
                write = self.writes[position - 1]
                return Conflict(write.stream, write.expected or 0, versions[position - 1])
            case "partly":
                recorded = set(present)
                return PartlyRecorded(present, [new.event_id for new in self.events if new.event_id not in recorded])
            case _:
                return IdTaken(present)

    def _check(self) -> None:
        streams = [write.stream for write in self.writes]
        if len(set(streams)) != len(streams):
            raise ValueError(f"a stream stands twice in one append: {', '.join(streams)}")
        if len({new.event_id for new in self.events}) != len(self.events):
            raise ValueError("an event id stands twice in one append; derive each from its place in the batch too")
        for write in self.writes:
            _check_text(write.stream, "a stream")
            if write.expected is not None and not 0 <= write.expected < 1 << 63:
                raise ValueError(f"{write.stream} cannot be at version {write.expected}")
            for new in write.events:
                self._check_envelope(new, write.stream)

    @staticmethod
    def _check_envelope(new: NewEvent, stream: str) -> None:
        where = f"{new.event.wire_name} for {stream}"
        if new.occurred_at.tzinfo is None:
            raise ValueError(f"{where}: occurred_at has no offset")
        for text in (new.actor, new.subject, new.correlation_id, new.causation_id):
            if text:
                _check_text(text, where)


def _check_text(text: str, where: str) -> None:
    if "\0" in text:
        raise ValueError(f"{where}: PostgreSQL keeps no text with a NUL in it: {text!r}")
    if len(text) > TEXT_AT_MOST or (not text.isascii() and len(text.encode()) > TEXT_AT_MOST):
        raise ValueError(f"{where}: a text of more than {TEXT_AT_MOST} bytes: {text[:60]!r}…")


async def write(
    conn: Connection, batches: Sequence[Batch], keys: Mapping[str, CustomerKey]
) -> list[Appended | HistoryError]:
    """Takes the writers' lock, which is held until the transaction ends, and appends all batches; no id may be in two.

    Each batch has its answer, in order: what it came to, or the :class:`Conflict`, :class:`PartlyRecorded` or
    :class:`IdTaken` for which nothing of it was written.

    Raises:
        Unavailable: there is no answer.
        psycopg.Error: anything else; nothing of any batch is written once the transaction is rolled back.
    """
    cursor = await conn.execute(_APPEND, _arguments(batches, keys), prepare=True, binary=True)
    rows = await cursor.fetchall()
    if len(rows) != len(batches):
        raise Unavailable("the append gave no answer")
    return [batch.answer(row) for batch, row in zip(batches, rows, strict=True)]


def _arguments(batches: Sequence[Batch], keys: Mapping[str, CustomerKey]) -> tuple[BinaryArray, ...]:
    writes = [write for batch in batches for write in batch.writes]
    places: dict[str, int] = {}
    for write in writes:
        places.setdefault(write.stream, len(places) + 1)
    events = [new for batch in batches for new in batch.events]
    halves = [half for batch in batches for half in batch.halves]
    boxes = [sealed(new, half, keys) for new, half in zip(events, halves, strict=True)]
    return (
        Int4s.of(len(batch.writes) for batch in batches),
        Int4s.of(len(batch.events) for batch in batches),
        Texts.of(places),
        Int4s.of(places[write.stream] for write in writes),
        Int8s.of(write.expected for write in writes),
        Int4s.of(places[write.stream] for write in writes for _ in write.events),
        Uuids.of(new.event_id for new in events),
        Texts.of(new.event.wire_name for new in events),
        Int8s.of(new.event.schema_version for new in events),
        Moments.of(new.occurred_at for new in events),
        Texts.of(new.actor for new in events),
        Texts.of(new.subject for new in events),
        Texts.of(new.correlation_id for new in events),
        Texts.of(new.causation_id for new in events),
        Bytes.of(half.payload for half in halves),
        Bytes.of(personal for personal, _ in boxes),
        Uuids.of(key_id for _, key_id in boxes),
    )
