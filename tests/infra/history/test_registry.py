"""Which fields are personal, and that nobody forgets to say."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NewType

import msgspec
import pytest
from msgspec import field

from infra.history.errors import UndeclaredClass
from infra.history.event import Event, Personal, Plain
from infra.history.registry import find, personal_fields, register, registered, undeclared_strings
from tests.infra.history import notes
from tests.infra.history.notes import Counted, NoteTaken
from tests.infra.history.product import event_classes


class Careless(Event, frozen=True, kw_only=True):
    wire_name: ClassVar[str] = "test.careless"
    fine: Plain
    name: str
    names: list[str]
    maybe: str | None = None
    anything: dict[Plain, Any]
    number: int = 0
    described: Personal | None = None


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


class Address(msgspec.Struct):
    street: Personal = ""
    country: Plain = ""


@dataclass
class Parcel:
    label: str


Name = NewType("Name", str)


class Nested(Event, frozen=True, kw_only=True):
    """Text further down, where nobody looks."""

    wire_name: ClassVar[str] = "test.nested"
    parcel: Parcel
    parcels: dict[Plain, list[Parcel]]
    name: Name | None
    anything: dict  # type: ignore[type-arg] # says nothing of what it holds
    pair: tuple[Plain, bytes]
    good: Address
    kind: Literal["small", "large"] = "small"


class Inner(msgspec.Struct):
    to: Address
    number: int = 0


class Sent(Event, frozen=True, kw_only=True):
    wire_name: ClassVar[str] = "test.sent"
    inner: Inner | None = None
    others: list[Inner] = field(default_factory=list)
    number: int = 0


def test_text_within_what_a_field_holds_is_listed_too() -> None:
    assert undeclared_strings(Nested) == [
        "Nested.anything",
        "Nested.name",
        "Nested.pair",
        "Nested.parcel",
        "Nested.parcels",
    ]


def test_a_field_that_holds_something_personal_further_down_is_sealed_whole() -> None:
    assert personal_fields(Sent) == {"inner": None, "others": []}


@pytest.mark.parametrize("cls", event_classes(), ids=lambda cls: cls.__name__)
def test_every_text_of_every_event_of_the_product_is_declared(cls: type[Event]) -> None:
    assert undeclared_strings(cls) == [], "say of each field whether it is Personal or Plain (infra/history/event.py)"
    personal_fields(cls)
