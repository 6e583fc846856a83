"""A rule set as a file that a fraud manager reads and edits (TOML or JSON), and what differs between two."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from rules.ruleset import RuleSet
from rules.thresholds import MEANS, Problem, Threshold, UnusableRuleSet, checked, described


class Difference(msgspec.Struct, frozen=True):
    """One thing that two rule sets say differently; empty: one of them does not say it."""

    what: str
    before: str
    after: str


def parsed(text: str) -> RuleSet:
    """The rule set of a file's text: JSON if it begins with a brace, else TOML.

    Raises:
        UnusableRuleSet: it cannot be read, or something in it cannot be meant; everything that is wrong is named.
    """
    try:
        data = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except json.JSONDecodeError as error:
        raise UnusableRuleSet([Problem(f"line {error.lineno}", f"this is no JSON: {error.msg}")]) from None
    except tomllib.TOMLDecodeError as error:
        raise UnusableRuleSet([Problem("the file", f"this is no TOML: {error}")]) from None
    return checked(data)


def as_toml(ruleset: RuleSet) -> str:
    """The rule set as TOML, each threshold with its unit, bounds and meaning; `parsed` reads it back."""
    lines = [f"version = {_quoted(ruleset.version)}", ""]
    lines += [f"{each.name} = {_number(each, value)}  # {_comment(each)}" for each, value in described(ruleset)]
    for means in ruleset.means:
        lines += ["", "[[means]]", f"name = {_quoted(means.name)}"]
        lines += [f"{each.name} = {_number(each, getattr(means, each.name))}  # {_comment(each)}" for each in MEANS]
        lines += [f"reason = {_quoted(means.reason)}"] if means.reason else []
    for carrier in ruleset.in_transit:
        lines += ["", "[[in_transit]]", f"kind = {_quoted(carrier.kind)}"]
        lines += [
            f"{name} = [{', '.join(map(_quoted, getattr(carrier, name)))}]"
            for name in ("categories", "aboard", "ashore")
        ]
        lines += [f"reason = {_quoted(carrier.reason)}"]
    if not ruleset.in_transit:
        lines.insert(2, "in_transit = []")
    return "\n".join(lines) + "\n"


def differences(before: RuleSet, after: RuleSet) -> list[Difference]:
    """What the second says otherwise than the first, the version's name aside; nothing where they decide alike."""
    one, other = dict(_said(before)), dict(_said(after))
    return [
        Difference(what, one.get(what, ""), other.get(what, ""))
        for what in dict.fromkeys([*one, *other])
        if one.get(what) != other.get(what)
    ]


def _said(ruleset: RuleSet) -> Iterator[tuple[str, str]]:
    for each, value in described(ruleset):
        yield each.name, f"{value:,g} {each.unit}"
    yield from _entries("means", ((each.name, msgspec.structs.asdict(each)) for each in ruleset.means))
    yield from _entries("in_transit", ((each.kind, msgspec.structs.asdict(each)) for each in ruleset.in_transit))


def _entries(what: str, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, str]]:
    units = {each.name: each.unit for each in MEANS}
    for name, fields in entries:
        for field, value in fields.items():
            if field in {"name", "kind"}:
                continue
            shown = ", ".join(value) if isinstance(value, tuple) else value
            shown = f"{shown:,g} {units[field]}" if field in units else shown
            yield f"{what} {name}: {field}", shown


def _number(threshold: Threshold, value: float) -> str:
    return str(int(value)) if threshold.whole else repr(float(value))


def _comment(threshold: Threshold) -> str:
    return f"{threshold.unit}, {threshold.least:,g} to {threshold.most:,g}: {threshold.meaning}"


def _quoted(text: str) -> str:
    """A basic string of TOML: what JSON escapes, TOML reads alike."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
