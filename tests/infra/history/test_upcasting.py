"""An event that has had three versions is read as the newest, whichever was written."""

from typing import ClassVar

import psycopg
import pytest

from infra.history import registry, upcasting
from infra.history.canonical import canonical_json
from infra.history.errors import UndeclaredClass, Unreadable
from infra.history.event import Event, Personal, Plain, UnknownEvent
from infra.history.registry import register
from infra.history.store import History, StreamWrite
from infra.history.upcasting import Fields, lifts, upcaster, version_today
from tests.infra.history.conftest import Make

NAME = "test.parcel"


class ParcelV1(Event, frozen=True, kw_only=True):
    """As it was first written: the address in one line."""

    wire_name: ClassVar[str] = NAME
    parcel: Plain
    address: Personal
    weight_g: int


class ParcelV2(Event, frozen=True, kw_only=True):
    """The name stands by itself."""

    wire_name: ClassVar[str] = NAME
    schema_version: ClassVar[int] = 2
    parcel: Plain
    name: Personal
    address: Personal
    weight_g: int


class Parcel(Event, frozen=True, kw_only=True):
    """Kilograms, and what nobody said before is empty."""

    wire_name: ClassVar[str] = NAME
    schema_version: ClassVar[int] = 3
    parcel: Plain
    name: Personal
    address: Personal
    weight_kg: float
    carrier: Plain = ""


@pytest.fixture(autouse=True)
def _three_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upcasting, "_steps", {})

    @upcaster(NAME, 1, personal={"address": ""})
    def _name(fields: Fields) -> Fields:
        name, _, address = fields["address"].partition(", ")
        return {**fields, "name": name, "address": address}

    @upcaster(NAME, 2, personal={"name": "", "address": ""})
    def _kilograms(fields: Fields) -> Fields:
        return {**fields, "weight_kg": fields.pop("weight_g") / 1000}

    register(Parcel)


@pytest.fixture
async def written(history: History, note: Make) -> History:
    """One of each version, as three generations of the program have written them."""
    for event in (
        ParcelV1(parcel="p1", address="Sokha Chan, 12 Pine Street", weight_g=500),
        ParcelV2(parcel="p2", name="Sokha Chan", address="12 Pine Street", weight_g=1500),
        Parcel(parcel="p3", name="Sokha Chan", address="12 Pine Street", weight_kg=2.5, carrier="post"),
    ):
        await history.append(StreamWrite("parcel-1", [note(event)]))
    # Appending has made the old classes known; the program of today has only the newest.
    for cls in (ParcelV1, ParcelV2):
        registry._classes.pop((NAME, cls.schema_version))
    return history


async def test_each_version_is_read_as_the_newest(written: History) -> None:
    read = await written.read_stream("parcel-1")
    who = {"name": "Sokha Chan", "address": "12 Pine Street"}
    assert [one.event for one in read] == [
        Parcel(parcel="p1", weight_kg=0.5, **who),
        Parcel(parcel="p2", weight_kg=1.5, **who),
        Parcel(parcel="p3", weight_kg=2.5, carrier="post", **who),
    ]


async def test_an_erased_one_is_lifted_without_what_was_personal(written: History) -> None:
    await written.destroy_keys(["sokha"])
    read = await written.read_stream("parcel-1")
    assert [one.erased for one in read] == [True, True, True]
    assert [one.event for one in read][:2] == [
        Parcel(parcel="p1", name="", address="", weight_kg=0.5),
        Parcel(parcel="p2", name="", address="", weight_kg=1.5),
    ]


async def test_what_is_stored_is_not_rewritten(written: History) -> None:
    await written.read_stream("parcel-1")
    stored = await written.read_stored(after=0)
    assert [one.schema_version for one in stored] == [1, 2, 3]
    assert stored[0].payload == canonical_json({"parcel": "p1", "weight_g": 500})


async def test_a_newer_version_than_the_program_knows_is_carried(
    written: History, tampering: psycopg.AsyncConnection
) -> None:
    await tampering.execute("UPDATE history.events SET schema_version = 4 WHERE position = 3")
    read = await written.read_stream("parcel-1")
    assert read[2].event == UnknownEvent(
        type_name=NAME, type_version=4, payload={"parcel": "p3", "weight_kg": 2.5, "carrier": "post"}
    )


async def test_an_upcaster_that_fails_is_named_without_what_it_was_given(
    written: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upcasting, "_steps", {})

    @upcaster(NAME, 1, personal={"address": ""})
    def _fails(fields: Fields) -> Fields:
        raise KeyError(fields["address"])

    @upcaster(NAME, 2)
    def _passes(fields: Fields) -> Fields:
        return fields

    with pytest.raises(Unreadable, match=r"position 1.*from version 1 fails: KeyError") as failed:
        await written.read_stream("parcel-1")
    assert "Sokha" not in str(failed.value)


def test_the_chain_says_how_far_it_goes() -> None:
    assert [version_today(NAME, version) for version in (1, 2, 3, 4)] == [3, 3, 3, 4]
    assert lifts(NAME) == [1, 2]


def test_two_upcasters_from_one_version_are_refused() -> None:
    with pytest.raises(UndeclaredClass, match="version 1"):

        @upcaster(NAME, 1)
        def _another(fields: Fields) -> Fields:
            return fields
