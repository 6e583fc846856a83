"""The packed form of a card's memory."""

import pytest

from rules.memory import Memory, UnknownLayout, pack, unpack
from tests.rules.payments import TEN, Partition, minutes, payment

LONG = "\U0001d51e" * 64
"""The longest id there is: 64 characters of four bytes."""


def packed() -> bytes:
    partition = Partition()
    partition.arrive(
        payment("home", "Phnom Penh"),
        payment("b", "Paris", TEN + minutes(12), entry_mode="fallback"),
        payment("c", "Phnom Penh", TEN + minutes(30), repeat_of="home"),
        payment(LONG, "Phnom Penh", TEN + minutes(31)),
        payment("e", "Paris", TEN + minutes(32), entry_mode="ecommerce"),
    )
    return pack(partition.memory)


def test_what_is_packed_is_unpacked_with_all_that_decides() -> None:
    memory = unpack(packed())
    assert [entry.transaction_id for entry in memory.entries] == ["home", "b", "c", LONG, "e"]
    assert memory.believed is memory.entries[3]
    assert memory.standing["b"].against == memory.entries[0]
    assert pack(memory) == packed()


def test_an_empty_memory_is_packed_too() -> None:
    assert pack(unpack(pack(Memory()))) == pack(Memory())


def test_a_sighting_takes_some_sixty_bytes() -> None:
    partition = Partition()
    partition.arrive(payment("tx-000000000001", "Phnom Penh"))
    one = len(pack(partition.memory))
    partition.arrive(payment("tx-000000000002", "Phnom Penh", TEN + minutes(1)))
    assert len(pack(partition.memory)) - one <= 75


@pytest.mark.parametrize("cut", range(0, 300, 7))
def test_bytes_that_are_cut_off_are_not_a_memory(cut: int) -> None:
    with pytest.raises(UnknownLayout):
        unpack(packed()[:cut])


def test_bytes_of_another_version_are_not_a_memory() -> None:
    with pytest.raises(UnknownLayout, match="version 01"):
        unpack(b"\x01" + packed()[1:])
