"""A card that is used as plastic and on phones: together they take the quick path, and it decides as the walk does."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.layout import NOTHING, pack, unpack
from rules.ruleset import LIVE
from rules.watch import ROOM, Judged, Watch
from tests.rules.payments import CARD, TEN, Partition, hours, minutes, payment

WALLET = {"entry_mode": "contactless", "instrument": "wallet"}
NEAR_DEGREES = 0.15
"""Seventeen kilometres: within half of what is near."""
INSTRUMENTS: list[dict[str, Any]] = [{}, WALLET, WALLET | {"device_id": "phone"}, WALLET | {"device_id": "watch"}]


def at_home(name: str, after: float, moved: float = 0.0, **fields: Any) -> bytes:
    """A payment in Phnom Penh or so many degrees north of it, named only by its point."""
    place = {"merchant": None, "location": {"lat": 11.55 + moved, "lon": 104.93}}
    return payment(name, "Phnom Penh", TEN + minutes(after), **(place | fields))


@pytest.fixture
def reconsidered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The transactions that the quick path could not take."""
    names: list[str] = []
    reconsider = Watch._reconsider

    def noting(self: Watch, packed: bytes, entry: Any) -> Judged:
        names.append(entry.transaction_id)
        return reconsider(self, packed, entry)

    monkeypatch.setattr(Watch, "_reconsider", noting)
    return names


def test_what_is_near_what_was_believed_of_all_instruments_takes_the_quick_path(reconsidered: list[str]) -> None:
    partition = Partition()
    partition.arrive(at_home("plastic", 0), at_home("first", 1, **INSTRUMENTS[2]))
    assert reconsidered == ["first"]  # it begins an itinerary of its own
    for number in range(20):
        moved = NEAR_DEGREES if number % 2 else 0.0
        assert partition.arrive(at_home(f"p{number}", 2 + number, moved, **INSTRUMENTS[number % 4])) == []
    assert reconsidered == ["first"]
    assert partition.walked == partition.standing == {}
    assert len({entry.device for entry in partition.memory.entries}) == 4


def test_what_is_further_away_is_reconsidered_and_may_be_believed(reconsidered: list[str]) -> None:
    partition = Partition()
    partition.arrive(at_home("plastic", 0), at_home("first", 1, **INSTRUMENTS[1]), at_home("far", 300, 3.0))
    assert reconsidered == ["first", "far"]
    assert partition.standing == {}
    partition.arrive(at_home("phone", 301, 3.0, **INSTRUMENTS[1]))
    partition.arrive(at_home("next", 302, 3.0), at_home("phone-again", 303, 3.0, **INSTRUMENTS[1]))
    assert reconsidered == ["first", "far", "phone"]  # together again, there


def test_a_phone_elsewhere_is_seen_behind_any_number_of_payments_that_took_the_quick_path() -> None:
    partition = Partition()
    partition.arrive(*[at_home(f"p{number}", number, **INSTRUMENTS[number % 4]) for number in range(3 * ROOM)])
    (alert,) = partition.arrive(payment("abroad", "Paris", TEN + minutes(3 * ROOM + 9), **INSTRUMENTS[2]))
    assert (alert.verdict, alert.suspect) == ("alert", "abroad")
    assert partition.walked == partition.standing


def test_a_memory_of_phones_that_is_full_is_trimmed_and_goes_on(reconsidered: list[str]) -> None:
    partition = Partition()
    taps = [at_home(f"p{number:03}", 60 * number, **INSTRUMENTS[2]) for number in range(130)]
    partition.arrive(*taps, stamp=TEN + hours(24 * 9))
    assert reconsidered == ["p000"]
    assert len(partition.memory.entries) < 130
    assert partition.memory.several


def told_alike(quick: Partition, slow: Partition, row: bytes) -> None:
    """Both tell the same of a payment, the one by whatever path, the other by a walk."""
    memory = unpack(slow.memories.get(CARD, NOTHING))
    memory.room = 0
    slow.memories[CARD] = pack(memory)
    told = [(one.status, one.suspect, one.against, one.verdict) for one in quick.arrive(row)]
    assert told == [(one.status, one.suspect, one.against, one.verdict) for one in slow.arrive(row)]
    assert quick.standing == slow.standing


@pytest.mark.parametrize("seed", range(24))
def test_it_does_so_too_where_much_is_forgotten_and_comes_late_or_twice(seed: int) -> None:
    dealt = random.Random(seed)
    rules = msgspec.structs.replace(LIVE, version="small", slots=4, most_sightings=8, others=4) if seed % 2 else LIVE
    quick, slow = Partition(rules), Partition(rules)
    far = dealt.choice([0.02, 0.1, 0.3])
    after = 0
    for number in range(60):
        after += dealt.choice([1, 20, 200, 700])
        at = after - dealt.choice([5, 100, 1000]) if dealt.random() < 0.05 else after
        moved = dealt.choice([0.45, 0.9, 40.0]) if dealt.random() < far else dealt.choice([0.0, 0.1, NEAR_DEGREES])
        fields = {"entry_mode": dealt.choice(["chip"] * 6 + ["fallback", "ecommerce"])} | dealt.choice(INSTRUMENTS)
        if number and dealt.random() < 0.03:
            fields["repeat_of"] = f"p{dealt.randrange(number):02}"
        told_alike(quick, slow, at_home(f"p{number:02}", at, moved, **fields))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(INSTRUMENTS),
            st.sampled_from([0.0, 0.0, NEAR_DEGREES, 0.45, 0.9, 40.0]),
            st.sampled_from([1, 20, 400]),
            st.sampled_from(["chip", "chip", "fallback", "ecommerce"]),
        ),
        min_size=2,
        max_size=14,
    )
)
def test_the_quick_path_tells_what_a_walk_over_everything_tells(those: list[tuple[Any, float, int, str]]) -> None:
    quick, slow = Partition(), Partition()
    after = 0
    for number, (instrument, moved, wait, mode) in enumerate(those):
        after += wait
        row = at_home(f"p{number:02}", after, moved, **({"entry_mode": mode} | instrument))
        told_alike(quick, slow, row)
    assert quick.standing == slow.standing == quick.walked
    assert quick.memory.entries == slow.memory.entries
