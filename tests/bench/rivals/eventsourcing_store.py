"""The `eventsourcing` library's PostgreSQL recorder, driven over standard input: one JSON object a line in, one out.

Runs in an environment of its own. What Ringback keeps in columns (actor, correlation, moment) goes into the state, as
the library's own mapper would put it there; nothing is encrypted, nothing is chained.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import StoredEvent, Tracking
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore, PostgresTrackingRecorder
from psycopg.sql import SQL, Identifier

WRITERS_AT_MOST = 16
STREAM_LENGTH = 20
TOPIC = "tests.bench:Seen"


def state(fields: dict[str, Any]) -> bytes:
    """As its JSON transcoder writes it."""
    return json.dumps(fields, separators=(",", ":")).encode()


class Rival:
    """The recorder on one database."""

    def __init__(self, host: str, database: str) -> None:
        self._datastore = PostgresDatastore(
            database, host, "5432", "ringback", "", pool_size=WRITERS_AT_MOST, enable_db_functions=False
        )
        self._recorder = PostgresApplicationRecorder(self._datastore)
        self._recorder.create_table()
        self._view = View(self._datastore)
        self._view.create_table()

    def append(self, fields: dict[str, Any], writers: int, batch: int, seconds: float) -> dict[str, Any]:
        """So many threads append batches for so long; every wait is told."""
        waits: list[float] = []
        end = time.perf_counter() + seconds

        def write() -> None:
            stream, version = uuid4(), 0
            while time.perf_counter() < end:
                if version >= STREAM_LENGTH and batch == 1:
                    stream, version = uuid4(), 0
                began = time.perf_counter()
                self._insert(stream, version, batch, fields)
                waits.append(time.perf_counter() - began)
                version += batch

        began = time.perf_counter()
        threads = [threading.Thread(target=write) for _ in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"waits": waits, "seconds": time.perf_counter() - began}

    def _insert(self, stream: UUID, version: int, batch: int, fields: dict[str, Any]) -> None:
        self._recorder.insert_events(
            [StoredEvent(stream, version + n, TOPIC, state(fields)) for n in range(1, batch + 1)]
        )

    def fill(self, fields: dict[str, Any], events: int) -> dict[str, Any]:
        """Up to so many events, in streams of the usual length: the rows that its appends would leave."""
        there = self._recorder.max_notification_id() or 0
        insert = SQL(
            "INSERT INTO {} (originator_id, originator_version, topic, state)"
            " SELECT s.id, v, %s, %s FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, %s)) s,"
            " generate_series(1, %s) v"
        ).format(Identifier(self._recorder.events_table_name))
        while there < events:
            streams = min(100_000, events - there) // STREAM_LENGTH + 1
            with self._datastore.transaction(commit=True) as curs:
                curs.execute(insert, (TOPIC, state(fields), streams, STREAM_LENGTH))
            there += streams * STREAM_LENGTH
        return {"events": there}

    def read(self, events: int) -> dict[str, Any]:
        """Reads and decodes from the first event on."""
        began, count, start = time.perf_counter(), 0, 1
        while count < events:
            found = self._recorder.select_notifications(start, 2_000)
            if not found:
                break
            for each in found:
                json.loads(each.state)
            count += len(found)
            start = found[-1].id + 1
        return {"events": count, "seconds": time.perf_counter() - began}

    def replay(self, events: int) -> dict[str, Any]:
        """Into a read model, one transaction an event with its tracking, as its projections do."""
        began, count, start = time.perf_counter(), 0, 1
        while count < events:
            for each in self._recorder.select_notifications(start, min(500, events - count)):
                json.loads(each.state)
                self._view.apply(each.originator_id, Tracking("bench", each.id))
                count += 1
                start = each.id + 1
        return {"events": count, "seconds": time.perf_counter() - began}


class View(PostgresTrackingRecorder):  # type: ignore[misc] # its environment is not ours
    """Events of each stream, counted."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore)
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS public.seen (stream uuid PRIMARY KEY, events bigint NOT NULL)")
        )

    def apply(self, stream: UUID | str, tracking: Tracking) -> None:
        """One event."""
        with self.datastore.get_connection() as conn, conn.transaction(), conn.cursor() as curs:
            self._insert_tracking(curs, tracking)
            curs.execute(
                "INSERT INTO public.seen AS s VALUES (%s, 1) ON CONFLICT (stream) DO UPDATE SET events = s.events + 1",
                (stream,),
            )


def main() -> None:
    """Answers until the input ends."""
    rival = Rival(*sys.argv[1:3])
    ways: dict[str, Callable[..., dict[str, Any]]] = {
        "append": rival.append,
        "fill": rival.fill,
        "read": rival.read,
        "replay": rival.replay,
    }
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(ways[asked.pop("do")](**asked)), flush=True)


if __name__ == "__main__":
    main()
