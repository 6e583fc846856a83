"""Transactions in, alerts out: in order of arrival, without servers, and nothing stops at a broken row."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.cli import judge as command
from infra.cli.main import main
from rules.layout import unpack
from tests.rules.payments import CARD, STAMP, TEN, hours, minutes, payment

STORY = [payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(12))]


def judged(lines: list[bytes]) -> tuple[list[dict[str, Any]], list[str]]:
    out, errors = io.BytesIO(), io.StringIO()
    command.run([line + b"\n" for line in lines], out, errors, lambda: STAMP)
    return [json.loads(line) for line in out.getvalue().splitlines()], errors.getvalue().splitlines()


def test_an_alert_stands_on_a_line_of_its_own_and_the_summary_on_standard_error() -> None:
    (alert,), errors = judged(STORY)
    assert (alert["suspect"], alert["against"], alert["arrived_at"]) == ("b", "a", None)
    assert errors == ["2 rows, 0 refused; raised 1"]


def test_broken_rows_are_named_by_line_with_the_reason_and_the_others_are_judged() -> None:
    ahead = payment("z", "Paris", STAMP + timedelta(days=2))
    alerts, errors = judged([b"{", STORY[0], b"", payment("x", "Paris", currency="?"), ahead, STORY[1]])
    assert [alert["suspect"] for alert in alerts] == ["b"]
    assert errors == [
        "line 1: not_json",
        "line 4: wrong_value: currency",
        "line 5: ahead_of_its_time: occurred_at",
        "5 rows, 3 refused; raised 1",
    ]


def said(*words: dict[str, Any] | bytes) -> tuple[dict[str, list[command.Word]], list[str]]:
    errors = io.StringIO()
    lines = [word if isinstance(word, bytes) else json.dumps(word).encode() for word in words]
    return command.read_words(lines, errors), errors.getvalue().splitlines()


def test_what_a_customer_says_is_applied_after_the_transaction_and_withdraws_an_alert() -> None:
    words, _ = said({"after": "b", "card_id": CARD, "confirmed": ["b"], "struck_out": []})
    out, errors = io.BytesIO(), io.StringIO()
    rows = [*STORY, payment("c", "Phnom Penh", TEN + minutes(20)), payment("r", "Rome", TEN + minutes(30))]
    command.run(rows, out, errors, lambda: STAMP, words=words)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(alert["status"], alert["suspect"], alert["against"]) for alert in told] == [
        ("raised", "b", "a"),
        ("withdrawn", "b", "a"),
        ("raised", "r", "c"),
    ]
    assert {alert["raised_by"] for alert in told} == {"b", "r"}


def test_what_is_said_of_another_card_or_after_a_transaction_that_never_comes_is_no_error() -> None:
    words, errors = said(
        {"after": "a", "card_id": "another", "struck_out": ["b"]}, b"\n", {"after": "nowhere", "card_id": CARD}
    )
    assert errors == []
    told = io.StringIO()
    command.run(STORY, io.BytesIO(), told, lambda: STAMP, words=words)
    assert told.getvalue().splitlines() == [
        "context: nowhere did not come; what was said after it is not heard",
        "2 rows, 0 refused; raised 1",
    ]


def test_what_cannot_have_been_said_is_named_by_line() -> None:
    words, errors = said(b"{", {"after": "a", "card_id": CARD, "confirmed": ["b"], "struck_out": ["b"]})
    assert words == {}
    assert [line.partition(":")[0] for line in errors] == ["context line 1", "context line 2"]


def test_a_file_of_what_was_said_is_applied(tmp_path: Any, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    file, context = tmp_path / "story.ndjson", tmp_path / "context.ndjson"
    file.write_bytes(b"\n".join(STORY))
    context.write_bytes(json.dumps({"after": "b", "card_id": CARD, "struck_out": ["a"]}).encode())
    with pytest.raises(SystemExit) as ended:
        main(["judge", str(file), "--context", str(context)])
    assert ended.value.code == 0
    alerts = [json.loads(line)["status"] for line in capfdbinary.readouterr().out.splitlines()]
    assert alerts == ["raised", "withdrawn"]


def test_no_rows_are_no_error() -> None:
    assert judged([]) == ([], ["0 rows, 0 refused; nothing found"])


def test_a_busy_card_holds_no_more_transactions_than_its_memory_refers_to() -> None:
    judging = command.Judge(lambda: STAMP)
    for number in range(1200):
        judging.judge(payment(f"p{number:05}", "Paris", TEN + minutes(number)), number)
    ((memory, known),) = judging._cards.values()
    assert len(known) < 600
    assert unpack(memory).refs() <= set(known)
    (alert,) = judging.judge(payment("z", "Phnom Penh", TEN + hours(20.1)), 1200)
    assert len(alert.evidence["recent"]) == 10


def test_a_file_is_judged_and_the_exit_code_is_0(tmp_path: Any, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    file = tmp_path / "story.ndjson"
    file.write_bytes(b"\n".join(STORY))
    with pytest.raises(SystemExit) as ended:
        main(["judge", str(file)])
    assert ended.value.code == 0
    out, errors = capfdbinary.readouterr()
    assert json.loads(out)["suspect"] == "b"
    assert errors == b"2 rows, 0 refused; raised 1\n"


def test_standard_input_is_judged_when_no_file_is_named(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(STORY))))
    with pytest.raises(SystemExit) as ended:
        main(["judge"])
    assert ended.value.code == 0
    assert json.loads(capfdbinary.readouterr()[0])["suspect"] == "b"


def test_a_file_that_is_not_there_is_asked_wrongly() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["judge", "nowhere.ndjson"])
    assert ended.value.code == 2


def test_a_map_of_each_alert_is_drawn_into_the_folder(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "story.ndjson"
    file.write_bytes(b"\n".join(STORY))
    with pytest.raises(SystemExit):
        main(["judge", str(file), "--map", str(tmp_path / "maps")])
    (alert,) = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    drawn = (tmp_path / "maps" / f"{alert['alert_id']}.svg").read_text()
    assert alert["evidence"]["words"] in drawn


def test_local_times_are_those_of_the_zone_that_is_named(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    local = [
        payment(name, "Paris", occurred_at=at)
        for name, at in (("a", "2026-03-29T01:00:00"), ("b", "2026-03-29T02:30:00"))
    ]
    file = tmp_path / "local.ndjson"
    file.write_bytes(b"\n".join(local))
    said = []
    for arguments in ([], ["--zone", "Europe/Paris"]):
        with pytest.raises(SystemExit):
            main(["judge", str(file), *arguments])
        said.append(capfdbinary.readouterr().err.decode().splitlines())
    assert said[0][-2].startswith("2 rows, 2 refused")
    assert said[1] == ["line 2: wrong_value: occurred_at", "2 rows, 1 refused; nothing found"]


def test_a_zone_that_does_not_exist_is_named(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["judge", "--zone", "Europe/Atlantis"])
    assert ended.value.code == 2
    assert b"Europe/Atlantis is no time zone" in capfdbinary.readouterr().err


def test_a_file_of_which_no_row_is_a_transaction_fails(
    tmp_path: Any, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(SystemExit) as ended:
        main(["judge", str(file)])
    assert ended.value.code == 1
    assert b"no row is a transaction" in capfdbinary.readouterr().err
