"""Whatever was ever written can be read, and nobody changes what an event is made of without noticing."""

import msgspec
import pytest

from infra.history.box import unseal
from infra.history.event import Event, UnknownEvent
from infra.history.registry import personal_fields, register
from infra.history.sealing import opened, split
from infra.history.upcasting import lifts, version_today
from tests.infra.history.golden import KEY, KEY_ID, Golden, fields_of, golden, known_fields, new_event, written
from tests.infra.history.product import event_classes

COMMAND = "python -m tests.infra.history.golden"
WHAT_TO_DO = (
    "What is stored keeps its fields for ever. Raise schema_version by one, say beside the class how the version before"
    f" becomes this one (infra/history/upcasting.py), and run `{COMMAND}`. Only where no release has ever written"
    f" this version: `{COMMAND} --again"
)

register(*event_classes())


def named(one: Golden) -> str:
    return f"{one.type}-{one.schema_version}"


def written_today() -> list[Golden]:
    """Those of a version that is written still: an older one is read alone."""
    return [one for one in written() if version_today(one.type, one.schema_version) == one.schema_version]


@pytest.fixture(params=written(), ids=named)
def stored(request: pytest.FixtureRequest) -> Golden:
    found: Golden = request.param
    return found


def newest(wire_name: str) -> type[Event]:
    return next(cls for cls in reversed(event_classes()) if cls.wire_name == wire_name)


def test_the_walk_finds_the_events_of_every_room() -> None:
    rooms = {cls.__module__ for cls in event_classes()}
    assert {"outreach.cases.events", "outreach.customers.events", "streams.rulesets.events"} <= rooms
    assert len(event_classes()) > 50


@pytest.mark.parametrize("cls", event_classes(), ids=lambda cls: cls.__name__)
def test_the_fields_of_an_event_change_only_with_its_version(cls: type[Event]) -> None:
    known = known_fields().get(cls.wire_name, {}).get(str(cls.schema_version))
    if known is None:
        pytest.fail(f"{cls.wire_name} version {cls.schema_version} is new: run `{COMMAND}` and look at what it adds")
    assert fields_of(cls) == known, f"{cls.wire_name} has changed. {WHAT_TO_DO} {cls.wire_name}`"


def test_every_version_has_a_golden_event_and_a_way_to_the_newest() -> None:
    there = {(one.type, one.schema_version) for one in written()}
    for cls in event_classes():
        wanted = range(1, cls.schema_version + 1)
        missing = [version for version in wanted if (cls.wire_name, version) not in there]
        assert not missing, f"{cls.wire_name} has no golden event of version {missing}: run `{COMMAND}`"
        if newest(cls.wire_name) is cls:
            assert lifts(cls.wire_name) == list(wanted)[:-1], f"{cls.wire_name} lacks an upcaster"


def test_a_golden_event_opens_as_the_newest_version(stored: Golden) -> None:
    event = opened(stored.stored, {KEY_ID: KEY}).event
    assert type(event) is newest(stored.type)
    assert event.schema_version == version_today(stored.type, stored.schema_version)


def test_a_golden_event_opens_without_its_key(stored: Golden) -> None:
    recorded = opened(stored.stored, {})
    assert not isinstance(recorded.event, UnknownEvent)
    if stored.schema_version == recorded.event.schema_version:
        empties = personal_fields(type(recorded.event))
        assert {name: getattr(recorded.event, name) for name in empties} == dict(empties)
    assert recorded.erased == (stored.personal is not None)


@pytest.mark.parametrize("stored", written_today(), ids=named, indirect=True)
def test_an_event_of_today_is_stored_as_its_golden_one_was(stored: Golden) -> None:
    event = opened(stored.stored, {KEY_ID: KEY}).event
    halves = split(new_event(event))
    assert halves.payload.decode() == stored.payload
    row = stored.stored
    personal = None if row.personal is None else unseal(KEY, row.personal, row.event_id.bytes)
    assert halves.personal == personal


def test_a_changed_field_is_noticed() -> None:
    class Before(Event, frozen=True, kw_only=True):
        number: int
        names: list[str] = []  # noqa: RUF012 -- msgspec copies it

    class After(Event, frozen=True, kw_only=True):
        number: float
        names: list[str] | None = None

    assert fields_of(Before) == {"number": "int", "names": "list[str], may be missing"}
    assert fields_of(After) == {"number": "float", "names": "or[list[str], NoneType], may be missing"}
    assert msgspec.json.encode(fields_of(Before)) != msgspec.json.encode(fields_of(After))
    assert golden(newest("case.opened")) == golden(newest("case.opened"))  # nothing personal, nothing random
