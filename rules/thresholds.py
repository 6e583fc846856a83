"""Every threshold of a rule set by name, with its unit and its bounds; and whether a rule set may be used.

Bounds keep out what cannot be meant (a floor of 5,000 km) and what the memory of a card cannot bear. Whether a rule set
is a good one is for the backtest and the shadow to say.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from rules.ruleset import RuleSet

VERSION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9])?\Z")
"""A version stands in streams, on alerts and in metrics."""
RESERVED: Final = frozenset({"live", "shadow"})
"""These say which version is meant, and so are none."""

_KM_PER_DEGREE: Final = 111.2
_ROOT_OF_TWO: Final = 1.4143
_LONGEST_TEXT: Final = 1000
_CATEGORY: Final = re.compile(r"[0-9]{4}(?:-[0-9]{4})?\Z")


class Threshold(msgspec.Struct, frozen=True):
    """One number: its name, its unit, the bounds within which it is taken, and what it does, in words."""

    name: str
    unit: str
    least: float
    most: float
    meaning: str
    whole: bool = False


THRESHOLDS: Final[tuple[Threshold, ...]] = (
    Threshold("floor_km", "km", 1, 1000, "below this distance, less both radii, nothing is judged"),
    Threshold("clock_allowance_s", "s", 0, 3600, "added to the time between two payments: clocks are not exact", True),
    Threshold("weak_radius_km", "km", 1, 1000, "a place that is less exact than this is weak"),
    Threshold("contradiction_km", "km", 10, 5000, "a point further from the stated place gives way to it"),
    Threshold("doubt_km", "km", 10, 5000, "a point further from the stated city is uncertain by as much"),
    Threshold("memory_s", "s", 3600, 7 * 86_400, "a card's memory, behind the newest payment of the feed", True),
    Threshold("slots", "slots", 1, 64, "so many sightings are remembered, those of one place and time as one", True),
    Threshold("slot_s", "s", 60, 86_400, "payments of one place share a slot for this long", True),
    Threshold("slot_degrees", "degrees", 0.01, 5, "the sides of one place; its diagonal must be below the floor"),
    Threshold("most_sightings", "sightings", 1, 250, "never more are remembered, however few slots they fill", True),
    Threshold("others", "payments", 1, 64, "so many payments that say nothing of a place are remembered", True),
    Threshold("late_s", "s", 3600, 7 * 86_400, "what is raised on something older is a review", True),
    Threshold("quiet_s", "s", 0, 366 * 86_400, "so long the way to a confirmed payment, and back, is quiet", True),
    Threshold("quiet_km", "km", 0, 1000, "so near to both ends of that way a payment must be, to be of it"),
)
MEANS: Final[tuple[Threshold, ...]] = (
    Threshold("overhead_s", "s", 0, 6 * 3600, "what it costs whatever the distance", True),
    Threshold("speed_kmh", "km/h", 10, 2000, "over the great circle; nobody is faster"),
)

_TOP: Final = ("version", *(each.name for each in THRESHOLDS), "means", "in_transit")
_OF_MEANS: Final = ("name", *(each.name for each in MEANS), "reason")
_OF_CARRIER: Final = ("kind", "categories", "aboard", "ashore", "reason")


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: where it stands, and what to do about it."""

    where: str
    what: str

    def __str__(self) -> str:
        """Both, as one line."""
        return f"{self.where}: {self.what}"


