"""One seeded run: what is fed, what is done to the workers meanwhile, and what is held to be true afterwards."""

import json
import os
from collections.abc import Iterator
from random import Random, SystemRandom
from typing import Final

from rules.ruleset import LIVE
from tests.faults.detection.feed import Arrival, arrivals, transactions
from tests.faults.detection.ground import Ground, until
from tests.faults.detection.verdicts import memory, offline, standing, standing_once_heard

FULL: Final = {"transactions": 100_000, "kills": 200, "rebalances": 50, "bounces": 20, "stops": 10, "losses": 5}
USUAL: Final = {"transactions": 6_000, "kills": 14, "rebalances": 6, "bounces": 4, "stops": 4, "losses": 2}


def size(of: str) -> int:
    """How many of something: `RINGBACK_FAULT_KILLS` and the like, else as `RINGBACK_FAULT_SIZE` says: full or usual."""
    sizes = FULL if os.environ.get("RINGBACK_FAULT_SIZE") == "full" else USUAL
    return int(os.environ.get(f"RINGBACK_FAULT_{of.upper()}") or sizes[of])


def seed() -> int:
    """Printed, and given again by `RINGBACK_FAULT_SEED`."""
    chosen = int(os.environ.get("RINGBACK_FAULT_SEED") or SystemRandom().randrange(1, 10**6))
    print(f"RINGBACK_FAULT_SEED={chosen}", flush=True)
    return chosen


class Run:
    """The input of one run, dealt out in slices, and the verdict on its outcome.

    Args:
        ground: on which it takes place; topics are empty.
        seed: of the input and of every fault.
        slices: into how many pieces the input is divided: one a fault.
    """

    def __init__(self, ground: Ground, seed: int, slices: int) -> None:
        self.ground = ground
        self.random = Random(seed)
        self.rows = transactions(size("transactions"), self.random)
        self._arrivals = arrivals(self.rows, self.random)
        self._slices = slices

    def slices(self) -> Iterator[list[Arrival]]:
        """The arrivals, in so many pieces."""
        length = -(-len(self._arrivals) // self._slices)
        for begin in range(0, len(self._arrivals), length):
            yield self._arrivals[begin : begin + length]

    def settle(self) -> None:
        """Sees to it that a worker is there, and waits until everything is judged and stored."""
        self.ground.fed()
        total = len(self.ground.transactions())
        assert total >= len(self._arrivals)

        def done() -> bool:
            if not any(worker.alive and not worker.halted for worker in self.ground.workers):
                self.ground.start()
            return self.ground.judged(total)

        until(done, f"all {total} are judged; so far {self.ground.positions()}")

    def verdict(self) -> None:
        """Holds the outcome to the offline judge's, each partition's memory to that of its records, the refused too."""
        ground = self.ground
        words = [json.loads(record.value) for record in ground.alerts()]
        expected = offline(row.value for row in self.random.sample(self.rows, len(self.rows)))
        assert expected == offline(arrival.value for arrival in self._arrivals if not arrival.broken)
        assert standing_once_heard(words) == expected
        assert standing(words) == expected

        records, identity = ground.transactions(), ground.identity()
        refused = [json.loads(record.value) for record in ground.refused()]
        offsets = {(each["origin"]["partition"], each["origin"]["offset"]) for each in refused}
        assert len(offsets) >= sum(arrival.broken for arrival in self._arrivals)
        assert len(offsets) < len(self._arrivals) // 50
        for number in range(ground.settings.partitions):
            left = memory([record for record in records if record.partition == number], identity, LIVE.version)
            stored = ground.fields(number)
            assert {name: stored.get(name) for name in left.fields} == left.fields
            assert {name for name in stored if name.startswith(b"c")} <= left.fields.keys()
            said = {
                each["origin"]["offset"]: each["reason"] for each in refused if each["origin"]["partition"] == number
            }
            assert said == left.refused
        print(f"{len(records)} records, {len(words)} words on {len(expected)} standing alerts, {len(refused)} refused")
