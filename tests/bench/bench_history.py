"""The history beside the `eventsourcing` library's PostgreSQL recorder, on one server, with fsync, the same events.

Appends of one writer and of 16, in batches, reading, replaying into a read model, verifying; with 10,000 events and
with a million. Each way takes turns between both sizes and both stores many times, and what they waited is put
together, so that a busy moment of the machine meets all alike. Run as ``python -m tests.bench.bench_history``; prints
one JSON object. ``--events N`` and ``--seconds S`` (of each way, size and store, in all) make it smaller.
"""

import argparse
import asyncio
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import psycopg
import uvloop

from infra.clock import utc_now
from infra.history.event import Event, Recorded
from infra.history.projection import catch_up
from infra.history.store import Connection, History, StreamWrite
from infra.history.subscription import Subscription
from infra.history.verify import verify
from infra.servers import EmbeddedServers
from tests.bench.history_appends import SEEN, SEEN_OF, Taken, append, fill, new
from tests.bench.rivals.store import STORE_PINS, Rival, summed

SMALL: Final = 10_000
ROUNDS: Final = 3
TURNS: Final = 6
READ: Final = 100_000
READ_BY_RIVAL: Final = 20_000
_WORKER: Final = "from tests.bench.bench_history import worker; worker()"


class Stopwatch:
    """Seconds on the wall, and of this process's processor."""

    def __init__(self) -> None:
        self._began, self._own = time.perf_counter(), time.process_time()

    def read(self, events: int) -> dict[str, float]:
        """Events a second, and what each cost."""
        return {
            "events_per_s": round(events / (time.perf_counter() - self._began)),
            "cpu_us": round((time.process_time() - self._own) / events * 1e6, 1),
        }


