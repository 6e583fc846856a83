"""Beyond the memory: nothing is suspected that an endless memory would not suspect, and what was fed is fed in vain.

The judge with an endless memory is a list of what was not too late, and one walk over it.
"""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rules.forgetting import _needed
from rules.itinerary import Reach, walk
from rules.layout import NOTHING, pack, unpack
from rules.memory import Entry, Memory
from rules.ruleset import LIVE, RuleSet
from rules.transaction import decode
from rules.watch import Watch
from tests.rules.payments import CARD, STAMP, TEN, Partition, minutes, payment

SMALL = replace(LIVE, slots=3, others=2)
"""Few slots, so that short examples reach beyond them."""
TIGHT = replace(LIVE, most_sightings=5)

SPOTS = [(11.5564, 104.9282), (11.80, 105.20), (48.8606, 2.3376), (48.70, 2.10), (1.436, 103.786), (-16.7, -179.5)]
STAMP_MS = int(STAMP.timestamp() * 1000)


def paid(name: str, spot: int, at: timedelta, **fields: Any) -> bytes:
    lat, lon = SPOTS[spot]
    return payment(name, None, TEN + at, location={"lat": lat, "lon": lon}, **fields)


class Endless(Partition):
    """A partition that also keeps every entry that was not too late, and walks them all."""

    def __init__(self, ruleset: RuleSet) -> None:
        super().__init__(ruleset)
        self.accepted: dict[str, Entry] = {}
        self.raised: set[str] = set()
        self.would_be_raised: set[str] = set()

    def take(self, row: bytes) -> None:
        late = self.watch.counts["too_late"]
        self.raised |= {alert.suspect for alert in self.arrive(row) if alert.status == "raised"}
        if self.watch.counts["too_late"] == late and CARD in self.memories:
            transaction = decode(row)
            (entry,) = unpack(
                Watch(self.ruleset).observe(NOTHING, transaction, len(self.known) - 1, STAMP_MS)[0]
            ).entries
            older = self.accepted.get(entry.transaction_id)
            if older is None or (entry.at_us, entry.digest) < (older.at_us, older.digest):
                self.accepted[entry.transaction_id] = entry
        entries = sorted(self.accepted.values(), key=lambda each: each.order)
        endless = Memory(context=self.memory.context)
        endless.hold(entries)
        suspects = {
            each.suspect.transaction_id: each.against.transaction_id if each.against else None
            for each in walk(endless, Reach(self.ruleset)).suspects
        }
        self.would_be_raised |= set(suspects)
        cut = self.memory.cut
        weak_before_the_cut = {name for name in suspects if self.accepted[name].order <= cut}
        assert self.remembered == {name: suspects[name] for name in suspects if name not in weak_before_the_cut}


@st.composite
def many(draw: st.DrawFn, most: int = 40) -> list[bytes]:
    """Payments of one card in several cities and cells of them, some of them online or weak, each with its own id."""
    rows = []
    for number in range(draw(st.integers(1, most))):
        mode = draw(st.sampled_from(["chip"] * 6 + ["fallback", "ecommerce"]))
        at = minutes(draw(st.integers(0, 40)) * draw(st.sampled_from([1, 25])))
        rows.append(paid(f"t{number:02}", draw(st.integers(0, len(SPOTS) - 1)), at, entry_mode=mode))
    return rows


@st.composite
def families(draw: st.DrawFn) -> list[bytes]:
    """The same with few ids, so that contents contradict each other, and repeats of one another."""
    rows = []
    for _ in range(draw(st.integers(1, 25))):
        name = f"t{draw(st.integers(0, 12)):02}"
        fields: dict[str, Any] = {"entry_mode": draw(st.sampled_from(["chip"] * 4 + ["fallback", "ecommerce"]))}
        if draw(st.integers(0, 3)) == 0:
            fields["repeat_of"] = f"t{draw(st.integers(0, 12)):02}"
        at = minutes(draw(st.integers(0, 12)) * draw(st.sampled_from([1, 45])))
        rows.append(paid(name, draw(st.integers(0, len(SPOTS) - 1)), at, **fields))
    return rows


def with_one_of(*rulesets: RuleSet) -> Callable[[list[bytes]], st.SearchStrategy[tuple[list[bytes], RuleSet]]]:
    """The rows, with a rule set whose reserves they stay within."""
    return lambda rows: st.sampled_from(rulesets).map(lambda ruleset: (rows, ruleset))


def trim(partition: Partition, card: str = CARD) -> None:
    memory = unpack(partition.memories[card])
    partition.watch._forgetting.forget(memory, partition.watch.watermark_us - LIVE.memory_s * 1_000_000)
    partition.memories[card] = pack(memory)


@given(many(), st.sampled_from([SMALL, TIGHT]))
@settings(max_examples=40, deadline=None)
def test_what_stands_is_what_an_endless_memory_says_of_all_that_was_not_too_late(
    rows: list[bytes], ruleset: RuleSet
) -> None:
    partition = Endless(ruleset)
    for row in rows:
        partition.take(row)
    assert partition.raised <= partition.would_be_raised


