"""What the page on cases says is what the code does; and what decides knows no clock, no chance and no connection."""

import ast
from pathlib import Path

import pytest

from outreach.cases.decide import DECIDERS
from outreach.cases.documented import GROUPS, filled
from outreach.cases.samples import COMMANDS

ROOT = Path(__file__).parents[3]
MAKE_ANEW = "bring it up to date: outreach.cases.documented.write(Path('docs'))"

PURE = (
    "alert",
    "alerts",
    "answers",
    "call_events",
    "calls",
    "card_actions",
    "commands",
    "contacts",
    "decide",
    "draft",
    "erasure",
    "errors",
    "events",
    "evolve",
    "evolve_calls",
    "identity",
    "state",
    "tasks",
    "told",
)
KNOWN = {"collections.abc", "datetime", "enum", "functools", "typing", "uuid", "msgspec", "msgspec.structs"}
OURS = {"infra.history.event", "infra.history.registry", "outreach.cases", *(f"outreach.cases.{one}" for one in PURE)}
IMPURE = {"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input"}


def test_the_page_shows_the_cases_as_they_are() -> None:
    page = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
    assert filled(page) == page, MAKE_ANEW


def test_every_command_is_on_the_page() -> None:
    assert DECIDERS.keys() == COMMANDS.keys()
    assert sorted(kind.__name__ for kinds in GROUPS.values() for kind in kinds) == sorted(
        kind.__name__ for kind in DECIDERS
    )


@pytest.mark.parametrize("name", PURE)
def test_what_decides_has_no_clock_no_chance_and_no_connection(name: str) -> None:
    tree = ast.parse((ROOT / "outreach" / "cases" / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module in KNOWN | OURS, f"{name} imports {node.module}"
        elif isinstance(node, ast.Import):
            assert {each.name for each in node.names} <= KNOWN
        elif isinstance(node, ast.Attribute):
            assert node.attr not in IMPURE, f"{name} uses {node.attr}"
        elif isinstance(node, ast.Name):
            assert node.id not in IMPURE, f"{name} uses {node.id}"
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{name} waits"