def median(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure by itself."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


async def read(history: History, events: int) -> dict[str, float]:
    """Reads and decodes from the first event on."""
    watch, count = Stopwatch(), 0
    while count < events:
        batch = await history.read(after=count, limit=2_000)
        if not batch:
            break
        count += len(batch)
    return watch.read(count)


class Counts:
    """A read model: events of each stream."""

    name = "bench_counts"
    version = 1
    ddl = "CREATE TABLE views.bench_counts (stream text PRIMARY KEY, events bigint NOT NULL)"
    tables = ("bench_counts",)

    async def apply(self, conn: Connection, recorded: Recorded[Event], /) -> None:
        """One event."""
        await conn.execute(
            "INSERT INTO views.bench_counts AS c VALUES (%s, 1)"
            " ON CONFLICT (stream) DO UPDATE SET events = c.events + 1",
            (recorded.stream,),
        )


async def checked(history: History) -> dict[str, float]:
    """The whole chain."""
    watch = Stopwatch()
    result = await verify(history)
    assert result.intact, result.problems[:3]
    return watch.read(result.events)


async def delay(url: str, redis_url: str, key: bytes, seconds: float) -> dict[str, float]:
    """From an append's return to a handler in another history, woken through Redis: 100 a second."""
    waits: list[float] = []
    sent: dict[str, float] = {}
    async with (
        await History.open(url, master_key=key, clock=utc_now, redis_url=redis_url) as writing,
        await History.open(url, master_key=key, clock=utc_now, redis_url=redis_url) as reading,
    ):
        head = (await writing.head()).position

        async def follow() -> None:
            subscription = Subscription(reading, f"bench-{uuid4()}")
            async with subscription.lead():
                async with reading.transaction() as conn:
                    await subscription.advance(conn, head)
                async for batch in subscription.batches():
                    now = time.perf_counter()
                    waits.extend(now - sent[str(each.event_id)] for each in batch if str(each.event_id) in sent)

        following = asyncio.create_task(follow())
        await asyncio.sleep(1)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            one = new("delay")
            sent[str(one.event_id)] = time.perf_counter()
            await writing.append(StreamWrite(f"case-{one.event_id}", [one]))
            sent[str(one.event_id)] = time.perf_counter()
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return summed(waits, seconds, 1)


FIELDS: Final[dict[str, Any]] = {
    **{name: getattr(SEEN, name) for name in SEEN.__struct_fields__},
    "timestamp": "2026-03-01T09:30:00.123456+00:00",
    "actor": "system:casework",
    "subject": "customer-0123456789",
    "correlation_id": "case-0123456789abcdef0123456789abcdef",
    "causation_id": SEEN.alert_id,
}


class Pair(NamedTuple):
    """Both stores, with as many events each."""

    history: History
    rival: Rival


WAYS: Final = {
    "1 writer": (1, 1, SEEN),
    "16 writers": (16, 1, SEEN),
    "16 writers, personal data encrypted": (16, 1, SEEN_OF),
    "batches of 100": (1, 100, SEEN),
}
Appends = dict[str, dict[str, dict[str, Taken]]]
Rates = dict[str, dict[str, dict[str, list[dict[str, float]]]]]
"""By what was done, by the size of the history, by store."""


async def measure(pairs: dict[str, Pair], seconds: float, appends: Appends, rates: Rates) -> None:
    """One round: everything, on each size and store in turn."""
    for way, (writers, batch, event) in WAYS.items():
        for _ in range(TURNS):
            for size, (history, rival) in pairs.items():
                told = appends.setdefault(way, {}).setdefault(size, {})
                taken = told.setdefault("ringback", Taken(batch))
                await append(history, writers, batch, seconds / TURNS, event=event, taken=taken)
                if event is SEEN:
                    rival.append(
                        FIELDS, writers, batch, seconds / TURNS, told.setdefault("eventsourcing", Taken(batch))
                    )
    for size, (history, rival) in pairs.items():
        rated = rates.setdefault("read and decode", {}).setdefault(size, {})
        rated.setdefault("ringback", []).append(await read(history, READ))
        rated.setdefault("eventsourcing", []).append(rival.rate("read", READ_BY_RIVAL))
        rated = rates.setdefault("verify", {}).setdefault(size, {})
        rated.setdefault("ringback", []).append(await checked(history))


async def replayed(pair: Pair) -> dict[str, Any]:
    """Into a read model that counts; ours everything that there is, theirs as many as are quick enough."""
    events = (await pair.history.head()).position
    began = time.perf_counter()
    await catch_up(pair.history, [Counts()])
    ours = round(events / (time.perf_counter() - began))
    return {"ringback": {"events_per_s": ours}, "eventsourcing": pair.rival.rate("replay", 1_000)}


def processes(url: str, key: bytes, count: int, seconds: float) -> dict[str, float]:
    """So many processes of 16 tasks each, all together."""
    started = [
        subprocess.Popen(  # noqa: S603 -- our own program
            [sys.executable, "-c", _WORKER, url, key.hex(), str(seconds)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    told = [json.loads(process.communicate()[0]) for process in started]
    return {"events_per_s": sum(each["events_per_s"] for each in told), "p99_ms": max(each["p99_ms"] for each in told)}


def worker() -> None:
    """One of these processes."""

    async def run(url: str, key: str, seconds: str) -> None:
        async with await History.open(url, master_key=bytes.fromhex(key), clock=utc_now) as history:
            await append(history, 16, 1, 1.0)
            print(json.dumps(await append(history, 16, 1, float(seconds))))

    uvloop.run(run(*sys.argv[1:4]))


@asynccontextmanager
async def pair(url: str, key: bytes, name: str, events: int) -> AsyncIterator[Pair]:
    """Both stores in databases of that name, filled up to so many events, and given the time to tidy up."""
    databases = (f"{name}_ours", f"{name}_theirs")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as owner:
        for database in databases:
            await owner.execute(f"CREATE DATABASE {database}".encode())
        ours = url.replace("/ringback?", f"/{databases[0]}?")
        rival = Rival(url.split("host=", 1)[1], databases[1])
        try:
            async with await History.open(ours, master_key=key, clock=utc_now) as history:
                await fill(history, events)
                rival.ask("fill", fields=FIELDS, events=events)
                for database in databases:
                    await quiet(url.replace("/ringback?", f"/{database}?"))
                yield Pair(history, rival)
        finally:
            rival.close()
            for database in databases:
                await owner.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())


async def run(events: int, seconds: float) -> dict[str, Any]:
    """Everything."""
    key, appends, rates, told = secrets.token_bytes(32), Appends(), Rates(), dict[str, Any](machine=machine())
    with (
        tempfile.TemporaryDirectory(prefix="ringback-bench-", dir="/tmp") as folder,
        EmbeddedServers(Path(folder) / "home", which=frozenset({"postgres", "redis"})) as servers,
    ):
        url, redis_url = servers.addresses.postgres_url, servers.addresses.redis_url
        async with pair(url, key, "large", events) as large:
            for number in range(ROUNDS):
                async with pair(url, key, f"small_{number}", SMALL) as small:
                    await measure({f"{SMALL:,}": small, f"{events:,}": large}, seconds / ROUNDS, appends, rates)
                    if number == 0:
                        of_small = url.replace("/ringback?", "/small_0_ours?")
                        told["replay into a read model"] = await replayed(small)
                        told["processes of 16 tasks"] = {
                            n: processes(of_small, key, n, seconds / ROUNDS) for n in (1, 2, 4)
                        }
                        told["commit to handler"] = await delay(of_small, redis_url, key, seconds)
    for way, sizes in appends.items():
        told[way] = {size: {store: each.figures() for store, each in stores.items()} for size, stores in sizes.items()}
        told[way]["ratio"] = ratios(*(told[way][size] for size in sizes))
    for what, of in rates.items():
        told[what] = {size: {store: median(each) for store, each in stores.items()} for size, stores in of.items()}
        told[what]["ratio"] = ratios(*(told[what][size] for size in of))
    told["load at the end"] = os.getloadavg()[0]
    return told


async def quiet(url: str) -> None:
    """As a server is that has had the time to tidy up: statistics and visibility maps are there."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute("VACUUM ANALYZE")
        await conn.execute("CHECKPOINT")


def ratios(small: dict[str, dict[str, float]], large: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The greater history's figures over the smaller one's."""
    return {
        store: {name: round(value / small[store][name], 2) for name, value in figures.items() if small[store][name]}
        for store, figures in large.items()
    }


def machine() -> dict[str, Any]:
    """On what."""
    return {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "eventsourcing": STORE_PINS["eventsourcing"],
    }


def main() -> None:
    """Prints the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--seconds", type=float, default=6.0)
    given = arguments.parse_args()
    print(json.dumps(uvloop.run(run(given.events, given.seconds)), indent=1))


if __name__ == "__main__":
    main()
