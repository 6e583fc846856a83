"""Logs: the same lines from every logger, with ids, without personal data."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import Settings
from infra.telemetry import READY_FILE, Redaction, about, configure, ready, to_standard_error
from rules.card_number import mask_card_numbers

redact = Redaction(mask_card_numbers).text


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure(Settings(log_level="INFO"), role="casework", mask_numbers=mask_card_numbers, stream=stream)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_carries_role_level_time_and_the_ids_of_its_context(lines: io.StringIO) -> None:
    with about(case_id="c-1", correlation_id="k-1"):
        structlog.get_logger("outreach.cases").info("case opened", severity="high")
    (line,) = logged(lines)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "case opened",
        "severity": "high",
        "level": "info",
        "logger": "outreach.cases",
        "role": "casework",
        "case_id": "c-1",
        "correlation_id": "k-1",
    }


def test_ids_leave_the_lines_with_their_block(lines: io.StringIO) -> None:
    with about(case_id="c-1"):
        pass
    structlog.get_logger("x").info("later")
    assert "case_id" not in logged(lines)[0]


def test_the_standard_library_writes_the_same_lines(lines: io.StringIO) -> None:
    logging.getLogger("some.driver").warning("lost %s of %d", "broker", 3, extra={"partition": 7})
    (line,) = logged(lines)
    assert (line["event"], line["partition"], line["role"], line["level"]) == (
        "lost broker of 3",
        7,
        "casework",
        "warning",
    )


def test_lines_below_the_level_are_not_written(lines: io.StringIO) -> None:
    structlog.get_logger("x").debug("too much")
    logging.getLogger("httpx").info("HTTP Request: POST …")
    assert not logged(lines)


def test_a_traceback_is_redacted_too(lines: io.StringIO) -> None:
    try:
        int("no such customer: sokha@example.com")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    text = lines.getvalue()
    assert "ValueError: invalid literal" in text
    assert "[email]" in text
    assert "sokha" not in text


def test_values_within_values_are_redacted(lines: io.StringIO) -> None:
    structlog.get_logger("x").info(
        "sent",
        form={"To": "+14155550123", "tags": ["a", ("4111 1111 1111 1111",)]},
        pan=4111111111111111,
        raw=b"a@b.example",
    )
    (line,) = logged(lines)
    assert line["form"] == {"To": "[phone]", "tags": ["a", ["**** **** **** 1111"]]}
    assert line["pan"] == "************1111"
    assert line["raw"] == "[email]"


def test_a_field_named_like_a_secret_is_masked_whatever_it_holds(lines: io.StringIO) -> None:
    structlog.get_logger("x").info("asked", headers={"Authorization": "Bearer abc"}, token="t")
    (line,) = logged(lines)
    assert (line["headers"], line["token"]) == ({"Authorization": "[secret]"}, "[secret]")


def test_an_objects_description_is_redacted(lines: io.StringIO) -> None:
    class Message:
        def __repr__(self) -> str:
            return "Message(to='+85512345678')"

    structlog.get_logger("x").info("sending", message=Message())
    assert logged(lines)[0]["message"] == "Message(to='[phone]')"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to +1 (415) 555-0123 now", "to [phone] now"),
        ("?To=%2B14155550123&x=1", "?To=[phone]&x=1"),
        ("mail%40bank.example", "[email]"),
        ("postgresql://me:hush@db/ringback", "postgresql://me:[secret]@db/ringback"),
        (
            "postgresql://me@db/x?password=hush&sslmode=require",
            "postgresql://me@db/x?password=[secret]&sslmode=require",
        ),
        ("host=db password=hush user=me", "host=db password=[secret] user=me"),
        (r"password='hu sh\'s' host=db sslpassword = hush", "password=[secret] host=db sslpassword = [secret]"),
        ("2026-11-21T22:35:50+00:00", "2026-11-21T22:35:50+00:00"),
        ("offset +07:00", "offset +07:00"),
        ("partition 3, offset 123456", "partition 3, offset 123456"),
        ("card 4111111111111111.", "card ************1111."),
    ],
)
def test_only_what_must_not_be_kept_is_masked(text: str, expected: str) -> None:
    assert redact(text) == expected


@given(before=st.text(max_size=5), number=st.from_regex(r"\+[1-9][0-9]{9,14}", fullmatch=True))
def test_no_phone_number_survives_after_a_space(before: str, number: str) -> None:
    assert number not in redact(f"{before} {number} ")


@pytest.fixture
def no_role() -> Iterator[None]:
    last = logging.lastResort
    structlog.reset_defaults()
    to_standard_error(mask_numbers=mask_card_numbers)
    yield
    logging.lastResort = last
    structlog.reset_defaults()


@pytest.mark.usefixtures("no_role")
def test_what_a_command_logs_stays_off_its_standard_output_and_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger("x").info("not worth a word")
    structlog.get_logger("x").warning("redis is away", url="redis://:hush@db", card="4111111111111111")
    out, err = capsys.readouterr()
    assert not out
    assert "redis is away" in err
    assert "redis://:[secret]@db" in err
    assert "************1111" in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("no_role")
def test_what_a_library_logs_and_nobody_takes_is_redacted_too(capsys: pytest.CaptureFixture[str]) -> None:
    library = logging.getLogger("some.library.of.a.command")
    library.propagate = False  # pytest listens at the root
    library.info("not worth a word")
    library.warning("no answer for %s", "sokha@example.com")
    assert capsys.readouterr() == ("", "no answer for [email]\n")


def test_a_command_takes_no_handler_away_and_no_role_its_own_lines(lines: io.StringIO) -> None:
    before = logging.getLogger().handlers[:]
    to_standard_error(mask_numbers=mask_card_numbers)
    assert logging.getLogger().handlers == before
    structlog.get_logger("x").info("still the role's")
    assert logged(lines)[0]["role"] == "casework"


def test_a_role_tells_that_it_is_ready_by_touching_the_file_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(READY_FILE, str(tmp_path / "ready"))
    ready()
    ready()
    assert (tmp_path / "ready").exists()


def test_telling_readiness_to_nobody_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(READY_FILE, raising=False)
    ready()


def test_console_lines_are_for_the_eye() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        configure(Settings(log_format="console"), role="up", mask_numbers=mask_card_numbers, stream=stream)
        structlog.get_logger("x").info("started", port=8400)
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    assert "started" in stream.getvalue()
    assert "port=8400" in stream.getvalue()
