"""The acceptance cases of the detection, each named by its sentence."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rules.alert import alert_id
from rules.local_time import with_offset
from rules.transaction import Refusal, decode
from tests.rules.payments import CARD, PLACES, TEN, Partition, hours, minutes, payment

PNH = payment("a-pnh", "Phnom Penh")
PARIS = payment("b-paris", "Paris", TEN + minutes(12))


def test_case_1_phnom_penh_and_paris_twelve_minutes_apart_is_an_alert() -> None:
    partition = Partition()
    (alert,) = partition.arrive(PNH, PARIS)
    assert (alert.status, alert.verdict, alert.suspect, alert.against) == ("raised", "alert", "b-paris", "a-pnh")
    assert alert.alert_id == str(alert_id(CARD, "b-paris"))
    assert alert.evidence["distance_km"] == pytest.approx(9941, abs=2)
    assert alert.evidence["elapsed_s"] == 720


def test_case_2_the_same_sixteen_hours_apart_is_none() -> None:
    assert Partition().arrive(PNH, payment("b-paris", "Paris", TEN + hours(16))) == []


def test_case_3_e_commerce_in_paris_is_none_and_does_not_move_the_believed_location() -> None:
    partition = Partition()
    online = payment("b", "Paris", TEN + minutes(5), channel="card_not_present", entry_mode="ecommerce")
    assert partition.arrive(PNH, online) == []
    assert partition.believed == "a-pnh"


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "recurring"},
        {"entry_mode": "credential_on_file"},
        {"entry_mode": "credential_on_file", "channel": "card_not_present", "type": "recurring"},
    ],
)
def test_case_4_recurring_or_credential_on_file_is_none(fields: dict[str, Any]) -> None:
    partition = Partition()
    assert partition.arrive(PNH, payment("b", "Paris", TEN + minutes(12), **fields)) == []
    assert partition.watch.counts["without_customer"] == 1


def test_case_5_fallback_in_paris_is_an_alert_of_higher_severity() -> None:
    (chip,) = Partition().arrive(PNH, PARIS)
    (fallback,) = Partition().arrive(PNH, payment("b", "Paris", TEN + minutes(12), entry_mode="fallback"))
    assert (chip.severity, fallback.severity) == ("medium", "high")


def test_case_5_fallback_in_paris_first_is_the_suspect_because_a_weak_sighting_is_never_believed() -> None:
    partition = Partition()
    first = payment("a-paris", "Paris", entry_mode="fallback")
    (alert,) = partition.arrive(first, payment("b-pnh", "Phnom Penh", TEN + minutes(12)))
    assert (alert.suspect, alert.against, alert.raised_by) == ("a-paris", "b-pnh", "b-pnh")
    assert alert.severity == "high"
    assert partition.believed == "b-pnh"


AIRLINE = {"name": "Blue Sky Airways In-Flight", "mcc": "4511", "city": "Paris", "country": "FR"}
CRUISE = {"name": "Ocean Line Cruises", "mcc": "4411", "city": "Miami", "country": "US"}


@pytest.mark.parametrize("merchant", [AIRLINE, CRUISE])
def test_case_6_an_in_flight_or_cruise_merchant_is_not_a_sighting(merchant: dict[str, str]) -> None:
    partition = Partition()
    aboard = payment("b", "Paris", TEN + minutes(12), merchant=merchant)
    assert partition.arrive(PNH, aboard) == []
    assert partition.believed == "a-pnh"
    assert partition.watch.counts["in_transit"] == 1


@pytest.mark.parametrize("name", ["Blue Sky Airways Ticket Office", "Blue Sky Airways Counter, Terminal 2"])
def test_case_6_a_ticket_office_on_the_ground_is_one(name: str) -> None:
    office = payment("b", "Paris", TEN + minutes(12), merchant=AIRLINE | {"name": name})
    assert [alert.suspect for alert in Partition().arrive(PNH, office)] == ["b"]


def test_case_7_a_deferred_transit_tap_two_days_late_is_judged_at_its_own_time() -> None:
    partition = Partition()
    later = payment("later", "Paris", TEN + timedelta(days=2))
    tap = payment("tap", "Phnom Penh", TEN + hours(1), entry_mode="contactless", deferred=True)
    assert partition.arrive(PNH, later, tap) == []


def test_case_8_case_1_in_the_other_order_of_arrival_is_the_identical_alert() -> None:
    (there,) = Partition().arrive(PNH, PARIS)
    (back,) = Partition().arrive(PARIS, PNH)
    assert (back.alert_id, back.suspect, back.against) == (there.alert_id, there.suspect, there.against)
    assert (there.raised_by, back.raised_by) == ("b-paris", "a-pnh")


def test_case_9_a_late_phnom_penh_sixteen_hours_before_is_none_and_paris_stays_believed() -> None:
    partition = Partition()
    paris = payment("paris", "Paris", TEN.replace(hour=20))
    assert partition.arrive(paris, payment("pnh", "Phnom Penh", TEN.replace(hour=4))) == []
    assert partition.believed == "paris"


def test_case_10_the_same_transaction_again_is_one_decision() -> None:
    partition = Partition()
    assert len(partition.arrive(PNH, PARIS, PARIS, PNH, PARIS)) == 1
    assert partition.watch.counts["repeated"] == 3


@pytest.mark.parametrize("again_first", [False, True])
def test_case_10_the_banks_repeat_of_an_advice_is_one_decision_in_either_order(again_first: bool) -> None:  # noqa: FBT001 - a parameter of the test
    partition = Partition()
    advice = payment("b-paris", "Paris", TEN + minutes(12), type="advice")
    again = payment("c-again", "Paris", TEN + minutes(30), type="advice", repeat_of="b-paris")
    partition.arrive(PNH, *([again, advice] if again_first else [advice, again]))
    assert partition.standing == {"b-paris": "a-pnh"}


def test_case_10_a_repeat_whose_original_never_came_is_the_sighting_itself() -> None:
    partition = Partition()
    partition.arrive(PNH, payment("c-again", "Paris", TEN + minutes(30), repeat_of="b-paris"))
    assert partition.standing == {"c-again": "a-pnh"}


@pytest.mark.parametrize("kind", ["refund", "reversal"])
def test_case_11_a_refund_or_reversal_from_a_head_office_abroad_is_none(kind: str) -> None:
    assert Partition().arrive(PNH, payment("b", "Paris", TEN + minutes(12), type=kind)) == []


def test_case_12_a_declined_wrong_pin_in_paris_is_an_alert() -> None:
    declined = payment("b", "Paris", TEN + minutes(12), outcome="declined", decline_reason="wrong_pin")
    (alert,) = Partition().arrive(PNH, declined)
    assert alert.suspect == "b"
    assert "declined" in alert.evidence["suspect"]["reason"]


def test_case_13_an_additional_cardholders_own_card_elsewhere_is_none() -> None:
    partition = Partition()
    additional = payment("b-paris", "Paris", TEN + minutes(12), card_id="card-of-the-additional-cardholder")
    assert partition.arrive(PNH, additional) == []
    again = payment("c-pnh", "Phnom Penh", TEN + minutes(20), card_id="card-of-the-additional-cardholder")
    (alert,) = partition.arrive(again)
    assert (alert.card_id, alert.suspect) == ("card-of-the-additional-cardholder", "c-pnh")


def test_case_14_plastic_in_phnom_penh_and_a_wallet_tap_in_paris_is_a_review() -> None:
    partition = Partition()
    tap = payment("b", "Paris", TEN + minutes(12), entry_mode="contactless", instrument="wallet", device_id="phone")
    (alert,) = partition.arrive(PNH, tap)
    assert (alert.status, alert.verdict, alert.suspect, alert.against) == ("raised", "review", "b", "a-pnh")
    assert alert.evidence["words"].endswith("may be in two hands.")
    assert partition.believed == "a-pnh"


def test_case_14_the_other_order_of_arrival_is_the_identical_review() -> None:
    partition = Partition()
    tap = payment("b", "Paris", TEN + minutes(12), entry_mode="contactless", instrument="wallet", device_id="phone")
    (alert,) = partition.arrive(tap, PNH)
    assert (alert.verdict, alert.suspect, alert.against) == ("review", "b", "a-pnh")


def test_case_15_singapore_to_johor_in_a_minute_is_below_the_floor() -> None:
    assert Partition().arrive(payment("a", "Singapore"), payment("b", "Johor", TEN + minutes(1))) == []


def test_case_16_paris_and_brussels_known_by_country_only_is_none() -> None:
    partition = Partition()
    france = payment("a", None, merchant={"country": "FR"})
    belgium = payment("b", None, TEN + minutes(5), merchant={"country": "BE"})
    assert partition.arrive(france, belgium) == []
    assert {entry.radius_m for entry in partition.memory.entries} == {699_000, 159_000}


def test_case_16_the_same_with_radii_of_250_km_each_is_none() -> None:
    paris, brussels = (
        {"lat": lat, "lon": lon, "radius_km": 250} for lat, lon in ((48.8606, 2.3376), (50.8467, 4.3525))
    )
    rows = [payment("a", None, location=paris), payment("b", None, TEN + minutes(5), location=brussels)]
    assert Partition().arrive(*rows) == []


def test_a_country_far_from_the_believed_sighting_is_enough_for_an_alert_of_low_severity() -> None:
    france = payment("b", None, TEN + minutes(5), merchant={"country": "FR"})
    (alert,) = Partition().arrive(PNH, france)
    assert (alert.suspect, alert.severity, alert.evidence["suspect"]["trust"]) == ("b", "low", "weak")


def test_case_17_paris_to_london_in_three_hours_is_none_and_in_twenty_five_minutes_an_alert() -> None:
    paris = payment("a", "Paris")
    assert Partition().arrive(paris, payment("b", "London", TEN + hours(3))) == []
    (alert,) = Partition().arrive(paris, payment("b", "London", TEN + minutes(25)))
    assert alert.evidence["journey"]["means"] == "fast train"


@pytest.mark.parametrize(("first", "second"), [("Paris", "Phnom Penh"), ("Phnom Penh", "Paris")])
def test_case_18_equal_times_are_ordered_by_transaction_id(first: str, second: str) -> None:
    for rows in ([payment("1", first), payment("2", second)], [payment("2", second), payment("1", first)]):
        partition = Partition()
        (alert,) = partition.arrive(*rows)
        assert (alert.suspect, alert.against) == ("2", "1")
        assert "at the same moment" in alert.evidence["words"]


def test_case_19_paris_phnom_penh_paris_makes_phnom_penh_the_suspect_in_either_order() -> None:
    rows = [
        payment("p1", "Paris"),
        payment("k", "Phnom Penh", TEN + minutes(15)),
        payment("p2", "Paris", TEN + minutes(30)),
    ]
    in_order, first_last = Partition(), Partition()
    assert [alert.suspect for alert in in_order.arrive(*rows)] == ["k"]
    first_last.arrive(rows[1], rows[2])
    told = first_last.arrive(rows[0])
    assert [(alert.status, alert.suspect) for alert in told] == [("raised", "k"), ("withdrawn", "p2")]
    assert first_last.standing == in_order.standing == {"k": "p1"}


def test_case_20_nothing_that_is_known_of_the_customer_silences_case_1() -> None:
    noted = payment("b-paris", "Paris", TEN + minutes(12), travel_notice={"country": "KH"})
    assert [alert.verdict for alert in Partition().arrive(PNH, noted)] == ["alert"]


def test_case_21_local_times_are_those_of_the_zone_of_their_source() -> None:
    def local(name: str, place: str, said: str) -> bytes:
        return with_offset(payment(name, place, occurred_at=said), ZoneInfo("Europe/Paris"))

    # The clocks go forward from 02:00 to 03:00: one hour of the clock's three is none.
    assert (
        Partition().arrive(local("a", "Paris", "2026-03-28T23:30:00"), local("b", "Rome", "2026-03-29T01:30:00")) == []
    )
    (alert,) = Partition().arrive(local("a", "Paris", "2026-03-29T01:30:00"), local("b", "Rome", "2026-03-29T03:30:00"))
    assert alert.evidence["elapsed_s"] == 3600
    with pytest.raises(Refusal):
        local("a", "Paris", "2026-03-29T02:30:00")
    twice = decode(local("a", "Paris", "2026-10-25T02:30:00"))
    assert twice.occurred_at.utcoffset() == hours(2)
    with pytest.raises(Refusal):
        decode(payment("a", "Paris", occurred_at="2026-03-28T23:30:00"))


def test_case_22_fiji_to_samoa_across_the_date_line_is_the_short_way() -> None:
    fiji = payment("a", "Fiji")
    assert Partition().arrive(fiji, payment("b", "Samoa", TEN + hours(5))) == []
    (alert,) = Partition().arrive(fiji, payment("b", "Samoa", TEN + minutes(10)))
    assert alert.evidence["distance_km"] == pytest.approx(1150, abs=30)


@pytest.mark.parametrize("location", [None, {"lat": 0, "lon": 0}, {"lat": 90, "lon": 0}, {"lat": 91, "lon": 0}, "here"])
def test_case_23_a_missing_point_with_no_usable_city_is_counted_and_decides_nothing(location: object) -> None:
    partition = Partition()
    lost = payment("b", None, TEN + minutes(12), location=location)
    assert partition.arrive(PNH, lost) == []
    assert partition.watch.counts["no_place"] == 1
    assert partition.believed == "a-pnh"


def test_a_place_known_by_its_city_alone_is_judged() -> None:
    (alert,) = Partition().arrive(PNH, payment("b-paris", "Paris", TEN + minutes(12), location=None))
    assert alert.evidence["suspect"]["radius_km"] == pytest.approx(14.6, abs=0.1)


ROME = payment("r-rome", "Rome", TEN + minutes(22))


def near(place: str, name: str, at: timedelta, degrees: float) -> bytes:
    city, country, lat, lon = PLACES[place]
    where = {"city": city, "country": country}
    return payment(name, place, TEN + at, merchant=where, location={"lat": lat + degrees, "lon": lon})


def test_case_24_after_the_customer_confirms_phnom_penh_to_paris_and_back_is_quiet_for_thirty_days() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS)
    (withdrawn,) = partition.say(confirmed=["b-paris"])
    assert (withdrawn.status, withdrawn.suspect, withdrawn.raised_by) == ("withdrawn", "b-paris", "b-paris")
    assert partition.believed == "b-paris"
    for number, at in enumerate([20, 60, 3 * 1440, 10 * 1440, 30 * 1440 - 30]):
        back = near("Phnom Penh", f"c{number}", minutes(at), 0.85)
        there = near("Paris", f"d{number}", minutes(at + 15), -0.85)
        assert partition.arrive(back, there) == []


def test_case_24_after_thirty_days_it_is_an_alert_again() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS)
    partition.say(confirmed=["b-paris"])
    assert partition.arrive(payment("c", "Paris", TEN + timedelta(days=31))) == []
    assert [one.suspect for one in partition.arrive(payment("d", "Phnom Penh", TEN + timedelta(days=31, hours=1)))]


def test_case_24_further_than_a_hundred_kilometres_from_the_two_it_is_an_alert() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS)
    partition.say(confirmed=["b-paris"])
    assert [one.suspect for one in partition.arrive(near("Phnom Penh", "c", minutes(30), 0.95))] == ["c"]


def test_case_24_rome_ten_minutes_after_the_confirmed_paris_is_the_suspect() -> None:
    partition = Partition()
    partition.arrive(PNH, PARIS)
    partition.say(confirmed=["b-paris"])
    (alert,) = partition.arrive(ROME)
    assert (alert.verdict, alert.suspect, alert.against) == ("alert", "r-rome", "b-paris")


BLOCKED = {"outcome": "declined", "decline_reason": "card_blocked"}


@pytest.mark.parametrize(
    "fields",
    [
        {"entry_mode": "chip"},
        {"entry_mode": "ecommerce", "channel": "card_not_present"},
        {"entry_mode": "credential_on_file", "channel": "card_not_present"},
        {"channel": "atm", "type": "withdrawal"},
        {"entry_mode": "contactless", "instrument": "wallet"},
    ],
)
def test_case_25_the_use_of_a_blocked_card_is_an_alert_without_the_other_side_on_whatever_channel(
    fields: dict[str, Any],
) -> None:
    partition = Partition()
    (alert,) = partition.arrive(PNH, payment("b", "Phnom Penh", TEN + hours(9), **BLOCKED, **fields))
    assert (alert.status, alert.verdict, alert.rule) == ("raised", "alert", "blocked_card_used")
    assert (alert.suspect, alert.against, alert.evidence["against"], alert.severity) == ("b", None, None, "high")
    assert "blocked" in alert.evidence["words"]
    assert partition.arrive(payment("b", "Phnom Penh", TEN + hours(9), **BLOCKED, **fields)) == []


def test_case_25_a_blocked_card_used_where_it_is_impossible_too_is_one_alert() -> None:
    partition = Partition()
    (alert,) = partition.arrive(PNH, payment("b", "Paris", TEN + minutes(12), **BLOCKED))
    assert (alert.rule, alert.against) == ("blocked_card_used", None)
    assert partition.arrive(payment("c", "Phnom Penh", TEN + minutes(20))) == []


def test_a_reason_without_a_decline_is_no_use_of_a_blocked_card() -> None:
    assert Partition().arrive(payment("b", "Paris", decline_reason="card_blocked")) == []
