"""The outlines of the land, made out of a TopoJSON."""

import json
from pathlib import Path

import pytest

from rules import land_build
from rules.land_build import line_of, main, rings_of, unwrapped

TOPOLOGY = {
    "transform": {"scale": [1, 1], "translate": [-10, -10]},
    "arcs": [[[10, 10], [10, 0], [0, 10]], [[10, 10], [0, 10], [10, 0]]],
    "objects": {"land": {"geometries": [{"arcs": [[[0, -2]]]}]}},
}


def test_a_ring_is_joined_from_its_arcs_in_their_direction() -> None:
    assert rings_of(TOPOLOGY) == [[(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)]]


def test_a_ring_across_the_date_line_does_not_jump() -> None:
    ring = [(179.0, 0.0), (-179.0, 0.0), (-179.0, 1.0), (179.0, 1.0), (179.0, 0.0)]
    assert [lon for lon, _ in unwrapped(ring)] == [179, 181, 181, 179, 179]


@pytest.mark.parametrize(("lat", "pole"), [(-70.0, -90.0), (70.0, 90.0)])
def test_a_ring_round_a_pole_is_closed_along_it(lat: float, pole: float) -> None:
    ring = [(lon, lat) for lon in (-170.0, -60.0, 60.0, 170.0, -170.0)]
    made = unwrapped(ring)
    assert made[0] == made[-1]
    assert [point[1] for point in made].count(pole) == 2


def test_points_that_repeat_are_left_out_and_so_is_a_ring_without_an_area() -> None:
    assert line_of([(0, 0), (0.01, 0), (1, 0), (1, 1), (0, 0)]) == "0,0 10,0 10,10 0,0"
    assert line_of([(0, 0), (0.01, 0), (0, 0)]) == ""


def test_the_file_is_written_with_its_provenance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source, output = tmp_path / "land.json", tmp_path / "land.txt"
    source.write_text(json.dumps(TOPOLOGY))
    monkeypatch.setattr(land_build, "OUTPUT", output)
    main(source)
    assert output.read_text() == land_build.HEADER + "0,0 100,0 100,100 0,100 0,0\n"
