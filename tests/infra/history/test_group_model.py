"""Any groups of any batches: what PostgreSQL answers and keeps is what a model of a few lines says."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid5

import msgspec
import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.clock import utc_now
from infra.history.appending import Batch, write
from infra.history.errors import Conflict, HistoryError, IdTaken, PartlyRecorded
from infra.history.event import NAMESPACE, NewEvent
from infra.history.store import Appended, Connection, History, StreamWrite
from infra.history.verify import verify
from tests.infra.history.notes import Counted

Ask = tuple[int, int | None, list[int]]
"""A write: its stream, the expected version, and its events' ids, by number."""

WRITES = st.lists(
    st.tuples(st.integers(0, 2), st.none() | st.integers(0, 4), st.lists(st.integers(0, 14), max_size=3, unique=True)),
    max_size=3,
    unique_by=lambda write: write[0],
)
GROUPS = st.lists(st.lists(WRITES, min_size=1, max_size=4), min_size=1, max_size=4)
EXAMPLES = count()


class Model:
    """The same promises, in memory."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.streams: dict[int, list[int]] = {}
        self.places: dict[int, tuple[int, int, int]] = {}  # of each id: position, stream, version

    def append(self, batch: list[Ask]) -> object:
        """What the batch is to be answered, in a form to be compared."""
        asked = [(stream, one) for stream, _, ids in batch for one in ids]
        present = [one for _, one in asked if one in self.places]
        if present:
            if any(self.places[one][1] != stream for stream, one in asked if one in self.places):
                return "taken", present
            if len(present) < len(asked):
                return "partly", present
            versions = {
                stream: max((self.places[one][2] for one in ids), default=len(self.streams.get(stream, ())))
                for stream, _, ids in batch
            }
            return "appended", max(self.places[one][0] for one in present), versions, True
        for stream, expected, _ in batch:
            found = len(self.streams.get(stream, ()))
            if expected is not None and expected != found:
                return "conflict", stream, expected, found
        for stream, one in asked:
            self.position += 1
            self.streams.setdefault(stream, []).append(one)
            self.places[one] = self.position, stream, len(self.streams[stream])
        versions = {stream: len(self.streams.get(stream, ())) for stream, _, _ in batch}
        return "appended", self.position, versions, False


def distinct(batch: list[Ask], taken: set[int]) -> list[Ask] | None:
    """The batch without ids that stand in it or in its group already; None where nothing is left of it."""
    kept: list[Ask] = []
    for stream, expected, ids in batch:
        kept.append((stream, expected, [one for one in ids if one not in taken]))
        taken.update(ids)
    return kept or None


class Example(msgspec.Struct):
    """Names and ids of one example: the database is the same for all."""

    number: int

    def stream(self, number: int) -> str:
        return f"case-{self.number}-{number}"

    def event_id(self, number: int) -> UUID:
        return uuid5(NAMESPACE, f"{self.number}/{number}")

    def batch(self, asks: list[Ask]) -> Batch:
        return Batch(
            [StreamWrite(self.stream(to), [self.new(one) for one in ids], expected) for to, expected, ids in asks]
        )

    def new(self, number: int) -> NewEvent:
        moment = datetime(2026, 3, 1, tzinfo=UTC)
        return NewEvent(
            event=Counted(number=number), event_id=self.event_id(number), occurred_at=moment, actor="system:test"
        )

    def told(self, answer: Appended | HistoryError) -> object:
        """As the model says it."""
        ids = {self.event_id(number): number for number in range(15)}
        match answer:
            case Appended():
                return (
                    "appended",
                    answer.position,
                    {int(stream.rpartition("-")[2]): version for stream, version in answer.versions.items()},
                    answer.repeated,
                )
            case Conflict():
                return "conflict", int(answer.stream.rpartition("-")[2]), answer.expected, answer.found
            case PartlyRecorded():
                return "partly", [ids[one] for one in answer.present]
            case IdTaken():
                return "taken", [ids[one] for one in answer.present]
            case _:
                return answer


async def compare(history: History, conn: Connection, groups: list[list[list[Ask]]]) -> None:
    """Gives the groups to both."""
    example = Example(next(EXAMPLES))
    model = Model((await history.head()).position)
    for group in groups:
        taken: set[int] = set()
        asked = [kept for kept in (distinct(batch, taken) for batch in group) if kept]
        answers = await write(conn, [example.batch(batch) for batch in asked], {})
        assert [example.told(answer) for answer in answers] == [model.append(batch) for batch in asked]
    for stream, ids in model.streams.items():
        kept_events = await history.read_stream(example.stream(stream))
        assert [read.event_id for read in kept_events] == [example.event_id(one) for one in ids]
        assert [read.position for read in kept_events] == [model.places[one][0] for one in ids]


def test_any_groups_of_batches_are_answered_and_kept_as_the_model_says(postgres_url: str, master_key: bytes) -> None:
    with asyncio.Runner() as runner:
        history = runner.run(History.open(postgres_url, master_key=master_key, clock=utc_now))
        conn = runner.run(psycopg.AsyncConnection.connect(postgres_url, autocommit=True))

        @settings(max_examples=25)
        @given(GROUPS)
        def each(groups: list[list[list[Ask]]]) -> None:
            runner.run(compare(history, conn, groups))

        each()
        assert runner.run(verify(history, processes=1)).intact
        runner.run(conn.close())
        runner.run(history.close())
