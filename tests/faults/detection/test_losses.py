"""Redis forgets everything in the middle: the memory is read back from the topic, and nobody is told twice."""

import pytest

from tests.faults.detection.ground import Ground, until
from tests.faults.detection.run import Run, seed, size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(14_400)]


def test_a_redis_that_forgot_is_filled_from_the_topic_to_the_identical_state(ground: Ground) -> None:
    losses = size("losses")
    run = Run(ground, seed(), 2 * losses + 1)
    slices = run.slices()
    workers = [ground.start(), ground.start()]
    until(lambda: all(worker.ready for worker in workers), "both workers are ready")
    for number in range(losses):
        ground.feed(next(slices, []))
        ground.fed()
        until(lambda: ground.judged(ground.sent // 2), "half of it is judged")
        ground.feed(next(slices, []))
        if number % 2:
            ground.redis_server.restart("redis")
        else:
            ground.flush_redis()
        ground.fed()
        until(lambda: ground.judged(ground.sent), "all is judged anew")
    for rest in slices:
        ground.feed(rest)
    run.settle()
    run.verdict()


def test_what_was_said_before_redis_forgot_is_not_said_again(ground: Ground) -> None:
    run = Run(ground, seed(), 2)
    slices = run.slices()
    ground.start()
    ground.feed(next(slices))
    ground.fed()
    until(lambda: ground.judged(ground.sent), "the first half is judged")
    until(lambda: ground.committed() == ground.positions(), "the group has noted how far everything is said")
    said, refused = ground.alerts(), ground.refused()
    before = [ground.fields(number) for number in range(ground.settings.partitions)]
    ground.flush_redis()
    until(lambda: ground.judged(ground.sent), "the first half is read back")
    assert ground.alerts() == said
    assert ground.refused() == refused
    told_apart = {b"epoch", b"serial", b"begun_ms", b"holder"}
    for number, fields in enumerate(before):
        now = ground.fields(number)
        assert {name: now.get(name) for name in fields.keys() - told_apart} == {
            name: value for name, value in fields.items() if name not in told_apart
        }
    for rest in slices:
        ground.feed(rest)
    run.settle()
    run.verdict()
