"""``docs/detection.md`` says of the rules what they are."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rules import pictures
from rules.documented import PICTURES, filled, trust_table, write
from rules.ruleset import LIVE
from rules.timetables import JOURNEYS
from rules.trust import TABLE

DOCS = Path(__file__).parent.parent.parent / "docs"
MAKE_ANEW = "bring it up to date: rules.documented.write(Path('docs'))"


def test_the_tables_of_the_page_are_those_of_the_rules() -> None:
    page = (DOCS / "detection.md").read_text(encoding="utf-8")
    assert filled(page) == page, MAKE_ANEW
    assert page.count(": generated -->") == 4


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_those_of_the_rules(name: str) -> None:
    assert (DOCS / "images" / name).read_text(encoding="utf-8") == PICTURES[name](), MAKE_ANEW


def test_every_picture_can_be_drawn() -> None:
    for picture in (DOCS / "images").glob("*.svg"):
        assert ET.parse(picture).getroot().tag.endswith("svg")  # noqa: S314 - our own files


def test_every_line_of_the_trust_table_has_a_reason_and_a_source() -> None:
    for line in TABLE:
        assert line.trust.reason.endswith(".")
        assert line.trust.source
        assert line.trust.reason in trust_table()
    assert all(means.reason for means in LIVE.means)


def test_every_real_journey_is_in_the_chart() -> None:
    drawn = pictures.journeys()
    assert all(f"{real.start} to {real.end}, {real.means}" in drawn for real in JOURNEYS)


def test_the_page_is_brought_up_to_date_with_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "detection.md").write_text("a\n<!-- means: generated -->\nold\n<!-- end -->\nb\n")
    write(tmp_path)
    page = (tmp_path / "detection.md").read_text()
    assert page.startswith("a\n<!-- means: generated -->\n| means |")
    assert page.endswith(" |\n<!-- end -->\nb\n")
    assert {each.name for each in (tmp_path / "images").iterdir()} == set(PICTURES)
