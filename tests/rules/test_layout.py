"""A card's memory at rest: what is packed decides alike, and what is damaged is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.layout import FIRST, MOST_ROOM, NOTHING, UnknownLayout, check_version, entry_of, pack, unpack
from rules.memory import Entry, Memory
from tests.rules.payments import CARD, TEN, Partition, minutes, payment

LONG = "\U0001d51e" * 64
"""The longest id there is: 64 characters of four bytes."""

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64) | st.just(LONG)
ENTRIES = st.builds(
    Entry,
    at_us=st.integers(-(2**62), 2**62) | st.integers(0, 2**32 * 10**6),
    transaction_id=NAMES,
    trust=st.integers(0, 2),
    lat_e7=st.integers(-900_000_000, 900_000_000),
    lon_e7=st.integers(-1_800_000_000, 1_800_000_000),
    radius_m=st.just(0) | st.integers(0, 20_038_000),
    grade=st.integers(0, 3),
    digest=st.binary(min_size=4, max_size=4),
    ref=st.integers(0, 2**40) | st.integers(0, 2**63 - 1),
    repeat_of=st.none() | NAMES,
    device=st.integers(0, 1) | st.integers(2, 2**64 - 1),
)


def packed() -> bytes:
    partition = Partition()
    partition.arrive(
        payment("home", "Phnom Penh"),
        payment("b", "Paris", TEN + minutes(12), entry_mode="fallback"),
        payment("c", "Phnom Penh", TEN + minutes(30), repeat_of="home"),
        payment(LONG, "Phnom Penh", TEN + minutes(31)),
        payment("e", "Paris", TEN + minutes(32), entry_mode="ecommerce"),
    )
    return partition.memories[CARD]


def test_what_is_packed_is_unpacked_with_all_that_decides() -> None:
    memory = unpack(packed())
    assert [entry.transaction_id for entry in memory.entries] == ["home", "b", "c", LONG, "e"]
    assert memory.believed is memory.entries[3]
    assert memory.standing["b"].against == memory.entries[0]
    assert pack(memory) == packed()


@given(st.lists(ENTRIES, max_size=5), st.integers(-1, 4), st.integers(0, MOST_ROOM), st.integers(0, 1))
def test_whatever_an_entry_holds_is_there_again(entries: list[Entry], believed: int, room: int, several: int) -> None:
    memory = Memory(room=room if entries else 0, several=bool(several and entries))
    memory.hold(entries)
    memory.believed = entries[believed] if 0 <= believed < len(entries) else None
    assert unpack(pack(memory)) == memory


def test_what_a_memory_holds_of_a_transaction_is_found() -> None:
    partition = Partition()
    partition.arrive(payment("home", "Phnom Penh"), payment("next", "Phnom Penh", TEN + minutes(1)))
    entries = partition.memory.entries
    assert entry_of(partition.memories[CARD], "home") == entries[0]
    assert entry_of(partition.memories[CARD], "next") == entries[1]
    assert entry_of(partition.memories[CARD], "ext") is None
    assert entry_of(partition.memories[CARD], "other") is None
    assert entry_of(packed(), "e") == unpack(packed()).entries[-1]
    assert entry_of(NOTHING, "home") is None


def test_a_memory_that_holds_nothing_is_no_bytes() -> None:
    assert pack(Memory()) == NOTHING
    assert unpack(NOTHING) == Memory()
    check_version(NOTHING)


def test_a_memory_that_only_knows_what_it_has_forgotten_is_kept() -> None:
    memory = Memory(cut=(7, "seven"))
    assert unpack(pack(memory)) == memory


def test_a_sighting_takes_25_bytes_and_its_id() -> None:
    partition = Partition()
    partition.arrive(payment("tx-000000000001", "Phnom Penh"))
    one = len(partition.memories[CARD])
    partition.arrive(payment("tx-000000000002", "Phnom Penh", TEN + minutes(1)))
    assert one == 1 + (25 + 15) + 5
    assert len(partition.memories[CARD]) - one == 25 + 15


@pytest.mark.parametrize("cut", range(1, 500, 7))
def test_bytes_that_are_cut_off_are_not_a_memory(cut: int) -> None:
    with pytest.raises(UnknownLayout):
        unpack(packed()[:-cut])


def test_bytes_in_which_the_believed_one_is_nowhere_are_not_a_memory() -> None:
    value = packed()
    since = value[-5:-1]
    with pytest.raises(UnknownLayout, match="do not fit"):
        unpack(value[:-5] + (int.from_bytes(since) + 1).to_bytes(4) + value[-1:])


@pytest.mark.parametrize(
    "value", [b"\x05" + packed()[1:], b"\x85" + packed()[1:], b"\x02\x00\x00\x00\x01\x00\x01", b"{}"]
)
def test_bytes_of_another_version_are_not_a_memory(value: bytes) -> None:
    with pytest.raises(UnknownLayout, match=f"version {value[0] % 128}; this one reads 6"):
        unpack(value)
    with pytest.raises(UnknownLayout):
        check_version(value)


def test_bytes_without_an_end_to_read_are_not_a_memory() -> None:
    with pytest.raises(UnknownLayout, match="too short"):
        check_version(packed()[:29])


@given(st.binary(max_size=80))
def test_any_bytes_are_a_memory_or_damaged(rest: bytes) -> None:
    for first in (FIRST, b"\x86\x00\x00\x00\x05"):
        try:
            memory = unpack(first + rest)
        except UnknownLayout:
            continue
        assert unpack(pack(memory)) == memory
