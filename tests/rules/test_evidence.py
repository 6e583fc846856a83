"""The evidence card and the alert that carries it."""

from xml.etree import ElementTree as ET

import msgspec
import pytest

from rules.alert import Alert, encode, make_alert
from rules.drawing import map_of, svg
from rules.evidence import GONE, Evidence, _zone
from rules.map import Place, draw
from rules.ruleset import LIVE
from tests.rules.payments import CARD, STAMP, TEN, Partition, hours, minutes, payment


def test_an_alert_says_all_that_the_operator_needs_of_both_sides() -> None:
    (alert,) = Partition().arrive(payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(12)))
    evidence = alert.evidence
    assert evidence["suspect"]["local_time"] == "2026-03-14T11:12:00+01:00"
    assert evidence["against"]["local_time"] == "2026-03-14T17:00:00+07:00"
    assert (evidence["suspect"]["place"], evidence["suspect"]["country"]) == ("Paris", "FR")
    assert evidence["journey"]["means"] == "flight"
    assert [each["transaction_id"] for each in evidence["recent"]] == ["b", "a"]
    assert evidence["words"] == (
        "The card was used in Phnom Penh (KH) on 14 March at 17:00 local time (10:00 UTC) and 12 min later in Paris"
        " (FR) at 11:12 local time (10:12 UTC), 9,941 km away. The fastest plausible journey, by flight, takes"
        " 10 h 41 min."
    )
    assert evidence["possible_if"] == (
        "At least 10 h 39 min between the two (flight over 9,941 km, from one till to the other; 2 min are allowed for"
        " the clocks); or a second place within 50 km of the first."
    )
    assert evidence["suspect"]["reason"] == "The chip was read: the plastic was there."


def test_a_card_by_country_says_somewhere_and_how_far_it_is_at_least() -> None:
    france = payment("b", None, TEN + hours(1), merchant={"country": "FR"})
    (alert,) = Partition().arrive(payment("a", "Phnom Penh"), france)
    evidence = alert.evidence
    assert evidence["suspect"]["place"] == "somewhere in France"
    assert "1 h 0 min later somewhere in France at 11:00 UTC, " in evidence["words"]
    assert "(at least 9,353 km, wherever in their circles they are)" in evidence["words"]
    assert (
        "It is placed by its country alone, within 699 km: it came without a usable point."
        in (evidence["suspect"]["reason"])
    )
    assert evidence["suspect"]["reason"].endswith("So it may be doubted, and is never believed.")


def test_a_place_far_from_any_city_says_how_far() -> None:
    ocean = payment("b", None, TEN + hours(1), location={"lat": -40, "lon": -140}, merchant=None)
    (alert,) = Partition().arrive(payment("a", "Phnom Penh"), ocean)
    assert alert.evidence["suspect"]["place"].endswith(" km from Adamstown")
    assert f"1 h 0 min later {alert.evidence['suspect']['place']} (PN) at" in alert.evidence["words"]


def test_where_the_clocks_show_another_day_it_is_said() -> None:
    late = TEN + hours(8)
    (alert,) = Partition().arrive(payment("a", "Paris", late), payment("b", "Phnom Penh", late + hours(1)))
    assert "on 14 March at 19:00 local time (18:00 UTC) and 1 h 0 min later" in alert.evidence["words"]
    assert "at 02:00 local time (19:00 UTC) on 15 March, 9,941 km away" in alert.evidence["words"]


def test_the_map_shows_both_places_with_their_times_and_says_the_words() -> None:
    (alert,) = Partition().arrive(payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(12)))
    drawn = map_of(msgspec.convert(alert.evidence, Evidence))
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - what we have drawn ourselves
    for said in ("Phnom Penh", "17:00, 10:00 UTC", "Paris", "11:12, 10:12 UTC", 'class="arc"', "9,941 km away"):
        assert said in drawn


def test_a_map_of_one_place_has_no_way_and_no_script_in_its_names() -> None:
    drawn = svg(draw(None, Place(lat=1, lon=2, name="<b>A & B</b>")), "A <place>")
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in drawn
    assert 'class="arc"' not in drawn


def test_the_message_is_one_line_of_json_that_can_be_read_back() -> None:
    (alert,) = Partition().arrive(payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(12)))
    raw = encode(alert)
    assert b"\n" not in raw
    again = msgspec.json.decode(raw, type=Alert)
    assert (again.alert_id, again.rule, again.ruleset_version, again.mode) == (
        alert.alert_id,
        "impossible_location",
        LIVE.version,
        "live",
    )
    assert again.evidence["suspect"]["at"] == "2026-03-14T10:12:00Z"


def test_where_the_topic_no_longer_has_the_record_the_evidence_says_so_and_shows_what_the_memory_knows() -> None:
    partition = Partition()
    partition.arrive(payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(0.5)))
    (finding,) = partition.watch.standing(partition.memories[CARD])
    evidence = make_alert(finding, CARD, {}, raised_at=STAMP, arrived_at=STAMP).evidence
    assert evidence["suspect"]["reason"] == GONE
    assert evidence["suspect"]["country"] == "FR"
    assert evidence["suspect"]["amount"] is None
    assert evidence["recent"] == []
    assert "30 s later" in evidence["words"]


def test_a_withdrawn_alert_says_that_it_is_no_longer_suspected() -> None:
    partition = Partition()
    partition.arrive(payment("k", "Phnom Penh"), payment("p", "Paris", TEN + minutes(12)))
    *_, withdrawn = partition.arrive(payment("o", "Paris", TEN - minutes(12)))
    assert (withdrawn.status, withdrawn.suspect, withdrawn.against) == ("withdrawn", "p", "k")
    assert withdrawn.evidence["words"].startswith("No longer suspected")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"outcome": "declined"}, "declined"),
        ({"deferred": True}, "reported late"),
        ({"location": {"lat": 48.86, "lon": 2.34, "radius_km": 80}}, "only within 80 km"),
        ({"entry_mode": "fallback"}, "stripe was used instead"),
    ],
)
def test_the_reasons_for_its_trust_are_told(fields: dict[str, object], words: str) -> None:
    (alert,) = Partition().arrive(payment("a", "Phnom Penh"), payment("b", "Paris", TEN + minutes(12), **fields))
    assert words in alert.evidence["suspect"]["reason"]


def test_a_payment_without_a_merchant_is_placed_by_the_nearest_city() -> None:
    (alert,) = Partition().arrive(
        payment("a", "Phnom Penh", merchant=None), payment("b", "Paris", TEN + hours(1), merchant=None)
    )
    assert (alert.evidence["against"]["place"], alert.evidence["against"]["country"]) == ("Phnom Penh", "KH")
    assert alert.evidence["recent"][0]["merchant"] is None


def test_the_last_ten_payments_of_any_kind_are_shown_newest_first() -> None:
    partition = Partition()
    online = [payment(f"e{number:02}", None, TEN + minutes(number), entry_mode="ecommerce") for number in range(12)]
    late = payment("e", None, TEN + minutes(5.5), entry_mode="ecommerce")
    partition.arrive(payment("a", "Phnom Penh"), *online, late)
    (alert,) = partition.arrive(payment("b", "Paris", TEN + minutes(12)))
    shown = [each["transaction_id"] for each in alert.evidence["recent"]]
    assert shown == ["b", "e11", "e10", "e09", "e08", "e07", "e06", "e", "e05", "e04"]


def test_a_zone_that_the_machine_does_not_know_is_utc() -> None:
    assert _zone("Atlantis/Poseidonis").key == "UTC"
