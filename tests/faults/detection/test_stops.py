"""A worker stands still for longer than its session, another takes over, and then the first goes on."""

import signal

import pytest

from tests.faults.detection.ground import Ground, until
from tests.faults.detection.run import Run, seed, size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(14_400)]

_POINTS = ("before-alerts", "after-alerts", "before-write", "judged", "intended", "heeded")


def test_who_stood_still_too_long_changes_nothing_any_more(ground: Ground) -> None:
    stops = size("stops")
    run = Run(ground, seed(), 2 * stops + 2, shares=2 * stops + 1)
    slices = run.slices()
    run.begin(next(slices))
    refused = 0
    for number in range(stops):
        run.go_on_talking()
        sleeper = ground.start(f"{_POINTS[number % len(_POINTS)]}:{run.random.randint(1, 2)}:stop")
        until(lambda: sleeper.ready or sleeper.halted, "the worker is ready")  # noqa: B023 - called here
        ground.feed(next(slices, []))
        ground.fed()
        until(lambda: sleeper.halted, "it stands still")  # noqa: B023 - called here
        run.go_on_talking()
        before = ground.epochs()
        successor = ground.start()
        until(
            lambda: all(now > then for now, then in zip(ground.epochs(), before, strict=True)),  # noqa: B023 - called here
            "the successor has every partition",
        )
        ground.feed(next(slices, []))
        ground.fed()
        until(lambda: ground.judged(ground.sent), "the successor has judged everything")
        taken = ground.epochs()
        sleeper.process.send_signal(signal.SIGCONT)
        until(
            lambda: all(now > then for now, then in zip(ground.epochs(), taken, strict=True)),  # noqa: B023 - called here
            "the sleeper has noticed, and asked for partitions anew",
        )
        refused += any(each in sleeper.log.read_text() for each in ("claimed under epoch", "is another's"))
        successor.end()
        sleeper.end()
    for rest in slices:
        ground.feed(rest)
    run.settle()
    print(f"{stops} stops, {refused} of them refused by the fence, the others heard from the group first")
    run.verdict()
