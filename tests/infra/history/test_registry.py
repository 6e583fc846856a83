"""Which fields are personal, and that nobody forgets to say."""

import importlib
import pkgutil
from typing import Any, ClassVar

import pytest

import outreach
from infra.history.errors import UndeclaredClass
from infra.history.event import Event, Personal, Plain
from infra.history.registry import find, personal_fields, register, registered, undeclared_strings
from tests.infra.history import notes
from tests.infra.history.notes import Counted, NoteTaken


class Careless(Event, frozen=True, kw_only=True):
    wire_name: ClassVar[str] = "test.careless"
    fine: Plain
    name: str
    names: list[str]
    maybe: str | None = None
    anything: dict[Plain, Any]
    number: int = 0
    described: Personal | None = None


def event_modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(outreach.__path__, "outreach.")]
    return [name for name in found if name.rsplit(".", 1)[-1].endswith("events")]


def test_a_module_makes_its_classes_known() -> None:
    register(notes)
    assert find("note.taken", 1) is NoteTaken
    assert registered()[("note.counted", 1)] is Counted
    assert find("note.taken", 2) is None


def test_two_classes_cannot_share_a_name() -> None:
    class Other(Event, frozen=True, kw_only=True):
        wire_name: ClassVar[str] = "note.taken"

    register(notes)
    with pytest.raises(UndeclaredClass, match=r"note\.taken version 1"):
        register(Other)


def test_a_class_without_a_name_is_refused() -> None:
    class Nameless(Event, frozen=True, kw_only=True):
        pass

    with pytest.raises(UndeclaredClass, match="Nameless"):
        register(Nameless)


def test_personal_fields_come_with_their_empty_values() -> None:
    assert personal_fields(NoteTaken) == {"text": "", "details": {}, "places": []}
    assert personal_fields(Counted) == {}
    assert personal_fields(Careless) == {"described": None}


def test_text_that_nobody_has_thought_about_is_listed() -> None:
    assert undeclared_strings(Careless) == [
        "Careless.anything",
        "Careless.maybe",
        "Careless.name",
        "Careless.names",
    ]


def test_every_text_of_every_event_of_outreach_is_declared() -> None:
    modules = [importlib.import_module(name) for name in event_modules()]
    assert len(modules) >= 2
    assert undeclared_strings(*modules) == []
    register(*modules)
    for cls in registered().values():
        personal_fields(cls)
