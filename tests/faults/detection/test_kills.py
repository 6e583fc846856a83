"""Workers are killed at random and at named lines, amid payments and words on them: what stands is as undisturbed."""

from collections.abc import Iterator
from random import Random

import pytest

from streams.detection.failpoint import POINTS
from tests.faults.detection.ground import Ground, Worker, until
from tests.faults.detection.run import Run, seed, size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(14_400)]

_OF_A_HAND_OVER = ("before-hand-over", "after-hand-over")
_AT_RANDOM = ""


def deaths(count: int, random: Random) -> Iterator[str]:
    """Every named point in turn and as many deaths at random, in an order of the seed's."""
    named = [point for point in POINTS for _ in range(1 + count // (2 * len(POINTS)))][: max(len(POINTS), count // 2)]
    chosen = [*named, *([_AT_RANDOM] * max(0, count - len(named)))][:count]
    random.shuffle(chosen)
    yield from chosen


def test_whoever_dies_wherever_what_stands_is_what_the_offline_judge_says(ground: Ground) -> None:
    kills = size("kills")
    run = Run(ground, seed(), kills + 2, shares=kills + 1)
    slices = run.slices()
    run.begin(next(slices))
    told = {"at a point": 0, "at random": 0}
    for point in deaths(kills, run.random):
        run.go_on_talking()
        worker = ground.start(point)
        ground.feed(next(slices, []))
        ground.fed()
        if point in _OF_A_HAND_OVER:
            until(lambda: worker.ready or not worker.alive, "the worker is ready")  # noqa: B023 - called here
            worker.ask_to_end()
        elif point == _AT_RANDOM:
            wait = run.random.random() * 4
            if run.random.random() < 0.7:  # else it dies while it starts
                until(lambda: worker.ready or not worker.alive, "the worker is ready")  # noqa: B023 - called here
                wait /= 10
            dies_within(worker, wait)
            worker.kill()
        told["at a point" if dies_within(worker, 30) else "at random"] += point != _AT_RANDOM
        worker.kill()
    for rest in slices:
        ground.feed(rest)
    run.settle()
    print(f"{kills} deaths: {told}, by themselves or not in time")
    run.verdict()


def dies_within(worker: Worker, wait_s: float) -> bool:
    """Waits so long for its death."""
    try:
        until(lambda: not worker.alive, "", wait_s)
    except AssertionError:
        return False
    return True
