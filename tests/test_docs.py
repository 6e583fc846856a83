"""What the pages say is held to the code: commands exist, settings and metrics are called so, links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer.main
from prometheus_client.parser import text_string_to_metric_families

from infra import metrics
from infra.cli.main import COMMANDS, build
from infra.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(?P<text>[^`\n]+)`")
_LINK = re.compile(r"\]\((?P<to>[^)\s]+)\)")
_SETTING = re.compile(r"RINGBACK_[A-Z_]*[A-Z]")
_METRIC = re.compile(r"\bringback_[a-z_]+")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> Iterator[list[str]]:
    """Each `ringback …` that a page shows, as its words."""
    text = page.read_text()
    shown = [line for fence in _FENCE.finditer(text) for line in fence["text"].splitlines()]
    shown += [each["text"] for each in _INLINE.finditer(_FENCE.sub("", text))]
    for line in shown:
        words = shlex.split(line, comments=True) if "ringback" in line else []
        if words and words[0] in {"ringback", ".venv/bin/ringback"}:
            yield words[1:]


def settled(words: list[str], tmp_path: Path) -> list[str]:
    """The words with files that exist where the page names a file."""
    found = []
    for word in words:
        if re.fullmatch(r"\S+\.(ndjson|csv|jsonl|parquet)|FILE", word):
            (tmp_path / word).touch()
            found.append(str(tmp_path / word))
        else:
            found.append(word)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_a_page_shows_is_understood(page: Path, tmp_path: Path) -> None:
    for words in commands(page):
        if not words:
            continue
        given = settled([word for word in words if word != "…"], tmp_path)
        command: Any = typer.main.get_command(build(given))  # of the click that Typer brings along
        context = command.context_class(command, info_name="ringback")
        while hasattr(command, "commands") and given:
            assert given[0] in command.commands, f"{name(page)}: ringback {' '.join(words)}"
            command = command.commands[given.pop(0)]
            context = command.context_class(command, info_name=command.name, parent=context)
        if given:  # one that is named alone is named, not shown
            command.make_context(command.name, given, parent=context.parent)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for link in _LINK.finditer(_FENCE.sub("", page.read_text())):
        to = unquote(link["to"].partition("#")[0])
        if to and not re.match(r"[a-z]+:", to):
            assert (page.parent / to).exists(), f"{name(page)}: {link['to']}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_that_a_page_names_is_one(page: Path) -> None:
    known = {f"RINGBACK_{field.upper()}" for field in Settings.model_fields} | {"RINGBACK_SETTINGS"}

    assert set(_SETTING.findall(page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_metric_that_a_page_names_is_one(page: Path) -> None:
    families = text_string_to_metric_families(metrics.exposition().decode())
    known = {family.name.removesuffix("_total") for family in families} | {"ringback_schema"}

    assert {each.removesuffix("_total") for each in _METRIC.findall(page.read_text())} <= known


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_that_help_lists_is_provided_and_says_what_it_does(command: object) -> None:
    listed = next(each for each in COMMANDS if each is command)

    assert listed.load() is not None
    assert listed.help.endswith(".")


def test_every_page_is_reached_from_the_readme_or_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md", ROOT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in _LINK.finditer(page.read_text()):
            to = (page.parent / unquote(link["to"].partition("#")[0])).resolve()
            to = to / "README.md" if to.is_dir() else to
            if to.suffix == ".md" and to.exists():
                waiting.append(to)

    assert {name(page) for page in PAGES} - {name(page) for page in reached} == set()
