"""How far a partition is behind, and since when nothing moves."""

from streams.detection.lag import STUCK_S, Lag, Lagging


def look(lagging: Lagging, second: float, position: int, end: int, applied_s: float = 0) -> Lag:
    return lagging.look(
        position=position, end=end, applied_ms=int(applied_s * 1000), now_ms=int(second * 1000), now_s=second
    )


def test_who_has_judged_everything_is_not_behind_however_long_ago_that_was() -> None:
    lagging = Lagging(0)
    assert look(lagging, 9_000, 10, 10, applied_s=1) == Lag(0, 0, 0)


def test_who_catches_up_is_behind_by_the_age_of_what_was_judged_last() -> None:
    lagging = Lagging(10_000)
    assert look(lagging, 10_002, 500, 90_000, applied_s=6_402) == Lag(89_500, 3_600, 0)


def test_a_record_after_a_long_rest_is_as_old_as_the_last_look_that_found_none() -> None:
    lagging = Lagging(0)
    look(lagging, 9_000, 10, 10, applied_s=1)
    assert look(lagging, 9_002, 10, 11, applied_s=1).behind_s == 2


def test_a_partition_whose_records_wait_and_are_not_judged_is_stuck_within_half_a_minute() -> None:
    lagging = Lagging(0)
    seen = [look(lagging, second, 10, 11) for second in range(0, 30, 2)]
    assert not seen[0].stuck
    assert seen[-1].stuck
    assert next(each for each in seen if each.stuck).still_s == STUCK_S


def test_a_partition_that_moves_is_not_stuck_however_far_it_is_behind() -> None:
    lagging = Lagging(0)
    assert not any(look(lagging, second, second, 10_000).stuck for second in range(0, 100, 2))


def test_what_moves_again_is_not_stuck() -> None:
    lagging = Lagging(0)
    look(lagging, 0, 10, 11)
    assert look(lagging, 60, 10, 11).stuck
    assert not look(lagging, 62, 11, 12).stuck