@given(many().flatmap(with_one_of(SMALL, TIGHT)) | families().flatmap(with_one_of(SMALL)), st.data())
@settings(max_examples=40, deadline=None)
def test_feeding_again_whatever_was_fed_in_any_order_changes_nothing_that_stands(
    these: tuple[list[bytes], RuleSet], data: st.DataObject
) -> None:
    rows, ruleset = these
    partition = Partition(ruleset)
    partition.arrive(*rows)
    trim(partition)  # or else who arrives again may be the first to have the memory looked over
    stands = partition.remembered
    assert partition.arrive(*data.draw(st.permutations(rows)), *rows) == []
    assert partition.remembered == stands == partition.walked


def test_a_third_content_of_a_forgotten_payment_is_no_new_one_when_it_comes_again() -> None:
    partition = Partition(SMALL)
    early, later, last = (paid("t", 5, minutes(minute), amount=f"{minute}.00") for minute in (9, 12, 45))
    partition.arrive(paid("home", 0, minutes(8)), early, later)
    partition.arrive(*(paid(name, spot, minutes(20)) for name, spot in (("a", 0), ("b", 2), ("c", 4))))
    assert partition.memory.known["t"] is None
    partition.arrive(last)
    partition.arrive(paid("d", 0, minutes(90)))
    assert partition.arrive(last, later, early) == []


@given(many() | families(), st.sampled_from([SMALL, TIGHT]), st.data())
@settings(max_examples=40, deadline=None)
def test_it_does_not_matter_when_a_memory_is_trimmed_or_packed(
    rows: list[bytes], ruleset: RuleSet, data: st.DataObject
) -> None:
    lazy, eager = Partition(ruleset), Partition(ruleset)
    for row in rows:
        lazily = [(each.status, each.suspect, each.against) for each in lazy.arrive(row)]
        assert [(each.status, each.suspect, each.against) for each in eager.arrive(row)] == lazily
        what = data.draw(st.integers(0, 2))
        if what == 1:
            trim(eager)
        if what == 2:
            value = eager.memories[CARD]
            eager.memories[CARD] = pack(unpack(value))
            assert eager.memories[CARD] == value
    trim(lazy)
    trim(eager)
    assert replace(lazy.memory, room=0) == replace(eager.memory, room=0)


@given(many(16), st.data())
@settings(deadline=None)
def test_a_set_that_fits_the_memory_ends_alike_in_any_order(rows: list[bytes], data: st.DataObject) -> None:
    one, other = Partition(), Partition()
    one.arrive(*rows)
    other.arrive(*data.draw(st.permutations(rows)))
    assert one.standing == other.standing == one.walked


def busy_cards(chance: random.Random, cards: int, payments: int) -> tuple[list[bytes], set[str]]:
    """Payments of few cards at home, in cells of one city, and some abroad that nobody could have travelled to."""
    rows, impossible = [], set()
    for number in range(payments):
        card = chance.randrange(cards)
        at = minutes(number * 2 / cards)
        name = f"t{number:05}"
        lat, lon = SPOTS[card % len(SPOTS)]
        if number > 100 and chance.random() < 0.005:
            impossible.add(name)
            lat, lon = SPOTS[(card + 2) % len(SPOTS)]
        where = {"lat": lat + chance.uniform(-0.15, 0.15), "lon": lon + chance.uniform(-0.15, 0.15)}
        mode = chance.choice(["chip", "chip", "contactless", "ecommerce"]) if name not in impossible else "chip"
        rows.append(payment(name, None, TEN + at, card_id=f"card-{card}", location=where, entry_mode=mode))
    return rows, impossible


@pytest.mark.parametrize("seed", range(2))
def test_busy_cards_fed_in_batches_and_then_again_shuffled_raise_each_impossible_payment_once(seed: int) -> None:
    chance = random.Random(seed)
    rows, impossible = busy_cards(chance, cards=5, payments=1000)
    partition = Partition()
    first = told(partition, rows)
    assert [suspect for _, suspect in first] == sorted(impossible)
    again = chance.sample(rows, len(rows))
    for at in range(0, len(again), 500):
        for card in partition.memories:
            if chance.random() < 0.5:
                trim(partition, card)
        assert told(partition, again[at : at + 500]) == []
    assert max(len(unpack(memory).entries) for memory in partition.memories.values()) < 120


def told(partition: Partition, rows: Sequence[bytes]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for row in rows:
        transaction = decode(row)
        partition.known.append(transaction)
        memory = partition.memories.get(transaction.card_id, NOTHING)
        judged = partition.watch.observe(memory, transaction, len(partition.known) - 1, STAMP_MS)
        partition.memories[transaction.card_id] = judged[0]
        found += [(each.status, each.suspect.transaction_id) for each in judged[1]]
    return found


def test_an_original_that_falls_out_stays_known_as_long_as_its_repeat_stays() -> None:
    original = Entry(1, "original", 2, 0, 0, 0, 2, b"", 1)
    between = Entry(2, "repeat", 2, 0, 0, 0, 2, b"", 2, "original")
    repeat = Entry(3, "repeat-of-the-repeat", 2, 0, 0, 0, 2, b"", 3, "repeat")
    stranger = Entry(1, "stranger", 2, 0, 0, 0, 2, b"", 4)
    assert _needed([repeat], [original, between, stranger], {}) == [original, between]
    assert _needed([repeat], [original, stranger], {"repeat-of-the-repeat": "original"}) == [original]
