"""A moment is a position: nothing behind it was recorded then."""

from datetime import timedelta, timezone

import pytest

from infra.history.moments import NoMoment, moment
from infra.history.store import History, StreamWrite
from tests.infra.history.conftest import Make


@pytest.fixture(autouse=True)
async def five_events(history: History, note: Make) -> None:
    for number in range(5):
        await history.append(StreamWrite("case-1", [note(), note()] if number == 2 else [note()]))


async def test_each_event_is_known_from_the_moment_on_in_which_it_was_recorded(history: History) -> None:
    for event in await history.read(after=0):
        last_of_its_commit = max(
            each.position for each in await history.read(after=0) if each.recorded_at == event.recorded_at
        )
        assert (await moment(history, event.recorded_at.isoformat())).position == last_of_its_commit
        before = event.recorded_at - timedelta(microseconds=1)
        assert (await moment(history, before.isoformat())).position < event.position


async def test_a_moment_is_the_same_in_every_zone(history: History) -> None:
    at = (await history.read(after=2, limit=1))[0].recorded_at
    there = at.astimezone(timezone(timedelta(hours=7)))
    assert await moment(history, there.isoformat()) == await moment(history, at.isoformat().replace("+00:00", "Z"))


async def test_before_the_first_event_nothing_was_known_and_after_the_last_everything(history: History) -> None:
    assert (await moment(history, "1999-01-01T00:00:00Z")).position == 0
    assert (await moment(history, "2999-01-01T00:00:00Z")).position == 6


async def test_a_position_is_a_moment(history: History) -> None:
    event = (await history.read(after=3, limit=1))[0]
    assert await moment(history, "4") == await moment(history, " 4 ")
    assert (await moment(history, "4")).at == event.recorded_at
    assert (await moment(history, "0")).position == 0


@pytest.mark.parametrize("given", ["7", "yesterday", "2026-03-01T09:30:00", "-1", "", "2026-03-01"])
async def test_what_is_no_moment_is_said(history: History, given: str) -> None:
    with pytest.raises(NoMoment):
        await moment(history, given)
