"""What is said of a card's payments: what she confirms, and what she strikes out; in any order, however often."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.context import MOST_NAMED, Said, merged
from rules.layout import NOTHING, pack, unpack
from rules.memory import Context, Entry, Memory, QuietPair
from rules.ruleset import LIVE
from rules.watch import NEVER, Watch
from tests.rules.payments import CARD, TEN, Partition, hours, minutes, payment

PNH = payment("a-pnh", "Phnom Penh")
PARIS = payment("b-paris", "Paris", TEN + minutes(12))
WALLET = {"entry_mode": "contactless", "instrument": "wallet"}


def paris(name: str, at: float, **fields: Any) -> bytes:
    return payment(name, "Paris", TEN + minutes(at), **fields)


def test_what_is_confirmed_before_it_comes_is_never_a_suspect() -> None:
    partition = Partition()
    assert partition.say(confirmed=["b-paris"]) == []
    assert partition.arrive(PNH, PARIS) == []
    assert partition.believed == "b-paris"


def test_the_same_word_again_changes_nothing() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS)
    partition.say(confirmed=["b-paris"])
    before = partition.memories[CARD]
    assert partition.say(confirmed=["b-paris"]) == []
    assert partition.memories[CARD] == before
    assert partition.watch.apply(before, Context(version=1, struck_out=("a-pnh",))) == (before, ())


def test_a_way_that_was_given_as_quiet_is_not_drawn_again() -> None:
    given = QuietPair(115_000_000, 1_049_000_000, 488_000_000, 23_000_000, 0)
    context = Context(version=1, confirmed=("b-paris",), quiet={"b-paris": given})
    said = Said(Memory(context=context), {}, LIVE)
    before, confirmed = (Entry(0, name, 2, 0, 0, 0, 1, b"", 0) for name in ("a-pnh", "b-paris"))
    said.jump(before, confirmed)
    assert said.jumps == {}


def test_a_word_on_an_unknown_transaction_changes_nothing_that_stands() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS)
    assert partition.say(confirmed=["nobody-knows-it"], struck_out=["nor-this"]) == []
    assert partition.standing == partition.remembered == {"b-paris": "a-pnh"}


def test_only_what_is_named_is_believed_and_what_follows_from_it_needs_no_alert() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS, paris("c", 20), paris("d", 30))
    assert {one.suspect for one in partition.say(confirmed=["c"]) if one.status == "withdrawn"} == {"c", "d"}
    assert partition.standing == {"b-paris": "a-pnh"}


def test_a_weak_sighting_that_is_confirmed_is_believed() -> None:
    partition = Partition()
    partition.arrive(PNH, paris("b", 12, entry_mode="fallback"))
    assert [one.status for one in partition.say(confirmed=["b"])] == ["withdrawn"]
    assert partition.believed == "b"
    assert partition.arrive(paris("c", 20)) == []


def test_what_she_strikes_out_is_out_and_the_walk_is_done_again() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS, paris("c", 20))
    told = partition.say(struck_out=["a-pnh"])
    assert {(one.status, one.suspect) for one in told} == {("withdrawn", "b-paris"), ("withdrawn", "c")}
    (alert,) = partition.arrive(payment("d", "Phnom Penh", TEN + minutes(30)))
    assert (alert.suspect, alert.against) == ("d", "c")


def test_the_last_word_on_a_payment_counts() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS)
    partition.say(struck_out=["a-pnh"])
    assert partition.standing == {}
    assert [one.status for one in partition.say(confirmed=["a-pnh"])] == ["raised"]
    assert partition.standing == {"b-paris": "a-pnh"}


@pytest.mark.parametrize("named", ["advice", "again"])
def test_a_word_on_a_repeat_is_a_word_on_its_original_and_back(named: str) -> None:
    partition = Partition()
    partition.arrive(PNH, paris("advice", 12), paris("again", 40, repeat_of="advice"))
    assert partition.standing == {"advice": "a-pnh"}
    partition.say(confirmed=[named])
    assert partition.standing == {}


def test_a_confirmed_use_of_a_blocked_card_is_hers() -> None:
    partition = Partition()
    partition.arrive(PNH, paris("b", 12, outcome="declined", decline_reason="card_blocked"))
    partition.say(confirmed=["b"])
    assert partition.standing == {}
    assert partition.believed == "b"


def test_what_was_said_outlives_the_memory_of_the_payment() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS)
    partition.say(confirmed=["b-paris"])
    quiet = [
        payment(f"p{at:02}", ("Paris", "Phnom Penh")[at % 2], TEN + timedelta(days=at, hours=hour))
        for at in range(1, 30)
        for hour in (at % 2, at % 2 + 1)
    ]
    assert partition.arrive(*quiet) == []
    assert "b-paris" not in partition.memory.known
    assert partition.memory.passed.keys() == {"b-paris"}
    assert partition.arrive(payment("y", "Paris", TEN + timedelta(days=40))) == []
    assert (
        partition.arrive(
            payment("z", "Paris", TEN + timedelta(days=44)), payment("x", "Rome", TEN + timedelta(days=43))
        )
        == []
    )
    assert partition.memory.passed == {}


def test_a_quiet_way_that_came_with_the_word_counts_in_the_walks_stead() -> None:
    pair = QuietPair(115564000, 1049282000, 488606000, 23376000, int(TEN.timestamp() * 1_000_000))
    context = Context(version=7, confirmed=("long-gone",), quiet={"long-gone": pair})
    partition = Partition()
    partition.memories[CARD], found = partition.watch.apply(NOTHING, context)
    assert found == []
    assert partition.arrive(PNH, PARIS, payment("c", "Phnom Penh", TEN + minutes(20))) == []


def test_a_memory_of_which_something_was_said_is_kept_as_long_as_a_way_is_quiet() -> None:
    watch = Watch()
    memory, _ = watch.apply(NOTHING, Context(version=1, at_us=10, confirmed=("x",)))
    assert watch.newest_us(memory) == 10 + LIVE.quiet_s * 1_000_000
    assert watch.newest_us(NOTHING) == NEVER


def test_of_one_payment_the_last_word_counts_and_only_so_many_are_kept() -> None:
    first = merged(None, ["a", "b"], ["c"], 5)
    assert first == Context(version=1, at_us=5, confirmed=("a", "b"), struck_out=("c",))
    assert merged(first, ["a"], ["c"], 4) == first
    assert merged(first, ["c"], ["a"], 6) == Context(version=2, at_us=6, confirmed=("b", "c"), struck_out=("a",))
    many = merged(None, [f"{number}" for number in range(MOST_NAMED + 5)], [], 1)
    assert (len(many.confirmed), many.confirmed[-1]) == (MOST_NAMED, f"{MOST_NAMED + 4}")


# --- wallets --------------------------------------------------------------------------------------------------------


def test_a_phone_has_an_itinerary_of_its_own() -> None:
    partition = Partition()
    phone = WALLET | {"device_id": "phone"}
    (review, alert) = partition.arrive(PNH, paris("p1", 12, **phone), payment("p2", "Rome", TEN + minutes(22), **phone))
    assert (review.suspect, review.verdict) == ("p1", "review")
    assert (alert.suspect, alert.verdict, alert.against) == ("p2", "alert", "p1")


def test_what_is_under_review_is_not_held_against_the_plastic() -> None:
    partition = Partition()
    partition.arrive(PNH, paris("p1", 12, **WALLET), payment("c", "Phnom Penh", TEN + minutes(30)))
    assert partition.standing == {"p1": "a-pnh"}
    assert partition.believed == "c"


def test_two_phones_or_watches_that_are_not_named_may_be_two() -> None:
    partition = Partition()
    (review,) = partition.arrive(paris("p1", 12, **WALLET), payment("p2", "Rome", TEN + minutes(22), **WALLET))
    assert (review.suspect, review.verdict) == ("p2", "review")


def test_a_weak_sighting_of_a_phone_that_is_not_named_is_a_review() -> None:
    partition = Partition()
    keyed = payment("p1", "Rome", entry_mode="manual", instrument="wallet")
    (review,) = partition.arrive(keyed, paris("p2", 12, **WALLET))
    assert (review.suspect, review.verdict) == ("p1", "review")


def test_a_review_becomes_an_alert_when_its_own_device_contradicts_it() -> None:
    partition = Partition()
    phone = WALLET | {"device_id": "phone"}
    partition.arrive(PNH, paris("p2", 12, **phone))
    (revised,) = partition.arrive(payment("p1", "Phnom Penh", TEN + minutes(6), **phone))
    assert (revised.status, revised.verdict, revised.suspect, revised.against) == ("revised", "alert", "p2", "p1")


def test_a_tap_that_she_confirms_makes_the_way_quiet_for_the_plastic_as_well() -> None:
    partition = Partition()
    partition.arrive(PNH, paris("p1", 12, **WALLET))
    partition.say(confirmed=["p1"])
    assert partition.standing == {}
    assert partition.arrive(paris("c", 30), payment("d", "Phnom Penh", TEN + minutes(50))) == []


def test_each_phone_is_remembered_for_itself_and_all_together_are_bounded() -> None:
    partition = Partition()
    partition.arrive(payment("home", "Phnom Penh", TEN, device_id="quiet", **WALLET))
    busy = WALLET | {"device_id": "busy"}
    taps = [payment(f"t{at:02}", "Phnom Penh", TEN + hours(at), **busy) for at in range(1, 20)]
    partition.arrive(*taps[:-2], taps[-1], taps[-2])  # what comes out of order has the memory looked at as a whole
    assert len([one for one in partition.memory.entries if one.transaction_id.startswith("t")]) == 16 + 1
    assert "home" in partition.memory.known
    crowd = [
        payment(f"u{at:03}", "Phnom Penh", TEN + hours(20) + minutes(at), **(WALLET | {"device_id": f"d{at}"}))
        for at in range(150)
    ]
    partition.arrive(*crowd[:-2], crowd[-1], crowd[-2])
    assert len(partition.memory.entries) < 3 * 64
    assert pack(unpack(partition.memories[CARD])) == partition.memories[CARD]
    assert partition.arrive(payment("late", "Phnom Penh", TEN + hours(2), **(WALLET | {"device_id": "d1"}))) == []
    assert partition.watch.counts["too_late"] == 1


def test_when_a_phone_that_was_elsewhere_has_aged_out_the_quick_path_is_open_again() -> None:
    partition = Partition()
    partition.arrive(PNH, paris("w", 5, **WALLET))
    assert partition.memory.room == 0
    partition.arrive(payment("c", "Phnom Penh", TEN + hours(100)), payment("d", "Phnom Penh", TEN + hours(101)))
    assert partition.memory.room > 0
    assert [one.transaction_id for one in partition.memory.entries] == ["c", "d"]


# --- any order ------------------------------------------------------------------------------------------------------

NAMES = [f"payment-{letter}" for letter in "abcdefgh"]


@st.composite
def rows(draw: st.DrawFn) -> bytes:
    mode = draw(st.sampled_from(["chip", "chip", "contactless", "fallback", "ecommerce"]))
    fields: dict[str, Any] = {"entry_mode": mode}
    if draw(st.integers(0, 2)) == 0:
        fields |= {"instrument": "wallet", "device_id": draw(st.sampled_from([None, "phone", "watch"]))}
    if draw(st.integers(0, 5)) == 0:
        fields["repeat_of"] = draw(st.sampled_from(NAMES))
    if draw(st.integers(0, 7)) == 0:
        fields |= {"outcome": "declined", "decline_reason": "card_blocked"}
    at = TEN + timedelta(minutes=draw(st.sampled_from([0, 1, 5, 12, 30, 90, 200, 400, 600])))
    place = draw(st.sampled_from(["Phnom Penh", "Paris", "Rome", "London"]))
    return payment(draw(st.sampled_from(NAMES)), place, at, **fields)


words = st.tuples(st.lists(st.sampled_from(NAMES), max_size=2), st.lists(st.sampled_from(NAMES), max_size=2))


def take(partition: Partition, one: bytes | Context) -> None:
    if isinstance(one, bytes):
        partition.arrive(one)
        return
    partition.memories[CARD], found = partition.watch.apply(partition.memories.get(CARD, NOTHING), one)
    for finding in found:
        partition.follow(finding)


@given(st.lists(rows(), min_size=1, max_size=10), st.lists(words, max_size=3), st.data())
def test_any_order_of_payments_and_words_ends_with_the_same_suspects(
    these: list[bytes], said: list[tuple[list[str], list[str]]], data: st.DataObject
) -> None:
    contexts: list[Context] = []
    for confirmed, struck_out in said:
        last = contexts[-1] if contexts else None
        contexts.append(merged(last, confirmed, [one for one in struck_out if one not in confirmed], 0))
    ends = []
    for _ in range(2):
        doubled = these + data.draw(st.lists(st.sampled_from(these), max_size=4))
        partition = Partition()
        arriving: list[bytes | Context] = [*doubled, *contexts]
        for one in data.draw(st.permutations(arriving)):
            take(partition, one)
            assert partition.standing == partition.remembered == partition.walked
            partition.memories[CARD] = pack(unpack(partition.memories[CARD]))
        memory = partition.memory
        verdicts = {name: (each.verdict, each.against and each.against.order) for name, each in memory.standing.items()}
        ends.append((partition.standing, verdicts, memory.context))
        assert not partition.standing.keys() & (memory.context.confirmed if memory.context else ())
    assert ends[0] == ends[1]
