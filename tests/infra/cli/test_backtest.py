"""A whole backtest, from a file to its page: formats, labels or none, a bank's own columns, another rule set."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.cli import simulate
from infra.cli.backtest_rows import History, jobs_of, partition_lines, partition_of, partitions_of, split
from infra.cli.main import main
from rules.backtest.judging import scaled
from rules.ruleset import LIVE
from rules.simulate.simulation import Plan

PLAN = Plan(cards=500, days=4, seed=7)


@pytest.fixture(scope="module")
def ndjson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("history") / "history.ndjson"
    simulate.write(PLAN, file, count=1, quiet=True)
    return file


def backtest(capsys: pytest.CaptureFixture[str], file: Path, *options: str, code: int = 0) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main(["backtest", str(file), "--json", "--processes", "1", *options])
    assert ended.value.code == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def without_times(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in {"elapsed_s", "peak_mb", "file"}}


def test_a_history_is_judged_and_its_page_written(
    ndjson: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "looser.json"
    rules.write_bytes(msgspec.json.encode(msgspec.structs.replace(scaled(LIVE, 4.0), version="looser")))
    report = tmp_path / "report.html"
    told = backtest(capsys, ndjson, "--against", str(rules), "--report", str(report))
    assert told["rows"] == len(ndjson.read_bytes().splitlines())
    assert (told["refused"], told["labelled"], told["against"]) == ({}, True, "looser")
    assert told["cases"] > 0
    assert told["changes"]["only_against"] > 0
    assert len(told["curve"]) == 8
    assert set(told["others"]["on our sightings"]) == {"Elastic", "Panther", "Splunk", "Okta", "Egnyte", "ksqlDB"}
    assert "history.ndjson" in report.read_text(encoding="utf-8")


def test_parquet_and_ndjson_and_any_number_of_processes_are_judged_alike(
    ndjson: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "history.parquet"
    simulate.write(PLAN, table, count=1, quiet=True)
    one = backtest(capsys, ndjson, "--plain")
    assert without_times(backtest(capsys, table, "--plain")) == without_times(one)
    assert without_times(backtest(capsys, ndjson, "--plain", "--processes", "2")) == without_times(one)


def test_alerts_and_reviews_are_told_together_and_apart(ndjson: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = backtest(capsys, ndjson, "--plain")
    assert told["acted_on"]["alerts"] + told["for_review"]["alerts"] == told["live"]["alerts"]
    assert told["for_review"]["alerts"] == told["reviews"]


def test_broken_rows_are_counted_with_their_reason_and_a_file_of_nothing_else_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "few.ndjson"
    file.write_bytes(b"\xef\xbb\xbf{\n\n" + b'{"card_id": "c"}\n' + b"\xff\n")
    with pytest.raises(SystemExit) as ended:
        main(["backtest", str(file), "--processes", "1"])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert not said.out
    assert "1: missing_field" in said.err
    assert "none of the 3 rows of few.ndjson is a transaction" in said.err


def test_sparkovs_card_numbers_become_tokens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fraudTrain.csv"
    file.write_text(
        ",trans_date_trans_time,cc_num,merchant,category,amt,trans_num,merch_lat,merch_long,is_fraud\n"
        "0,2020-06-21 12:14:25,4716561796955522,fraud_Kirlin,grocery_pos,2.86,a1,33.98,-81.20,0\n"
        "1,2020-06-21 12:20:00,4716561796955522,fraud_Kirlin,shopping_pos,977.01,a2,47.60,-122.33,1\n"
        "2,2020-06-21 12:21:00,4716561796955522,fraud_Kirlin,shopping_net,17.01,a3,33.10,-81.00,0\n"
    )
    refused = backtest(capsys, file, "--map", "sparkov", code=1)
    with pytest.raises(SystemExit):
        main(["backtest", str(file), "--map", "sparkov", "--plain", "--report", str(tmp_path / "none.html")])
    out, err = capsys.readouterr()
    assert (out, "--tokenise replaces card numbers" in err, (tmp_path / "none.html").exists()) == ("", True, False)
    assert refused["refused"] == {"card_number: card_id": 3}
    told = backtest(capsys, file, "--map", "sparkov", "--tokenise")
    assert (told["refused"], told["live"]["alerts"], told["cases_visible"]) == ({}, 1, 1)
    assert told["live"]["recall_case"]["value"] == 1.0
    assert "4716561796955522" not in json.dumps(told)


def test_tabformers_states_and_names_of_countries_are_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "card_transaction.v1.csv"
    file.write_text(
        "User,Card,Year,Month,Day,Time,Amount,Use Chip,"
        "Merchant Name,Merchant City,Merchant State,Zip,MCC,Errors?,Is Fraud?\n"
        "0,0,2019,9,1,06:21,$134.09,Swipe Transaction,352,Los Angeles,CA,91750.0,5300,,No\n"
        "0,0,2019,9,1,06:42,$38.48,Chip Transaction,727,Rome,Italy,,5411,,Yes\n"
        "0,1,2019,9,1,06:50,$8.48,Online Transaction,728,ONLINE,,,5815,,No\n"
    )
    told = backtest(capsys, file, "--map", "tabformer")
    assert (told["rows"], told["cards"], told["live"]["alerts"]) == (3, 2, 1)
    assert (told["pairs"][0]["one"], told["pairs"][0]["other"]) == ("IT", "US")
    assert told["live"]["precision_case"]["value"] == 1.0


def test_without_labels_alerts_are_only_counted(
    ndjson: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare.ndjson"
    bare.write_bytes(b"\n".join(ndjson.read_bytes().splitlines()[:2_000]))
    told = backtest(capsys, bare)
    assert (told["labelled"], told["cases"], told["mistakes"]) == (False, 0, [])


def test_a_map_of_ones_own_over_ndjson(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("transaction_id", "card_id", "occurred_at", "amount", "currency", "channel", "entry_mode")
    mapping = tmp_path / "own.toml"
    mapping.write_text("[fields]\n" + "\n".join(f'{name} = "x_{name}"' for name in names))
    file = tmp_path / "own.ndjson"
    values = ("t", "c", "2026-01-01T00:00:00Z", "1.00", "EUR", "atm", "chip")
    file.write_text(json.dumps({f"x_{name}": value for name, value in zip(names, values, strict=True)}) + "\n")
    assert backtest(capsys, file, "--map", str(mapping))["refused"] == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--against", "nowhere.json"), "nowhere.json"),
        (("--against", "{broken}"), "JSON"),
        (("--map", "tabformer"), "the file has no column"),
        (("--map", "{noise}"), "is no TOML"),
        (("--labels", "{broken}", "--cases", "{broken}"), "not as simulate writes them"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    options: tuple[str, ...], said: str, ndjson: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    noise = tmp_path / "noise.toml"
    noise.write_bytes(b"\xff\xfe\x00")
    named = (each.format(broken=broken, noise=noise) for each in options)
    with pytest.raises(SystemExit) as ended:
        main(["backtest", str(ndjson), "--processes", "1", *named])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.ndjson", b"", "has no rows"),
        ("none.csv", b"", "cannot be read as CSV"),
        ("none.parquet", b"", "cannot be read as Parquet"),
        ("noise.csv", b"\x93\xff,\x00\n\xfe\n", "cannot be read as CSV"),
        ("noise.parquet", b"\x93\xff\x00" * 20, "cannot be read as Parquet"),
        ("other.csv", b"a,b\n1,2\n", "the file has no column"),
    ],
)
def test_a_file_that_is_no_history_is_named_in_one_line(
    name: str, content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        main(["backtest", str(file), "--plain", "--processes", "1"])
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    (line,) = [each for each in err.splitlines() if each.startswith("ringback:")]
    assert said in line
    assert not out


def test_a_page_that_cannot_be_written_is_said_before_the_work(
    ndjson: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["backtest", str(ndjson), "--report", str(tmp_path / "nowhere" / "report.html")])
    assert ended.value.code == 2
    assert "is no place for a file" in capsys.readouterr().err


def test_every_row_comes_into_its_cards_partition_once_and_in_order(ndjson: Path, tmp_path: Path) -> None:
    history = History(ndjson)
    jobs, partitions = jobs_of(history, 2), partitions_of(history)
    for job in jobs:
        split(history, job, tmp_path, partitions)
    whole = ndjson.read_bytes()
    seen: list[int] = []
    for partition in range(partitions):
        rows = list(partition_lines(tmp_path, partition, len(jobs)))
        assert [ref for ref, _ in rows] == sorted(ref for ref, _ in rows)
        for ref, raw in rows[:50]:
            assert whole[ref : ref + len(raw.rstrip())] == raw.rstrip()
            assert partition_of(json.loads(raw)["card_id"], partitions) == partition
        seen += [ref for ref, _ in rows]
    assert len(seen) == len(set(seen)) == len(whole.splitlines())
