"""One seeded run: what is fed, what is done to the workers meanwhile, and what is held to be true afterwards."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random, SystemRandom
from typing import Final

from rules.ruleset import LIVE
from tests.faults.detection.feed import Arrival, arrivals, transactions
from tests.faults.detection.ground import Ground, until
from tests.faults.detection.verdicts import Standing, decided, memory, offline, standing, standing_once_heard
from tests.faults.detection.words import Saying, Talk, offline_words, sayings

FULL: Final = {
    "transactions": 100_000,
    "kills": 200,
    "rebalances": 50,
    "bounces": 20,
    "stops": 10,
    "losses": 5,
    "words": 8_000,
}
USUAL: Final = {
    "transactions": 6_000,
    "words": 500,
    "kills": 14,
    "rebalances": 6,
    "bounces": 4,
    "stops": 6,
    "losses": 2,
}


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
        shares: into how many pieces is divided what is said of payments; 0: nothing is said.
    """

    def __init__(self, ground: Ground, seed: int, slices: int, *, shares: int = 0) -> None:
        self.ground = ground
        self.random = Random(seed)
        self.rows = transactions(size("transactions"), self.random)
        self._arrivals = arrivals(self.rows, self.random)
        self._slices = slices
        self._unsaid: Standing = {}
        self._said: list[Saying] = []
        if shares:
            self._unsaid = offline(row.value for row in self.rows)
            self._said = sayings(size("words"), self.rows, self._unsaid, self.random)
        self._talk = Talk(self._said, max(1, shares), ground.say, Random(seed))

    def slices(self) -> Iterator[list[Arrival]]:
        """The arrivals, in so many pieces."""
        length = -(-len(self._arrivals) // self._slices)
        for begin in range(0, len(self._arrivals), length):
            yield self._arrivals[begin : begin + length]

    def begin(self, rows: list[Arrival]) -> None:
        """Has a worker judge these, before anything is said and anybody dies.

        Only from a partition's first stored position on is it known which words were heeded where (decision 12).
        """
        worker = self.ground.start()
        self.ground.feed(rows)
        self.ground.fed()
        until(lambda: self.ground.judged(self.ground.sent), "the first records are judged")
        worker.end()

    def go_on_talking(self) -> None:
        """The next share of what is said of payments is said from now on, at random moments."""
        self._talk.go_on()

    def settle(self) -> None:
        """Sees to it that a worker is there, and waits until everything is judged, heeded and stored."""
        self._talk.end()
        self.ground.fed()
        total = len(self.ground.transactions())
        assert total >= len(self._arrivals)
        words = Counter(message.partition for message in self.ground.words())
        ends = [words[number] for number in range(self.ground.settings.partitions)]
        assert sum(ends) >= len(self._said)

        def done() -> bool:
            if not any(worker.alive and not worker.halted for worker in self.ground.workers):
                self.ground.start()
            return self.ground.judged(total) and self.ground.heeded() == ends

        until(done, f"all {total} are judged, and the words up to {ends} heeded; so far {self.ground.positions()}")

    def verdict(self) -> None:
        """Holds the outcome to the offline judge's, each partition's memory to that of its records, the refused too."""
        ground = self.ground
        alerts = [json.loads(record.value) for record in ground.alerts()]
        expected = self._expected()
        assert not self._said or expected != self._unsaid
        assert standing_once_heard(alerts) == expected
        assert standing(alerts) == expected

        records, messages, identities = ground.transactions(), ground.words(), ground.identities()
        refused = [json.loads(record.value) for record in ground.refused()]
        offsets = {(each["origin"]["partition"], each["origin"]["offset"]) for each in refused}
        assert len(offsets) >= sum(arrival.broken for arrival in self._arrivals)
        assert len(offsets) < len(self._arrivals) // 50
        for number in range(ground.settings.partitions):
            own, said = ([each for each in them if each.partition == number] for them in (records, messages))
            left = memory(own, said, identities, LIVE.version)
            stored = ground.fields(number)
            assert {name: stored.get(name) for name in left.fields} == left.fields
            assert {name: decided(stored.get(name, b"")) for name in left.told} == left.told
            assert {name for name in stored if name.startswith(b"c")} <= left.fields.keys() | left.told.keys()
            reasons = {
                each["origin"]["offset"]: each["reason"] for each in refused if each["origin"]["partition"] == number
            }
            assert reasons == left.refused
        print(
            f"{len(records)} records and {len(messages)} on what was said, {len(alerts)} tellings of "
            f"{len(expected)} standing alerts, {len(refused)} refused"
        )

    def _expected(self) -> Standing:
        """What stands offline: in any order of the payments, and wherever among them something is said."""
        rows = self.random.sample(self.rows, len(self.rows))
        expected = offline((row.value for row in rows), offline_words(self._said, _ids(rows), None))
        came = [arrival for arrival in self._arrivals if not arrival.broken]
        words = offline_words(self._said, _ids(came), self.random)
        assert expected == offline((arrival.value for arrival in came), words)
        return expected


def _ids(rows: Sequence[Arrival]) -> list[str]:
    """Of the payments, in the order in which each comes first."""
    return list(dict.fromkeys(json.loads(row.value)["transaction_id"] for row in rows))
