import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from streams.feed.files import FileRow, NotATransactionFileError, read_file
from streams.feed.rows import Bad, Good
from tests.streams.feed.conftest import Row

HEAD = (
    "transaction_id,card_id,occurred_at,amount,currency,channel,entry_mode,"
    "merchant.city,merchant.country,location.lat,location.lon,deferred"
)
GOOD = "t-1,card-1,2026-03-14T10:00:00Z,4.50,USD,card_present,chip,Phnom Penh,KH,11.55,104.92,true"


def csv_file(tmp_path: Path, *lines: str, encoding: str = "utf-8") -> list[FileRow]:
    path = tmp_path / "rows.csv"
    path.write_bytes("\r\n".join((HEAD, *lines)).encode(encoding))
    return list(read_file(path))


def said(rows: list[FileRow]) -> list[tuple[int, str]]:
    return [(each.line, each.row.reason if isinstance(each.row, Bad) else "good") for each in rows]


def test_each_broken_line_is_named_and_the_others_are_read(tmp_path: Path, row: Row) -> None:
    path = tmp_path / "rows.ndjson"
    good = json.dumps(row(1)).encode()
    path.write_bytes(b"\n".join([good, b"", good[:-9], good + b"," + good, b"\xff", good]))

    assert said(list(read_file(path))) == [
        (1, "good"),
        (3, "not_json"),
        (4, "not_json"),
        (5, "not_json"),
        (6, "good"),
    ]


def test_dotted_columns_become_the_contracts_objects(tmp_path: Path) -> None:
    (only,) = csv_file(tmp_path, GOOD)

    assert isinstance(only.row, Good)
    document = json.loads(only.row.raw)
    assert document["merchant"] == {"city": "Phnom Penh", "country": "KH"}
    assert document["location"] == {"lat": 11.55, "lon": 104.92}
    assert document["deferred"] is True
    assert document["amount"] == "4.50"


def test_an_empty_cell_is_a_missing_field(tmp_path: Path) -> None:
    rows = csv_file(tmp_path, GOOD.replace("USD", ""), GOOD.replace("11.55", ""), GOOD.replace("KH", ""))

    assert said(rows) == [(2, "missing_field"), (3, "good"), (4, "good")]


def test_broken_csv_rows_are_named_by_line(tmp_path: Path) -> None:
    rows = csv_file(tmp_path, GOOD, "t-2,card-1", GOOD + ",more", GOOD.replace("card-1", "4111111111111111"), GOOD)

    assert said(rows) == [(2, "good"), (3, "not_csv"), (4, "not_csv"), (5, "card_number"), (6, "good")]


def test_a_csv_row_that_is_no_utf8_does_not_stop_the_next(tmp_path: Path) -> None:
    rows = csv_file(tmp_path, GOOD.replace("Phnom Penh", "Besançon"), GOOD, encoding="latin-1")

    assert said(rows) == [(2, "not_utf8"), (3, "good")]


def test_a_cell_that_looks_like_json_is_only_a_string(tmp_path: Path) -> None:
    (only,) = csv_file(tmp_path, GOOD.replace("Phnom Penh", '"""},{""transaction_id"":""t-2"""'))

    assert isinstance(only.row, Good)
    assert only.row.transaction_id == "t-1"
    assert json.loads(only.row.raw)["merchant"]["city"] == '"},{"transaction_id":"t-2"'


def test_a_csv_file_without_the_columns_says_which_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")

    with pytest.raises(NotATransactionFileError, match="transaction_id, card_id, occurred_at, amount"):
        list(read_file(path))


def test_a_banks_export_with_semicolons_capitals_a_mark_and_columns_of_its_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "export.CSV"
    path.write_text(
        "Transaction_ID;CARD_ID;OCCURRED_AT;AMOUNT;CURRENCY;CHANNEL;ENTRY_MODE;MERCHANT.NAME;BRANCH\r\n"
        't-1;card-1;2026-03-14T10:00:00+07:00;4.50;EUR;card_present;chip;"Café ""Noir""; Lda";0042\r\n'
        "t-2;card-1;2026-03-14T10:00:00+07:00;4,50;EUR;card_present;chip;Shop;0042\r\n"
        't-3;card-1;2026-03-14T10:00:00+07:00;4.50;EUR;card_present;chip;"two\r\nlines";0042\r\n'
        "t-4;card-1;14.03.2026 10:00;4.50;EUR;card_present;chip;Shop;0042\r\n",
        encoding="utf-8-sig",
        newline="",
    )

    rows = list(read_file(path))

    assert said(rows) == [(2, "good"), (3, "wrong_value"), (4, "good"), (6, "wrong_value")]
    document = json.loads(rows[0].row.raw)
    assert document["merchant"] == {"name": 'Café "Noir"; Lda'}
    assert document["branch"] == "0042"


def test_a_csv_file_without_a_required_column_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("transaction_id,card_id,occurred_at,currency\nt-1,card-1,2026-03-14T10:00:00Z,USD\n")

    with pytest.raises(NotATransactionFileError, match="does not name amount, channel, entry_mode"):
        list(read_file(path))


def test_a_mark_before_the_first_line_is_no_part_of_it(tmp_path: Path, row: Row) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text(json.dumps(row(1)), encoding="utf-8-sig")

    assert said(list(read_file(path))) == [(1, "good")]


def test_local_times_are_those_of_the_zone_and_what_no_clock_has_shown_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "local.csv"
    times = ("2026-03-29 01:30:00", "2026-03-29 02:30:00", "2026-10-25 02:30:00")
    path.write_text("\n".join([HEAD, *(GOOD.replace("2026-03-14T10:00:00Z", time) for time in times)]))

    assert said(list(read_file(path))) == [(2, "wrong_value"), (3, "wrong_value"), (4, "wrong_value")]
    rows = list(read_file(path, zone=ZoneInfo("Europe/Paris")))
    assert said(rows) == [(2, "good"), (3, "wrong_value"), (4, "good")]
    read = [json.loads(each.row.raw)["occurred_at"] for each in rows if isinstance(each.row, Good)]
    assert read == ["2026-03-29T01:30:00+01:00", "2026-10-25T02:30:00+02:00"]
    assert isinstance(rows[1].row, Bad)
    assert "no clock of Europe/Paris has shown" in rows[1].row.detail
