"""The lower bound of a journey, held against thirty real ones."""

import pytest

from rules.journey import distance_km, fastest_journey
from rules.ruleset import LIVE
from rules.timetables import JOURNEYS, Real


@pytest.mark.parametrize("real", JOURNEYS, ids=lambda each: f"{each.start}-{each.end}-{each.means}")
def test_the_bound_is_below_every_real_journey_and_not_absurdly_so(real: Real) -> None:
    bound_min = fastest_journey(distance_km(*real.start_at, *real.end_at), LIVE.means).fastest_s / 60
    assert bound_min < real.fastest_min
    assert bound_min > real.fastest_min * 0.2


def test_thirty_pairs_near_and_far_are_compared() -> None:
    far = [distance_km(*real.start_at, *real.end_at) for real in JOURNEYS]
    assert len(JOURNEYS) == 30
    assert min(far) > LIVE.floor_km
    assert sum(km < 150 for km in far) >= 5
    assert sum(km > 8000 for km in far) >= 5
    assert {real.means for real in JOURNEYS} == {"train", "flight", "car", "ferry"}
