"""The edges of a card's memory: how long, how many, what stays, and what is only counted."""

from datetime import UTC, datetime, timedelta

import pytest

from rules.layout import NOTHING, last_us_of, unpack
from rules.transaction import Refusal, decode
from rules.watch import NEVER, Watch
from tests.rules.payments import CARD, STAMP, TEN, Partition, hours, minutes, payment

OTHER_CARD = {"card_id": "card-of-somebody-else"}


def the_watermark_moves_to(at: datetime) -> bytes:
    return payment("elsewhere", "Rome", at, **OTHER_CARD)


def test_more_than_a_day_ahead_of_the_stamp_is_refused_and_changes_nothing() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"))
    before = (partition.memories[CARD], partition.watch.watermark_us)
    with pytest.raises(Refusal) as caught:
        partition.arrive(payment("b", "Paris", STAMP + timedelta(days=1, microseconds=1)))
    assert (caught.value.reason, caught.value.field) == ("ahead_of_its_time", "occurred_at")
    assert (partition.memories[CARD], partition.watch.watermark_us) == before
    assert partition.arrive(payment("c", "Paris", STAMP + timedelta(days=1))) == []


@pytest.mark.parametrize(("late", "counted", "suspects"), [(72, 0, {"b"}), (72.001, 1, set())])
def test_what_is_older_than_72_hours_behind_the_watermark_is_counted_and_not_judged(
    late: float, counted: int, suspects: set[str]
) -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"), payment("b", "Phnom Penh", TEN + minutes(12)))
    partition.told.clear()
    late_partition = Partition()
    late_partition.arrive(payment("b", "Phnom Penh", TEN + minutes(12)), the_watermark_moves_to(TEN + hours(late)))
    late_partition.arrive(payment("a", "Paris"))
    assert late_partition.watch.counts["too_late"] == counted
    assert set(late_partition.standing) == suspects


def test_ageing_out_withdraws_nothing() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"), payment("b", "Phnom Penh", TEN + minutes(12)))
    partition.arrive(the_watermark_moves_to(TEN + hours(100)))
    assert partition.arrive(payment("c", "Rome", TEN + hours(99)), payment("d", "Rome", TEN + hours(98))) == []
    assert partition.standing == {"b": "a"}
    assert partition.remembered == {}


def test_the_believed_sighting_that_a_suspect_contradicts_stays_as_long_as_the_suspect() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"), payment("b", "Phnom Penh", TEN + hours(1)))
    partition.arrive(the_watermark_moves_to(TEN + hours(72.5)))
    assert partition.arrive(payment("b", "Phnom Penh", TEN + hours(1))) == []
    assert partition.arrive(payment("c", "Phnom Penh", TEN + hours(1.5))) != []
    assert partition.remembered == partition.walked == {"b": "a", "c": "a"}


def test_a_payment_older_than_the_newest_sixteen_is_too_late() -> None:
    partition = Partition()
    partition.arrive(*[payment(f"p{number:02}", "Paris", TEN + hours(2 * number)) for number in range(1, 17)])
    assert partition.arrive(payment("early", "Phnom Penh", TEN + hours(1))) == []
    assert partition.watch.counts["too_late"] == 1
    assert len(partition.memory.entries) == 16


def test_a_payment_that_pushes_the_oldest_out_withdraws_nothing() -> None:
    partition = Partition()
    rows = [payment(f"p{number:02}", "Paris", TEN + hours(2 * number)) for number in range(1, 17)]
    partition.arrive(*rows, payment("between", "Phnom Penh", TEN + hours(9)))
    assert partition.standing == partition.remembered == {"between": "p04"}
    assert partition.memory.cut == partition.memory.entries[0].order


def test_payments_in_one_place_within_the_hour_count_as_one_of_the_sixteen() -> None:
    partition = Partition()
    partition.arrive(payment("home", "Phnom Penh"))
    partition.arrive(*[payment(f"p{number:02}", "Paris", TEN + minutes(10 + number)) for number in range(40)])
    assert partition.arrive(payment("z", "Phnom Penh", TEN + minutes(55)), payment("y", "Paris", TEN + minutes(5)))
    assert len(partition.remembered) == 41
    assert set(partition.remembered.values()) == {"home"}


def test_however_many_payments_there_are_the_memory_is_bounded() -> None:
    partition = Partition()
    partition.arrive(payment("home", "Phnom Penh"))
    partition.arrive(*[payment(f"p{number:03}", "Paris", TEN + minutes(10 + number / 10)) for number in range(200)])
    assert len(partition.memory.entries) <= 64 + 1
    assert len(partition.memories[CARD]) < 10_000
    assert partition.believed == "home"


