"""Local times, with the zone of their source."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.local_time import instant, with_offset
from rules.transaction import Refusal, decode
from tests.rules.payments import payment

PARIS, PHNOM_PENH = ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Phnom_Penh")


def row(said: object) -> bytes:
    return json.dumps(json.loads(payment("t", "Paris")) | {"occurred_at": said}).encode()


@pytest.mark.parametrize(
    ("said", "zone", "at"),
    [
        ("2026-01-15T10:00:00", PARIS, "2026-01-15T09:00:00+00:00"),
        ("2026-07-15 10:00:00", PARIS, "2026-07-15T08:00:00+00:00"),
        ("2026-03-29T01:59:59.5", PARIS, "2026-03-29T00:59:59.500000+00:00"),
        ("2026-03-29T03:00:00", PARIS, "2026-03-29T01:00:00+00:00"),
        ("2026-03-14t17:00:00", PHNOM_PENH, "2026-03-14T10:00:00+00:00"),
        ("2026-03-14T17:00:00Z", PHNOM_PENH, "2026-03-14T17:00:00+00:00"),
        ("2026-03-14T17:00:00+01:00", PHNOM_PENH, "2026-03-14T16:00:00+00:00"),
    ],
)
def test_a_local_time_is_that_of_the_zone_and_an_offset_counts_before_it(said: str, zone: ZoneInfo, at: str) -> None:
    assert decode(with_offset(row(said), zone)).occurred_at == datetime.fromisoformat(at)


def test_a_time_that_exists_twice_is_its_first_occurrence() -> None:
    assert decode(with_offset(row("2026-10-25T02:30:00"), PARIS)).occurred_at == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


@pytest.mark.parametrize("said", ["2026-03-29T02:30:00", "2026-02-30T10:00:00"])
def test_a_time_that_does_not_exist_is_refused(said: str) -> None:
    with pytest.raises(Refusal) as caught:
        with_offset(row(said), PARIS)
    assert (caught.value.reason, caught.value.field) == ("wrong_value", "occurred_at")


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b"{}", row(None), row(12), row("yesterday"), b'{"occurred_at": "\\ud800"}']
)
def test_a_row_without_a_local_time_stays_as_it_is(raw: bytes) -> None:
    assert with_offset(raw, PARIS) == raw


def test_the_other_fields_stay_as_they_are() -> None:
    before = json.loads(row("2026-03-14T10:00:00"))
    after = json.loads(with_offset(json.dumps(before | {"note": [1.50, "ü"]}).encode(), PARIS))
    assert after == before | {"note": [1.50, "ü"], "occurred_at": "2026-03-14T10:00:00+01:00"}


@given(st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)))  # noqa: DTZ001 - local times have no zone
def test_an_instant_shows_the_local_time_on_the_clocks_of_its_zone(local: datetime) -> None:
    try:
        at = instant(local, PARIS)
    except ValueError:
        assert (local.month, local.hour) == (3, 2)
    else:
        assert at.astimezone(PARIS).replace(tzinfo=None, fold=0) == local
