"""Workers join and leave while the feed goes on."""

import pytest

from tests.faults.detection.ground import Ground, Worker, until
from tests.faults.detection.run import Run, seed, size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(14_400)]


def test_however_often_the_partitions_move_what_stands_is_what_the_offline_judge_says(ground: Ground) -> None:
    rebalances = size("rebalances")
    run = Run(ground, seed(), 2 * rebalances + 2, shares=rebalances + 1)
    slices = run.slices()
    run.begin(next(slices))
    standing_by: list[Worker] = [ground.start()]
    until(lambda: standing_by[0].ready, "the first worker is ready")
    moved = 0
    while moved < rebalances:
        run.go_on_talking()
        ground.feed(next(slices, []))
        before = ground.epochs()
        leaves = len(standing_by) > 1 and (len(standing_by) == 3 or run.random.random() < 0.5)
        if leaves:
            leaver = standing_by.pop(run.random.randrange(len(standing_by)))
            leaver.ask_to_end()
            ground.feed(next(slices, []))  # while it leaves
            leaver.end()
        else:
            standing_by.append(ground.start())
            ground.feed(next(slices, []))  # while it joins
        until(
            lambda: all(now > then for now, then in zip(ground.epochs(), before, strict=True)),  # noqa: B023 - called here
            "every partition is claimed anew",
        )
        moved += 1
    for rest in slices:
        ground.feed(rest)
    run.settle()
    print(f"{moved} times the partitions moved, {sum(ground.epochs())} claims")
    run.verdict()
