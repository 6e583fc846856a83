"""From a payment's arrival in the topic to the message's acceptance by the provider, at 500 payments a second.

The whole installation runs on this machine: embedded servers, every role, and the rehearsal's phone network. Run as
``python -m tests.bench.bench_latency``; prints one JSON object.
"""

import asyncio
import contextlib
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from outreach.cases.events import AlertJoined, ContactAccepted, ContactIntended, ContactRequested
from tests.faults.world import World, impossible_journeys, whole_world

PER_S = 500
SECONDS = 60
IMPOSSIBLE = 60
TICK_S = 0.05


async def send_at_rate(world: World, rows: list[dict[str, Any]]) -> None:
    """Sends a small batch every tick, at the moments when they are due; each payment happens when it is sent."""
    size = int(PER_S * TICK_S)
    began = time.monotonic()
    sending: set[asyncio.Task[int]] = set()
    for number, at in enumerate(range(0, len(rows), size)):
        await asyncio.sleep(max(0.0, began + number * TICK_S - time.monotonic()))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        task = asyncio.create_task(world.feed([row | {"occurred_at": now} for row in rows[at : at + size]]))
        sending.add(task)
        task.add_done_callback(sending.discard)
    await asyncio.gather(*sending)


STAGES = (AlertJoined, ContactRequested, ContactIntended, ContactAccepted)
"""What the history has to say on the way, in this order."""


def percentiles(waits: Sequence[float]) -> dict[str, int]:
    """The usual ones, in whole milliseconds."""
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return {"p50": round(cuts[49]), "p90": round(cuts[89]), "p99": round(cuts[98]), "max": round(max(waits))}


async def stages(world: World) -> dict[str, dict[str, int]]:
    """From a payment's arrival at the broker to each of the steps, as the history recorded them, milliseconds."""
    joined = await world.events(AlertJoined)
    arrived: dict[str, datetime] = {}
    for each in joined:
        arrived.setdefault(each.stream, each.event.arrived_at)
    found = {
        "alert raised": percentiles(
            [
                (each.event.raised_at - each.event.arrived_at).total_seconds() * 1000
                for each in joined
                if each.event.arrived_at
            ]
        )
    }
    for kind in STAGES:
        first: dict[str, datetime] = {}
        for each in await world.events(kind):
            first.setdefault(each.stream, each.recorded_at)
        waits = [(at - arrived[stream]).total_seconds() * 1000 for stream, at in first.items()]
        found[kind.wire_name] = percentiles(waits)
    return found


def cpu_s(world: World) -> dict[str, float]:
    """CPU time that every role and every server has used so far, seconds."""
    used: dict[str, float] = {}
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = child.cpu_times()
            name = next(
                (role for role in world.supervisor.roles if world.supervisor.pid(role) == child.pid), child.name()
            )
            used[name] = used.get(name, 0.0) + times.user + times.system
    return used


def memory_mib(world: World) -> dict[str, float]:
    """Resident memory of every role, and of the servers together, MiB."""
    used: dict[str, float] = {}
    for role in world.supervisor.roles:
        pid = world.supervisor.pid(role)
        if pid is not None:
            used[role] = round(psutil.Process(pid).memory_info().rss / 2**20, 1)
    return used


async def measure() -> dict[str, Any]:
    """Runs the installation and the load; answers the figures."""
    seed = random.SystemRandom().randrange(10**6)
    labelled = impossible_journeys(PER_S * SECONDS, IMPOSSIBLE, seed)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        async with whole_world(Path(folder) / "home") as world:
            started_s = time.monotonic() - began
            before = cpu_s(world)
            await send_at_rate(world, [each.message for each in labelled])

            async def all_accepted() -> bool:
                return len(await world.events(ContactAccepted)) >= IMPOSSIBLE

            await world.until("every message is accepted", all_accepted)
            spent = {
                name: round(used - before.get(name, 0.0), 2)
                for name, used in sorted(cpu_s(world).items(), key=lambda each: -each[1])
            }
            steps = await stages(world)
            memory = memory_mib(world)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seed": seed,
        "payments_per_s": PER_S,
        "messages": IMPOSSIBLE,
        "since_arrival_ms": steps,
        "cpu_s": spent,
        "load": round(os.getloadavg()[0], 1),
        "start_s": round(started_s, 1),
        "memory_mib": memory,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure()), indent=2))
