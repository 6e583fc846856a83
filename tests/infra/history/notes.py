"""Events of the tests' own."""

from typing import ClassVar

from msgspec import field

from infra.history.event import Event, Personal, PersonalData, PersonalList, Plain


class NoteTaken(Event, frozen=True, kw_only=True):
    """Somebody wrote something down."""

    wire_name: ClassVar[str] = "note.taken"
    about: Plain
    text: Personal
    details: PersonalData = field(default_factory=dict)
    places: PersonalList = field(default_factory=list)


class Counted(Event, frozen=True, kw_only=True):
    """Nothing personal."""

    wire_name: ClassVar[str] = "note.counted"
    number: int