class UnusableRuleSet(Exception):
    """A rule set that may not be used.

    Attributes:
        problems: all of them.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("this is no usable rule set:\n" + "\n".join(f"  {each}" for each in problems))
        self.problems = tuple(problems)


def checked(data: Any) -> RuleSet:
    """The rule set that this data describes; a threshold that is left out has its default.

    Args:
        data: as read from TOML or JSON.

    Raises:
        UnusableRuleSet: with everything that is wrong in it.
    """
    if not isinstance(data, Mapping):
        raise UnusableRuleSet([Problem("the file", "it holds no table of thresholds")])
    problems = [*_unknown("", data, _TOP), *_version(data.get("version")), *_numbers("", data, THRESHOLDS)]
    problems += _many("means", data.get("means"), _means)
    if "in_transit" in data:
        problems += _many("in_transit", data["in_transit"], _carrier, at_least=0)
    if problems:
        raise UnusableRuleSet(problems)
    ruleset = msgspec.convert(dict(data), RuleSet)
    if problems := [*_together(ruleset)]:
        raise UnusableRuleSet(problems)
    return ruleset


def _together(ruleset: RuleSet) -> Iterator[Problem]:
    """What each number may be, and the two may not."""
    diagonal_km = ruleset.slot_degrees * _KM_PER_DEGREE * _ROOT_OF_TWO
    if diagonal_km >= ruleset.floor_km:
        yield Problem(
            "slot_degrees",
            f"two payments in one slot may be {diagonal_km:.1f} km apart, which is not below floor_km"
            f" ({ruleset.floor_km:g} km); take a smaller one, or a higher floor",
        )
    if ruleset.late_s > ruleset.memory_s:
        yield Problem("late_s", f"{ruleset.late_s} s is beyond the memory (memory_s is {ruleset.memory_s} s)")
    if ruleset.most_sightings < ruleset.slots:
        yield Problem("most_sightings", f"{ruleset.most_sightings} is less than slots ({ruleset.slots})")
    for field, names in (
        ("means", [each.name for each in ruleset.means]),
        ("in_transit", [each.kind for each in ruleset.in_transit]),
    ):
        for twice in sorted({name for name in names if names.count(name) > 1}):
            yield Problem(field, f"`{twice}` stands there twice; give each a name of its own")


def _version(value: Any) -> Iterator[Problem]:
    if value is None:
        yield Problem("version", 'it is missing; name the rule set, for example version = "2026.2"')
    elif not isinstance(value, str) or not VERSION.match(value):
        yield Problem("version", "it must be text of 1 to 40 letters, digits, dots, dashes and underscores")
    elif value in RESERVED:
        yield Problem("version", f"`{value}` is no version: it says which one is meant")


def _unknown(where: str, data: Mapping[Any, Any], known: Sequence[str]) -> Iterator[Problem]:
    for name in data:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"; is `{near[0]}` meant?" if near else f"; known are {', '.join(known)}"
            yield Problem(f"{where}{name}", f"there is no such threshold{hint}")


def _numbers(where: str, data: Mapping[Any, Any], known: Sequence[Threshold], *, needed: bool = False) -> list[Problem]:
    problems = []
    for each in known:
        if each.name not in data:
            if needed:
                problems.append(Problem(f"{where}{each.name}", f"it is missing; say it in {each.unit}"))
            continue
        value = data[each.name]
        kind = "a whole number" if each.whole else "a number"
        if isinstance(value, bool) or not isinstance(value, int if each.whole else (int, float)):
            problems.append(Problem(f"{where}{each.name}", f"it must be {kind} of {each.unit}, and is {value!r}"))
        elif not each.least <= value <= each.most:  # and so no NaN
            bounds = f"{each.least:,g} to {each.most:,g} {each.unit}"
            problems.append(Problem(f"{where}{each.name}", f"{value!r} is outside of {bounds}"))
    return problems


def _many(where: str, value: Any, check: Any, *, at_least: int = 1) -> Iterator[Problem]:
    if not isinstance(value, (list, tuple)) or len(value) < at_least:
        yield Problem(where, f"there must be at least {at_least}, each under its own [[{where}]]")
        return
    for number, each in enumerate(value, start=1):
        if isinstance(each, Mapping):
            yield from check(f"{where} {number}, ", each)
        else:
            yield Problem(f"{where} {number}", f"it must be a table: [[{where}]]")


def _means(where: str, data: Mapping[Any, Any]) -> Iterator[Problem]:
    yield from _unknown(where, data, _OF_MEANS)
    yield from _text(where, data, "name")
    yield from _text(where, data, "reason", needed=False)
    yield from _numbers(where, data, MEANS, needed=True)


def _carrier(where: str, data: Mapping[Any, Any]) -> Iterator[Problem]:
    yield from _unknown(where, data, _OF_CARRIER)
    yield from _text(where, data, "kind")
    yield from _text(where, data, "reason")
    for name in ("categories", "aboard", "ashore"):
        words = data.get(name)
        if not isinstance(words, (list, tuple)) or not all(isinstance(each, str) and each for each in words):
            yield Problem(f"{where}{name}", "it must be a list of texts")
        elif not words and name != "ashore":
            yield Problem(f"{where}{name}", "it must not be empty")
        elif name == "categories":
            for each in words:
                first, _, last = each.partition("-")
                if not _CATEGORY.match(each) or (last and last < first):
                    yield Problem(f"{where}{name}", f"{each!r} is neither a category (4511) nor a range (3000-3350)")


def _text(where: str, data: Mapping[Any, Any], name: str, *, needed: bool = True) -> Iterator[Problem]:
    value = data.get(name, None if needed else "")
    if not isinstance(value, str) or (needed and not value.strip()):
        yield Problem(f"{where}{name}", "it must be a text")
    elif len(value) > _LONGEST_TEXT or not value.isprintable():
        yield Problem(f"{where}{name}", f"it must be one line of at most {_LONGEST_TEXT} characters")


def described(ruleset: RuleSet) -> Iterator[tuple[Threshold, float]]:
    """Each threshold with its value, in their order."""
    for each in THRESHOLDS:
        yield each, getattr(ruleset, each.name)
