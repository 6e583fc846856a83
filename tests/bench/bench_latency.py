"""From a payment's arrival in the topic to the message's acceptance by the provider, at 500 payments a second.

The whole installation runs on this machine: embedded servers, every role, and the rehearsal's phone network. Run as
``python -m tests.bench.bench_latency``; prints one JSON object.
"""

import asyncio
import json
import os
import platform
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from outreach.cases.events import AlertJoined, ContactAccepted
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
            await send_at_rate(world, [each.message for each in labelled])

            async def all_accepted() -> bool:
                return len(await world.events(ContactAccepted)) >= IMPOSSIBLE

            await world.until("every message is accepted", all_accepted)
            arrived = {each.stream: each.event.arrived_at for each in await world.events(AlertJoined)}
            waits = sorted(
                (each.recorded_at - arrived[each.stream]).total_seconds() * 1000
                for each in await world.events(ContactAccepted)
            )
            memory = memory_mib(world)
    percentiles = statistics.quantiles(waits, n=100, method="inclusive")
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seed": seed,
        "payments_per_s": PER_S,
        "messages": len(waits),
        "payment_to_acceptance_ms": {
            "p50": round(percentiles[49]),
            "p90": round(percentiles[89]),
            "p99": round(percentiles[98]),
            "max": round(waits[-1]),
        },
        "start_s": round(started_s, 1),
        "memory_mib": memory,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure()), indent=2))
