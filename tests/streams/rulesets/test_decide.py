"""The life of a rule set, as a decision: who may do what, when, and what follows."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.history.event import Event
from infra.history.registry import undeclared_strings
from rules.ruleset import LIVE
from streams.rulesets import events as e
from streams.rulesets.decide import (
    BUILT_IN,
    Command,
    Decided,
    Draft,
    Life,
    Publish,
    Release,
    Retire,
    RuleSetRefused,
    Shadow,
    Standing,
    decide,
    evolve,
    standing_of,
    unborn,
)

OTHER = msgspec.structs.replace(LIVE, version="2026.2", floor_km=80)
WHY = "fewer commuters"


def draft(author: str = "ana", **changes: Any) -> Draft:
    return Draft(ruleset=msgspec.structs.replace(OTHER, **changes), author=author, reason=WHY)


class House:
    """The streams, in memory."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.index: list[Event] = []

    def life(self, version: str = "2026.2") -> Life:
        return self.lives.get(version, unborn(version))

    @property
    def standing(self) -> Standing:
        return standing_of(self.index)

    def do(self, command: Command, version: str = "2026.2") -> Decided:
        standing = self.standing
        decided = decide(self.life(version), standing, command)
        for name, events in ((version, decided.own), (standing.live, decided.replaced)):
            for event in events:
                self.lives[name] = evolve(self.life(name), event)
        self.index += decided.index
        return decided

    def refused(self, command: Command, version: str = "2026.2") -> str:
        with pytest.raises(RuleSetRefused) as caught:
            self.do(command, version)
        assert caught.value.reason
        return caught.value.code


@pytest.fixture
def house() -> House:
    return House()


def test_the_built_in_one_is_live_before_anything_has_happened(house: House) -> None:
    assert house.life(BUILT_IN.version).state == "live"
    assert house.standing == Standing(live="2026.1", shadow="", versions=("2026.1",))


def test_published_by_one_and_released_by_another_it_is_live_and_the_one_before_retired(house: House) -> None:
    house.do(draft())
    house.do(Publish(author="ana", reason=WHY))
    decided = house.do(Release(author="ben", reason="agreed"))
    assert decided.own == [e.RuleSetReleased(version="2026.2", published_by="ana", author="ben", reason="agreed")]
    assert house.standing.live == "2026.2"
    assert house.life("2026.1").state == "retired"
    assert house.life().published_by == ""
    assert house.do(Release(author="ben", reason="again")) == Decided()


def test_nobody_releases_what_they_have_published(house: House) -> None:
    house.do(draft("cleo"))
    house.do(Publish(author="ana", reason=WHY))
    assert house.refused(Release(author="ana", reason=WHY)) == "same_person"
    assert house.refused(Publish(author="ben", reason=WHY)) == "published"
    assert house.do(Publish(author="ana", reason=WHY)) == Decided()


def test_what_nobody_has_published_is_not_released(house: House) -> None:
    house.do(draft())
    assert house.refused(Release(author="ben", reason=WHY)) == "unpublished"


def test_a_draft_that_changes_after_it_was_published_is_to_be_published_again(house: House) -> None:
    house.do(draft())
    house.do(Publish(author="ana", reason=WHY))
    house.do(draft(floor_km=5.0, slot_degrees=0.02))
    assert house.refused(Release(author="ben", reason=WHY)) == "unpublished"


def test_the_same_draft_again_changes_nothing(house: House) -> None:
    first = house.do(draft())
    assert [type(each) for each in first.index] == [e.VersionNamed]
    assert house.do(draft("ben")) == Decided()
    assert house.do(draft(floor_km=90)).index == []


@pytest.mark.parametrize("state", ["shadow", "live", "retired"])
def test_what_has_raised_alerts_is_never_drafted_again(house: House, state: str) -> None:
    house.do(draft())
    if state == "shadow":
        house.do(Shadow(author="ana", reason=WHY))
    if state == "live":
        house.do(Publish(author="ana", reason=WHY))
        house.do(Release(author="ben", reason=WHY))
    if state == "retired":
        house.do(Retire(author="ana", reason=WHY))
    assert house.life().state == state
    assert house.refused(draft(floor_km=90)) == "fixed"


