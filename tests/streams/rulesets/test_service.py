"""Rule sets on a real history: whatever races, one is live."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import msgspec
import pytest

from infra.clock import utc_now
from infra.history.errors import Conflict
from infra.history.store import History
from infra.history.verify import verify
from rules.ruleset import LIVE
from streams.rulesets.announced import Announcement
from streams.rulesets.decide import Draft, Publish, Release, Retire, RuleSetRefused, Shadow
from streams.rulesets.service import RuleSetMoved, RuleSets, content_of

WHY = "fewer commuters"


def version(name: str) -> Draft:
    return Draft(ruleset=msgspec.structs.replace(LIVE, version=name, floor_km=80.0), author="ana", reason=WHY)


@pytest.fixture
async def history(postgres_url: str) -> AsyncIterator[History]:
    async with await History.open(postgres_url, master_key=secrets.token_bytes(32), clock=utc_now) as opened:
        yield opened


@pytest.fixture
def rulesets(history: History) -> RuleSets:
    return RuleSets(history, utc_now)


async def release(rulesets: RuleSets, name: str, publisher: str = "ana", releaser: str = "ben") -> None:
    await rulesets.handle(name, Publish(author=publisher, reason=WHY), cause=secrets.token_hex())
    await rulesets.handle(name, Release(author=releaser, reason=WHY), cause=secrets.token_hex())


async def test_an_empty_history_has_the_built_in_one_live(rulesets: RuleSets) -> None:
    assert await rulesets.in_force() == Announcement(serial=0, live=LIVE)
    assert [(each.life.version, each.life.state) for each in await rulesets.all()] == [("2026.1", "live")]


async def test_each_change_is_an_event_with_author_and_reason(rulesets: RuleSets, history: History) -> None:
    await rulesets.handle("2026.2", version("2026.2"), cause="1")
    await rulesets.handle("2026.2", Shadow(author="ana", reason="try it"), cause="2")
    await release(rulesets, "2026.2")
    story = await rulesets.story("2026.2")
    assert [each.event.wire_name for each in story] == [
        *("ruleset.drafted", "ruleset.shadowed", "ruleset.published", "ruleset.released")
    ]
    assert [each.actor for each in story] == [f"operator:{name}" for name in ("ana", "ana", "ana", "ben")]
    assert all(getattr(each.event, "reason", "") for each in story)
    assert [each.event.wire_name for each in await rulesets.story("2026.1")] == ["ruleset.retired"]
    listed = {each.life.version: each for each in await rulesets.all()}
    assert (listed["2026.2"].life.state, listed["2026.2"].by) == ("live", "ben")
    assert (listed["2026.1"].life.state, listed["2026.1"].by) == ("retired", "ben")
    assert (await verify(history)).intact


async def test_the_same_cause_again_changes_nothing(rulesets: RuleSets) -> None:
    assert await rulesets.handle("2026.2", version("2026.2"), cause="1")
    await rulesets.handle("2026.2", Retire(author="ana", reason=WHY), cause="2")
    await rulesets.handle("2026.2", Shadow(author="ana", reason=WHY), cause="3")
    assert await rulesets.handle("2026.2", Retire(author="ana", reason=WHY), cause="2") == []
    assert (await rulesets.standing()).shadow == "2026.2"


async def test_what_is_in_force_is_told_with_its_content(rulesets: RuleSets) -> None:
    for name in ("2026.2", "2026.3"):
        await rulesets.handle(name, version(name), cause=f"draft {name}")
    await release(rulesets, "2026.2")
    await rulesets.handle("2026.3", Shadow(author="ana", reason=WHY), cause="shadow")
    told = await rulesets.in_force()
    assert told.live == version("2026.2").ruleset
    assert told.shadow == version("2026.3").ruleset
    assert told.serial > 0


@pytest.mark.parametrize("same", [False, True], ids=["of different versions", "of one version"])
async def test_of_releases_at_the_same_time_one_version_is_live_in_the_end(rulesets: RuleSets, *, same: bool) -> None:
    names = ["2026.2"] * 6 if same else [f"2026.{number}" for number in range(2, 8)]
    for name in dict.fromkeys(names):
        await rulesets.handle(name, version(name), cause=f"draft {name}")
        await rulesets.handle(name, Publish(author="ana", reason=WHY), cause=f"publish {name}")
    answers = await asyncio.gather(
        *(
            rulesets.handle(name, Release(author="ben", reason=WHY), cause=f"release {number}")
            for number, name in enumerate(names)
        )
    )
    assert sum(bool(answer) for answer in answers) == len(set(names))
    states = [each.life.state for each in await rulesets.all()]
    assert states.count("live") == 1
    live = next(each for each in await rulesets.all() if each.life.state == "live")
    assert live.life.version == (await rulesets.standing()).live
    assert states.count("retired") == len(set(names))


async def test_of_two_shadows_at_the_same_time_one_is_refused(rulesets: RuleSets) -> None:
    names = [f"2026.{number}" for number in range(2, 6)]
    for name in names:
        await rulesets.handle(name, version(name), cause=f"draft {name}")
    answers = await asyncio.gather(
        *(rulesets.handle(name, Shadow(author="ana", reason=WHY), cause=f"shadow {name}") for name in names),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, RuleSetRefused) for answer in answers) == len(names) - 1
    assert [each.life.state for each in await rulesets.all()].count("shadow") == 1


async def test_what_somebody_was_not_shown_is_not_released(rulesets: RuleSets) -> None:
    await rulesets.handle("2026.2", version("2026.2"), cause="1")
    await rulesets.handle("2026.2", Publish(author="ana", reason=WHY), cause="2")
    _listed, seen = await rulesets.look("2026.2")
    again = version("2026.2")
    changed = msgspec.structs.replace(again, ruleset=msgspec.structs.replace(again.ruleset, floor_km=500.0))
    await rulesets.handle("2026.2", changed, cause="3")
    await rulesets.handle("2026.2", Publish(author="ana", reason=WHY), cause="4")
    with pytest.raises(RuleSetMoved):
        await rulesets.handle("2026.2", Release(author="ben", reason=WHY), cause="5", seen=seen)
    assert (await rulesets.standing()).live == "2026.1"


async def test_a_version_that_is_not_there_is_refused(rulesets: RuleSets) -> None:
    with pytest.raises(RuleSetRefused, match="there is no rule set"):
        await rulesets.look("2026.9")


async def test_a_history_that_moves_on_and_on_is_said(
    rulesets: RuleSets, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def conflict(*_writes: object) -> None:
        raise Conflict("rulesets", 0, 1)

    monkeypatch.setattr(history, "append", conflict)
    with pytest.raises(Exception, match="moved on 50 times"):
        await rulesets.handle("2026.2", version("2026.2"), cause="1")


async def test_a_retired_one_keeps_its_content_for_old_alerts(rulesets: RuleSets) -> None:
    await rulesets.handle("2026.2", version("2026.2"), cause="1")
    await rulesets.handle("2026.2", Retire(author="ana", reason=WHY), cause="2")
    listed, _seen = await rulesets.look("2026.2")
    assert content_of(listed.life) == version("2026.2").ruleset
