"""The circles of the countries, made anew."""

from pathlib import Path

import msgspec
import pytest

from rules import country_build
from rules.country_build import HEADER, Country, Town, lines


def test_a_country_is_covered_with_what_lies_behind_its_last_town() -> None:
    towns = [Town("East", "AA", 0, 1), Town("West", "AA", 0, -1), Town("Else", "BB", 5, 5)]
    made = lines(towns, [Country("CC", "Empty"), Country("BB", "Other, Republic of"), Country("AA", "Land")])
    assert [line.split(",", 3)[0] for line in made] == ["AA", "BB"]
    assert made[1] == "BB,5.000,5.000,16,Other, Republic of"
    assert 126 <= float(made[0].split(",")[3]) <= 128


def test_bases_abroad_do_not_move_a_country() -> None:
    towns = [Town("London", "GB", 51.5, -0.1), Town("Akrotiri", "GB", 34.6, 32.9)]
    assert lines(towns, [Country("GB", "United Kingdom")]) == ["GB,51.500,-0.100,16,United Kingdom"]


def test_the_file_is_written_with_its_attribution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "cities500.json").write_bytes(msgspec.json.encode({"1": Town("Town", "AA", 1.0, 2.0)}))
    (data / "countries.json").write_bytes(msgspec.json.encode({"AA": Country("AA", "Land")}))
    monkeypatch.setattr(country_build, "files", lambda _package: tmp_path)
    monkeypatch.setattr(country_build, "OUTPUT", tmp_path / "countries.csv")
    country_build.main()
    assert (tmp_path / "countries.csv").read_text() == HEADER + "AA,1.000,2.000,16,Land\n"
    assert "CC BY 4.0" in HEADER