def test_many_quiet_payments_are_trimmed_without_a_late_one() -> None:
    partition = Partition()
    partition.arrive(*[payment(f"p{number:03}", "Paris", TEN + hours(number)) for number in range(200)])
    assert len(partition.memory.entries) <= 48
    online = [
        payment(f"q{number:03}", "Paris", TEN + hours(200 + number / 10), entry_mode="ecommerce")
        for number in range(90)
    ]
    partition.arrive(*online)
    assert len(partition.memory.entries) <= 2 * (16 + 16)


@pytest.mark.parametrize("online", [{}, {"entry_mode": "ecommerce"}])
def test_a_card_that_comes_back_long_after_the_memory_is_believed_where_it_is(online: dict[str, str]) -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"), the_watermark_moves_to(TEN + hours(100)))
    partition.arrive(payment("c", "Rome", TEN + hours(100), **online), payment("b", "Rome", TEN + hours(99), **online))
    assert partition.believed == (None if online else "c")
    assert "a" not in partition.memory.known


def test_a_sighting_that_has_aged_out_is_believed_while_what_may_still_come_can_contradict_it() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Phnom Penh"), payment("c", "Phnom Penh", TEN + hours(5)))
    partition.arrive(the_watermark_moves_to(TEN + hours(74)))
    assert [alert.suspect for alert in partition.arrive(payment("b", "Paris", TEN + hours(4)))] == ["b"]
    assert partition.standing == {"b": "a"}


@pytest.mark.parametrize(("behind", "verdict"), [(24, "alert"), (24.01, "review")])
def test_what_is_first_raised_more_than_a_day_behind_the_watermark_is_a_review(behind: float, verdict: str) -> None:
    partition = Partition()
    partition.arrive(the_watermark_moves_to(TEN + hours(behind)))
    alerts = partition.arrive(payment("b", "Paris", TEN + minutes(1)), payment("a", "Phnom Penh"))
    assert [(alert.suspect, alert.verdict) for alert in alerts] == [("b", verdict)]


def test_a_revision_keeps_the_verdict_of_the_first_telling() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"), payment("c", "Phnom Penh", TEN + minutes(12)))
    partition.arrive(the_watermark_moves_to(TEN + hours(48)))
    (alert,) = partition.arrive(payment("b", "Paris", TEN + minutes(6)))
    assert (alert.status, alert.verdict, alert.suspect, alert.against) == ("revised", "alert", "c", "b")
    assert alert.raised_by == "b"


def test_of_two_contents_of_one_id_the_earlier_counts_whichever_came_first() -> None:
    early = payment("x", "Phnom Penh", TEN)
    late = payment("x", "Paris", TEN + minutes(30))
    paris = payment("y", "Paris", TEN + minutes(40))
    for rows in ([early, late, paris], [late, early, paris], [late, paris, early]):
        partition = Partition()
        partition.arrive(*rows)
        assert partition.standing == {"y": "x"}
        assert partition.watch.counts["conflicting"] == 1


def test_of_two_contents_at_one_time_the_lesser_digest_counts_even_if_it_is_no_sighting() -> None:
    online = payment("x", "Paris", entry_mode="ecommerce")
    chips = [payment("x", "Paris", amount=f"{amount}.00") for amount in range(40)]
    for chip in chips:
        ends = []
        for rows in ([online, chip], [chip, online]):
            partition = Partition()
            partition.arrive(*rows, payment("y", "Rome", TEN + minutes(1)))
            ends.append(partition.standing)
        assert ends[0] == ends[1]


def test_a_repeat_outlives_its_original_as_an_id_only() -> None:
    partition = Partition()
    partition.arrive(payment("o", "Phnom Penh"), payment("r", "Phnom Penh", TEN + hours(70), repeat_of="o"))
    paris = [payment(name, "Paris", TEN + hours(at)) for name, at in (("p", 69.5), ("q", 73))]
    partition.arrive(*paris)
    partition.arrive(payment("s", "Paris", TEN + hours(72.9)))
    assert partition.standing == {}
    assert "r" in partition.memory.known
    assert partition.memory.room


def test_rings_of_repeats_count_once() -> None:
    ring = [
        payment("r1", "Paris", TEN + minutes(1), repeat_of="r2"),
        payment("r2", "Paris", TEN + minutes(2), repeat_of="r1"),
        payment("r3", "Paris", TEN + minutes(3), repeat_of="r2"),
        payment("r4", "Paris", TEN + minutes(4), repeat_of="r4"),
    ]
    for rows in (ring, ring[::-1]):
        partition = Partition()
        partition.arrive(payment("home", "Phnom Penh"), *rows)
        assert set(partition.standing) == {"r1", "r4"}


