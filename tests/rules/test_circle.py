"""The circle that covers points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.circle import covering
from rules.journey import FURTHEST_KM, distance_km

points = st.tuples(st.floats(-90, 90), st.floats(-180, 180), st.floats(0, 50))


@given(st.lists(points, min_size=1, max_size=6))
def test_every_point_is_covered_with_its_radius_by_a_circle_no_wider_than_the_earth(
    several: list[tuple[float, float, float]],
) -> None:
    lat, lon, radius_km = covering(several)
    assert radius_km <= FURTHEST_KM
    for at_lat, at_lon, own_km in several:
        assert distance_km(lat, lon, at_lat, at_lon) + own_km <= radius_km + 1e-6 or radius_km > 20_015


def test_two_points_across_the_date_line_have_their_middle_there() -> None:
    lat, lon, radius_km = covering([(0, 179, 0), (0, -179, 0)])
    assert abs(lon) == pytest.approx(180, abs=0.1)
    assert (lat, radius_km) == pytest.approx((0, 111), abs=1)


def test_two_points_opposite_to_each_other_have_some_middle() -> None:
    assert covering([(0, 0, 0), (0, 180, 0)]) == pytest.approx((0, 0, 20_015), rel=0.001)
    assert covering([(90, 0, 0), (-90, 0, 0)])[2] == pytest.approx(20_015, rel=0.001)