def test_one_runs_in_the_shadow_at_a_time(house: House) -> None:
    house.do(draft())
    house.do(Draft(ruleset=msgspec.structs.replace(OTHER, version="2026.3"), author="ana", reason=WHY), "2026.3")
    house.do(Shadow(author="ana", reason=WHY))
    assert house.do(Shadow(author="ana", reason=WHY)) == Decided()
    assert house.refused(Shadow(author="ana", reason=WHY), "2026.3") == "taken"
    house.do(Retire(author="ana", reason="no better"))
    assert house.standing.shadow == ""
    house.do(Shadow(author="ana", reason=WHY), "2026.3")
    assert house.standing.shadow == "2026.3"


def test_a_shadow_that_is_released_is_the_shadow_no_more(house: House) -> None:
    house.do(draft())
    house.do(Shadow(author="ana", reason=WHY))
    house.do(Publish(author="ana", reason=WHY))
    house.do(Release(author="ben", reason=WHY))
    assert (house.standing.live, house.standing.shadow) == ("2026.2", "")


def test_the_one_before_comes_back_by_two_people_as_well(house: House) -> None:
    house.do(draft())
    house.do(Publish(author="ana", reason=WHY))
    house.do(Release(author="ben", reason=WHY))
    house.do(Publish(author="ben", reason="too many"), "2026.1")
    house.do(Release(author="ana", reason="too many"), "2026.1")
    assert house.standing.live == "2026.1"
    assert (house.life("2026.1").state, house.life().state) == ("live", "retired")
    assert house.life("2026.1").content == msgspec.to_builtins(LIVE)


def test_retiring_takes_a_publication_back(house: House) -> None:
    house.do(draft())
    house.do(Retire(author="ana", reason=WHY))
    assert house.do(Retire(author="ana", reason=WHY)) == Decided()
    house.do(Publish(author="ana", reason=WHY))
    house.do(Retire(author="ana", reason=WHY))
    assert house.refused(Release(author="ben", reason=WHY)) == "unpublished"


@pytest.mark.parametrize("command", [Shadow, Publish, Retire])
def test_the_live_one_is_neither_a_shadow_nor_published_nor_retired(house: House, command: Callable[..., Any]) -> None:
    assert house.refused(command(author="ana", reason=WHY), "2026.1") == "live"


@pytest.mark.parametrize("command", [Shadow, Publish, Release, Retire])
def test_what_is_not_there_does_nothing(house: House, command: Callable[..., Any]) -> None:
    assert house.refused(command(author="ana", reason=WHY)) == "unknown"


@pytest.mark.parametrize(("author", "reason"), [("", WHY), ("ana", " ")])
def test_nothing_changes_without_an_author_and_a_reason(house: House, author: str, reason: str) -> None:
    assert house.refused(Draft(ruleset=OTHER, author=author, reason=reason)) == "unsigned"


def test_events_of_others_change_nothing() -> None:
    life = unborn("2026.2")
    assert evolve(life, e.LiveNamed(version="2026.2")) == life
    assert standing_of([e.RuleSetShadowed(version="2026.2", author="ana", reason=WHY)]) == Standing()


def test_no_text_of_an_event_is_undeclared() -> None:
    assert undeclared_strings(e) == []


people = st.sampled_from(["ana", "ben", "cleo"])
versions = st.sampled_from(["2026.1", "2026.2", "2026.3"])
kinds = st.sampled_from([Draft, Shadow, Publish, Release, Retire])


@given(st.lists(st.tuples(kinds, versions, people, st.integers(60, 62)), max_size=40))
def test_whatever_is_commanded_one_is_live_at_most_one_in_the_shadow_and_two_people_stand_behind_each_release(
    steps: list[tuple[Any, str, str, int]],
) -> None:
    house = House()
    fixed: dict[str, Any] = {}
    for kind, version, author, floor_km in steps:
        ruleset = (
            {"ruleset": msgspec.structs.replace(LIVE, version=version, floor_km=floor_km)} if kind is Draft else {}
        )
        before = house.standing.live
        try:
            decided = house.do(kind(author=author, reason=WHY, **ruleset), version)
        except RuleSetRefused:
            decided = Decided()
        for event in decided.own:
            assert not isinstance(event, e.RuleSetReleased) or event.published_by != event.author
        states = {name: house.life(name).state for name in house.standing.versions}
        assert [name for name, state in states.items() if state == "live"] == [house.standing.live]
        assert [name for name, state in states.items() if state == "shadow"] == [
            name for name in [house.standing.shadow] if name
        ]
        assert (house.standing.live != before) == bool(decided.replaced)
        for name, state in states.items():
            if state in {"shadow", "live", "retired"}:
                assert house.life(name).content == fixed.setdefault(name, house.life(name).content)
