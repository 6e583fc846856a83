"""Simulated files: the same bytes however many processes write them, in each format, with the truth beside them."""

import json
from pathlib import Path

import polars as pl
import pytest

from infra.cli import simulate as command
from infra.cli.main import main
from rules.simulate.simulation import Plan
from rules.transaction import decode

PLAN = Plan(cards=4_300, days=1, seed=3)


@pytest.fixture(scope="module")
def ndjson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("one") / "transactions.ndjson"
    command.write(PLAN, file, count=1, quiet=True)
    return file


def test_the_number_of_processes_changes_no_byte(ndjson: Path, tmp_path: Path) -> None:
    other = tmp_path / "transactions.ndjson"
    made = command.write(PLAN, other, count=2, quiet=True)
    assert other.read_bytes() == ndjson.read_bytes()
    assert command.labels_file(other).read_bytes() == command.labels_file(ndjson).read_bytes()
    assert command.cases_file(other).read_bytes() == command.cases_file(ndjson).read_bytes()
    assert made.transactions == len(ndjson.read_bytes().splitlines())
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "transactions.cases.csv",
        "transactions.labels.csv",
        "transactions.ndjson",
    ]


def test_what_the_labels_name_is_in_the_file(ndjson: Path) -> None:
    ids = {decode(line).transaction_id for line in ndjson.read_bytes().splitlines()}
    labels = pl.read_csv(command.labels_file(ndjson), schema_overrides={"case_id": pl.String})
    cases = pl.read_csv(command.cases_file(ndjson))
    assert set(labels["transaction_id"]) <= ids
    assert set(labels["case_id"].drop_nulls()) == set(cases["case_id"])


def test_parquet_holds_the_same_rows(ndjson: Path, tmp_path: Path) -> None:
    file = tmp_path / "transactions.parquet"
    command.write(PLAN, file, count=1, quiet=True)
    rows = pl.read_parquet(file)
    first = json.loads(ndjson.read_bytes().splitlines()[0])
    assert rows.row(0, named=True) == first
    assert len(rows) == len(ndjson.read_bytes().splitlines())


def test_csv_has_the_contracts_columns_and_json_says_what_was_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "few.csv"
    with pytest.raises(SystemExit) as ended:
        main(["simulate", str(file), "--cards", "50", "--days", "1", "--processes", "1", "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    rows = pl.read_csv(file, infer_schema=False)
    assert told["transactions"] == len(rows)
    assert {"card_id", "merchant.city", "location.lat", "occurred_at"} <= set(rows.columns)


def test_another_ending_is_asked_wrongly(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", str(tmp_path / "transactions.txt")])
    assert ended.value.code == 2


def test_a_file_that_no_simulation_wrote_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = tmp_path / "transactions.ndjson"
    ours.write_text("the bank's own\n")
    with pytest.raises(SystemExit) as ended:
        main(["simulate", str(ours), "--cards", "50", "--days", "1", "--processes", "1"])
    assert ended.value.code == 2
    assert "no simulation of ours" in " ".join(capsys.readouterr().err.split())
    assert ours.read_text() == "the bank's own\n"


def test_a_folder_that_is_not_there_is_asked_wrongly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", str(tmp_path / "nowhere" / "transactions.ndjson")])
    assert ended.value.code == 2
    assert "no place for a file" in " ".join(capsys.readouterr().err.split())
