"""A rule set as a file, and what differs between two."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.in_transit import Carrier
from rules.ruleset import LIVE, Means, RuleSet
from rules.ruleset_text import Difference, as_toml, differences, parsed
from rules.thresholds import MEANS, THRESHOLDS, Threshold, UnusableRuleSet, checked

replace = msgspec.structs.replace
texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8)
words = st.lists(texts, min_size=1, max_size=2).map(tuple)


def within(threshold: Threshold) -> st.SearchStrategy[float]:
    if threshold.whole:
        return st.integers(int(threshold.least), int(threshold.most))
    return st.floats(threshold.least, threshold.most)


def usable(ruleset: RuleSet) -> bool:
    try:
        checked(msgspec.to_builtins(ruleset))
    except UnusableRuleSet:
        return False
    return True


means = st.builds(Means, name=texts, reason=st.just("") | texts, **{each.name: within(each) for each in MEANS})
carriers = st.builds(
    Carrier, kind=texts, categories=st.just(("4511", "3000-3350")), aboard=words, ashore=words, reason=texts
)
numbers = {each.name: within(each) for each in THRESHOLDS}
numbers |= {"slot_degrees": st.floats(0.01, 0.2), "floor_km": st.floats(40, 1000)}
numbers |= {"late_s": st.just(3600), "most_sightings": st.integers(64, 250)}
rulesets = st.builds(
    RuleSet,
    version=st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    means=st.lists(means, min_size=1, max_size=2, unique_by=lambda each: each.name).map(tuple),
    in_transit=st.lists(carriers, max_size=2).map(tuple),
    **numbers,
).filter(usable)


@given(rulesets)
def test_what_is_written_is_read_back_the_same(ruleset: RuleSet) -> None:
    assert parsed(as_toml(ruleset)) == ruleset
    assert parsed(msgspec.json.encode(ruleset).decode()) == ruleset


@given(rulesets)
def test_nothing_differs_from_itself_by_another_name(ruleset: RuleSet) -> None:
    assert differences(ruleset, replace(ruleset, version="another")) == []


def test_each_threshold_is_written_with_its_unit_and_bounds() -> None:
    text = as_toml(LIVE)
    assert "floor_km = 50.0  # km, 1 to 1,000: below this distance" in text
    assert text.count("[[means]]") == 3


def test_what_two_say_differently_is_told_in_words() -> None:
    slower = replace(LIVE.means[0], speed_kmh=130)
    sea = Carrier(kind="submarine", categories=("4411",), aboard=("dive",), ashore=(), reason="It dives.")
    after = replace(
        LIVE, version="2026.2", floor_km=1000, means=(slower, *LIVE.means[1:]), in_transit=(*LIVE.in_transit[1:], sea)
    )
    found = differences(LIVE, after)
    assert Difference("floor_km", "50 km", "1,000 km") in found
    assert Difference("means car: speed_kmh", "150 km/h", "130 km/h") in found
    assert Difference("in_transit submarine: aboard", "", "dive") in found
    assert {each.what for each in found if not each.after and each.before} == {
        f"in_transit airline: {field}" for field in ("categories", "aboard", "ashore", "reason")
    }


@pytest.mark.parametrize(("text", "said"), [('{"version": }', "line 1: this is no JSON"), ("version =", "no TOML")])
def test_what_is_neither_toml_nor_json_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UnusableRuleSet, match=said):
        parsed(text)
