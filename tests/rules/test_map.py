import itertools
import math
import re

from hypothesis import example, given
from hypothesis import strategies as st

from rules.land import clipped, land_within, rings
from rules.map import HEIGHT, WIDTH, Place, draw, great_circle

lats = st.floats(min_value=-80, max_value=80)
lons = st.floats(min_value=-180, max_value=180)
PHNOM_PENH, PARIS = Place(lat=11.56, lon=104.92, name="Phnom Penh"), Place(lat=48.86, lon=2.34, name="Paris")


def test_the_land_is_there_and_every_ring_is_closed_without_a_jump() -> None:
    assert len(rings()) > 100
    for ring in rings():
        assert ring[0] == ring[-1]
        inland = [(a, b) for a, b in itertools.pairwise(ring) if min(a[1], b[1]) > -90]
        assert all(abs(a[0] - b[0]) < 180 for a, b in inland)


def test_paris_and_phnom_penh_are_where_they_are_on_the_map() -> None:
    drawn = draw(PHNOM_PENH, PARIS)
    assert drawn.start is not None
    assert drawn.end.x < drawn.start.x
    assert drawn.end.y < drawn.start.y


def test_a_place_alone_is_shown_with_its_surroundings() -> None:
    drawn = draw(None, PARIS)
    assert (drawn.start, drawn.arc) == (None, "")
    assert drawn.land


def test_a_way_over_the_pacific_does_not_go_round_the_world() -> None:
    way = great_circle((174.7, -36.8), (-70.6, -33.4))
    assert way[-1][0] == 360 - 70.6
    assert all(abs(a[0] - b[0]) < 30 for a, b in itertools.pairwise(way))


def test_the_labels_of_two_places_close_together_do_not_lie_on_each_other() -> None:
    drawn = draw(Place(lat=51.5, lon=-0.1, name="London"), Place(lat=51.45, lon=-0.97, name="Reading"))
    assert drawn.start is not None
    assert abs(drawn.start.label_y - drawn.end.label_y) > 30


@given(lats, lons, lats, lons)
@example(68.0, 0.0, -65.0, 0.0)
def test_every_journey_is_drawn_inside_its_frame(lat: float, lon: float, to_lat: float, to_lon: float) -> None:
    drawn = draw(Place(lat=lat, lon=lon, name="a"), Place(lat=to_lat, lon=to_lon, name="b"))
    assert drawn.start is not None
    for mark in (drawn.start, drawn.end):
        assert -0.1 <= mark.x <= WIDTH + 0.1
        assert -0.1 <= mark.y <= HEIGHT + 0.1
        assert 0 < mark.label_x < WIDTH
        assert 0 < mark.label_y < HEIGHT
    numbers = [float(number) for number in re.findall(r"-?\d+\.\d", drawn.land)]
    assert all(math.isfinite(number) for number in numbers)


@given(lats, lons, lats, lons)
def test_the_way_begins_and_ends_at_its_places(lat: float, lon: float, to_lat: float, to_lon: float) -> None:
    way = great_circle((lon, lat), (to_lon, to_lat))
    assert math.isclose(way[0][1], lat, abs_tol=1e-6)
    assert math.isclose(way[-1][1], to_lat, abs_tol=1e-6)
    assert math.isclose((way[-1][0] - to_lon + 180) % 360, 180, abs_tol=1e-6)


@given(st.lists(st.tuples(lons, lats), min_size=3, max_size=12))
def test_what_is_clipped_is_inside_the_window(ring: list[tuple[float, float]]) -> None:
    for lon, lat in clipped(tuple(ring), -50, -20, 60, 30):
        assert -50.001 <= lon <= 60.001
        assert -20.001 <= lat <= 30.001


def test_a_window_across_the_antimeridian_shows_both_sides() -> None:
    lons_shown = [lon for ring in land_within(120, -50, 250, 60) for lon, _ in ring]
    assert min(lons_shown) < 150
    assert max(lons_shown) > 230
