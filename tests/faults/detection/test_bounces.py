"""The broker is stopped, or killed, and comes back with what it had."""

import pytest

from tests.faults.detection.ground import Ground, until
from tests.faults.detection.run import Run, seed, size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(14_400)]

_IN_PEACE = 1


def test_however_often_the_broker_goes_and_comes_what_stands_is_what_the_offline_judge_says(ground: Ground) -> None:
    bounces = size("bounces")
    run = Run(ground, seed(), 3 * bounces + 2, shares=bounces + 1)
    slices = run.slices()
    run.begin(next(slices))
    workers = [ground.start(), ground.start()]
    until(lambda: all(worker.ready for worker in workers), "both workers are ready")
    for number in range(bounces):
        run.go_on_talking()
        ground.feed(next(slices, []))
        if run.random.random() < 0.5:
            ground.fed()
        else:
            ground.feed(next(slices, []))  # and some of it is on its way
        if number % 2:
            ground.broker.kill()
        else:
            ground.broker.stop()
        ground.feed(next(slices, []))  # nobody is there to take it
        ground.broker.start()
        ground.fed()
        if number % 4 == _IN_PEACE:  # else the next bounce may find nobody who has joined again
            until(lambda: ground.judged(ground.sent), "everything so far is judged")
    for rest in slices:
        ground.feed(rest)
    run.settle()
    assert all(worker.alive for worker in workers), "a worker gave up"
    print(f"{bounces} bounces, half of them killed")
    run.verdict()
