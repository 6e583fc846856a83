from datetime import UTC, datetime, timedelta

import pytest

from infra.history.event import Event
from outreach.cases import events
from outreach.cases.tasks import Reason
from outreach.desk import words
from outreach.desk.masking import masked_email, masked_name, masked_phone, personal_fields
from outreach.desk.timeline import _TELLERS


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=48), "48 s"),
        (timedelta(minutes=12, seconds=59), "12 min"),
        (timedelta(hours=3, minutes=5), "3 h 05"),
        (timedelta(days=2, hours=4), "2 d 4 h"),
    ],
)
def test_waiting_times_are_short(span: timedelta, text: str) -> None:
    assert words.waited(span) == text


def test_amounts_are_grouped_and_keep_their_decimals() -> None:
    assert words.amount("1250.00", "EUR") == "1,250.00 EUR"
    assert words.amount(None, None) == ""
    assert words.amount("a lot", "EUR") == "a lot EUR"


def test_phone_numbers_are_grouped_and_anything_else_is_left_as_it_is() -> None:
    numbers = ("+14155550142", "+85523426000", "•••• •••• 42", "a+14155550142@mail.example", "+1", "")
    assert [words.phone_number(each) for each in numbers] == [
        "+1 415-555-0142",
        "+855 23 426 000",
        "•••• •••• 42",
        "a+14155550142@mail.example",
        "+1",
        "",
    ]


def test_a_local_time_says_how_far_its_clocks_are_from_utc() -> None:
    at = datetime(2026, 11, 21, 22, 20, tzinfo=UTC)
    zones = ("Asia/Phnom_Penh", "America/St_Johns", "Nowhere/Land")
    assert [words.utc_offset(at, each) for each in zones] == ["UTC+7", "UTC-3:30", ""]


def test_a_time_is_said_where_it_happened_or_in_utc() -> None:
    at = datetime(2026, 11, 21, 22, 20, tzinfo=UTC)
    assert words.local(at, "Asia/Phnom_Penh") == "Sun 22 Nov 05:20"
    assert words.local(at, "Nowhere/Land") == "Sat 21 Nov 22:20 UTC"
    assert words.local(None, "") == ""


def test_what_is_no_time_is_none() -> None:
    assert words.moment("yesterday") is None
    assert words.moment("2026-11-21T22:20:00Z") == datetime(2026, 11, 21, 22, 20, tzinfo=UTC)


def test_durations_are_said_as_one_says_them() -> None:
    assert [words.duration(each) for each in (20, 2700, 4560, 200_000, None)] == [
        "20 s",
        "45 min",
        "1 h 16 min",
        "2 d 7 h",
        "",
    ]


def test_what_a_newer_version_brings_is_made_readable() -> None:
    assert words.said(words.REASONS, "some_new-reason") == "some new reason"


def test_every_reason_of_a_task_has_words() -> None:
    assert {reason.value for reason in Reason} <= words.REASONS.keys()


def test_every_event_of_a_case_has_its_line() -> None:
    known = {each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event)} - {Event}
    assert known <= _TELLERS.keys()


def test_masks_say_enough_to_recognise_and_too_little_to_carry_away() -> None:
    assert masked_name("Sokha Chan") == "S•••• C••••"
    assert masked_name("") == "•••"
    assert masked_phone("+14155550142") == "•••• •••• 42"
    assert masked_email("sokha@example.com") == "s••••@••••"
    assert (masked_phone(""), masked_email("")) == ("", "")


def test_personal_fields_are_those_that_are_stored_encrypted() -> None:
    assert personal_fields(events.ContactIntended) == {"address", "heading", "body"}
    assert personal_fields(events.TaskTaken) == frozenset()