def test_after_enough_hours_for_the_journey_paris_fits_and_is_believed_again() -> None:
    partition = Partition()
    rows = [payment(f"p{number}", "Paris", TEN + hours(number)) for number in (1, 2, 12)]
    partition.arrive(payment("home", "Phnom Penh"), *rows)
    assert set(partition.standing) == {"p1", "p2"}
    assert partition.believed == "p12"


def test_what_stands_can_be_told_again_under_the_same_ids() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"), payment("b", "Phnom Penh", TEN + minutes(12)))
    (again,) = partition.watch.standing(partition.memories[CARD])
    assert (again.status, again.suspect.transaction_id, again.raised_by) == ("raised", "b", "b")
    assert again.refs() == {0, 1}


def test_a_damaged_memory_is_begun_anew_and_counted() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"))
    partition.memories[CARD] = partition.memories[CARD].replace(b"a", b"", 1)
    assert partition.arrive(payment("b", "Phnom Penh", TEN + minutes(12), repeat_of="a")) == []
    assert partition.believed == "b"
    assert partition.watch.counts["memory_unreadable"] == 1


def test_the_latest_time_that_a_memory_knows_of_is_said() -> None:
    partition = Partition()
    partition.arrive(
        payment("a", "Paris"), payment("b", "Paris", TEN + hours(2)), payment("c", "Paris", TEN + hours(1))
    )
    latest_us = int((TEN + hours(2)).timestamp() * 1_000_000)
    assert partition.watch.newest_us(partition.memories[CARD]) == latest_us
    assert partition.watch.newest_us(NOTHING) == NEVER


def test_the_latest_time_is_the_same_seen_at_a_glance_and_with_a_head() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Paris"), payment("b", "Paris", TEN + hours(2)))
    plain = partition.memories[CARD]
    assert last_us_of(plain) == partition.watch.newest_us(plain) == unpack(plain).newest_us()
    partition.arrive(payment("c", "Phnom Penh", TEN + hours(3)))
    headed = partition.memories[CARD]
    assert last_us_of(headed) is None
    assert partition.watch.newest_us(headed) == unpack(headed).newest_us()
    assert last_us_of(NOTHING) is None


def test_a_ref_of_any_size_and_a_place_with_a_radius_are_remembered_on_the_way() -> None:
    watch, memory = Watch(), NOTHING
    refs = [1, 2**40 - 1, 2**40, 2**63 - 1]
    for number, ref in enumerate(refs):
        row = payment(f"payment-{number}", "Paris", TEN + minutes(number), location=None)
        memory, found = watch.observe(memory, decode(row), ref, int(STAMP.timestamp() * 1000))
        assert found == ()
    entries = unpack(memory).entries
    assert [entry.ref for entry in entries] == refs
    assert [entry.radius_m for entry in entries] == [entries[0].radius_m] * 4
    assert entries[0].radius_m > 0


@pytest.mark.parametrize(
    "begin",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC),
        datetime(2106, 2, 7, 6, 28, 13, 999_998, tzinfo=UTC),
        datetime(2106, 2, 7, 6, 28, 14, 999_998, tzinfo=UTC),
        datetime(9999, 12, 30, tzinfo=UTC),
    ],
)
def test_any_time_is_remembered_to_the_microsecond(begin: datetime) -> None:
    partition = Partition()
    after = [timedelta(0), timedelta(microseconds=1), timedelta(microseconds=2), timedelta(seconds=1), minutes(1)]
    rows = [payment(f"p{number}", "Paris", begin + each) for number, each in enumerate(after)]
    first_us = decode(rows[0]).at_us
    for count, row in enumerate(rows, 1):
        assert partition.arrive(row, stamp=begin) == []
        memory = partition.memories[CARD]
        assert [entry.at_us - first_us for entry in partition.memory.entries] == [
            each // timedelta(microseconds=1) for each in after[:count]
        ]
        assert partition.watch.newest_us(memory) == partition.memory.newest_us()
    assert partition.believed == "p4"
    (alert,) = partition.arrive(payment("away", "Rome", begin + minutes(2)), stamp=begin)
    assert (alert.suspect, alert.against) == ("away", "p4")


def test_the_memory_names_every_record_it_may_ask_for() -> None:
    partition = Partition()
    partition.arrive(*[payment(f"p{number:02}", "Paris", TEN + minutes(number)) for number in range(12)])
    assert partition.memory.refs() == set(range(12))
