"""Whatever order, however often, in however many pieces: the same set of transactions ends with the same suspects."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.layout import pack, unpack
from tests.rules.payments import CARD, PLACES, TEN, Partition, payment

NAMES = [f"payment-{letter}" for letter in "abcdefghij"]
ENTRY_MODES = ("chip", "contactless", "magstripe", "fallback", "manual", "ecommerce")


@st.composite
def rows(draw: st.DrawFn) -> bytes:
    """One payment within ten hours: often of the same id, time or place as another, sometimes the repeat of one."""
    fields: dict[str, Any] = {"entry_mode": draw(st.sampled_from(ENTRY_MODES))}
    if draw(st.integers(0, 5)) == 0:
        fields["repeat_of"] = draw(st.sampled_from(NAMES))
    if draw(st.integers(0, 5)) == 0:
        fields["amount"] = draw(st.sampled_from(["1.00", "2.00"]))
    at = TEN + timedelta(minutes=draw(st.sampled_from([0, 1, 5, 12, 30, 90, 200, 400, 600])))
    place = draw(st.sampled_from(sorted(PLACES)))
    return payment(draw(st.sampled_from(NAMES)), place, at, **fields)


def ends_with(arrivals: Sequence[bytes]) -> dict[str, str | None]:
    partition = Partition()
    partition.arrive(*arrivals)
    assert partition.standing == partition.remembered == partition.walked
    return partition.standing


@given(st.lists(rows(), min_size=1, max_size=12), st.data())
def test_any_permutation_duplication_and_replay_ends_with_the_same_suspects(
    these: list[bytes], data: st.DataObject
) -> None:
    doubled = these + data.draw(st.lists(st.sampled_from(these), max_size=6))
    assert ends_with(data.draw(st.permutations(doubled))) == ends_with(these)
    assert ends_with(these + these) == ends_with(these)


@given(st.lists(rows(), min_size=1, max_size=12), st.integers(0, 12))
def test_a_memory_packed_and_unpacked_in_between_decides_alike(these: list[bytes], cut: int) -> None:
    partition = Partition()
    partition.arrive(*these[:cut])
    if CARD in partition.memories:
        value = partition.memories[CARD]
        partition.memories[CARD] = pack(unpack(value))
        assert partition.memories[CARD] == value
    partition.arrive(*these[cut:])
    assert partition.standing == ends_with(these)


@given(st.lists(rows(), min_size=1, max_size=12))
def test_raised_revised_and_withdrawn_fold_to_what_stands_after_each_arrival(these: list[bytes]) -> None:
    partition = Partition()
    for row in these:
        partition.arrive(row)
        assert partition.standing == partition.remembered == partition.walked
        assert partition.believed not in partition.standing


@given(st.lists(rows(), min_size=2, max_size=12))
def test_every_suspect_contradicts_a_sighting_that_is_believed(these: list[bytes]) -> None:
    stands = ends_with(these)
    assert not set(stands) & set(stands.values())
