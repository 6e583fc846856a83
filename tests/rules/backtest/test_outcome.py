"""What a backtest found: added up, compared, explained, and told on a page."""

import json
import re
from datetime import timedelta
from functools import cache

import msgspec
import pytest

from rules.backtest.judging import AS_PUBLISHED, LIVE, OUR_SIGHTINGS, Part, judge_factors, judge_partition, scaled
from rules.backtest.mistakes import Mistake, explain, worst
from rules.backtest.outcome import Outcome, outcome
from rules.backtest.report import page
from rules.backtest.scatter import precision_recall
from rules.backtest.score import Score, Share, Tally
from rules.backtest.truth import FraudRow, Truth, cases_from
from rules.ruleset import LIVE as RULES
from tests.rules.payments import CARD, STAMP, TEN, hours, minutes, payment

STAMP_MS = int(STAMP.timestamp() * 1000)
OTHER = msgspec.structs.replace(scaled(RULES, 2.0), version="2026.2")


def rows_of() -> dict[str, list[bytes]]:
    def pay(name: str, place: str | None, after: timedelta, **fields: object) -> bytes:
        return payment(name, place, TEN + after, card_id=name.partition("-")[0], **fields)

    return {
        "found": [pay("found-1", "Phnom Penh", minutes(0)), pay("found-2", "Paris", minutes(12))],
        "false": [pay("false-1", "Rome", hours(1)), pay("false-2", "London", hours(1) + minutes(5))],
        "again": [
            pay("again-1", "Rome", hours(49)),
            pay("again-2", "Rome", hours(49), merchant=None, location={"lat": 48.9, "lon": 2.3}),
        ],
        "same": [pay("same-1", "Paris", hours(2)), pay("same-2", "Paris", hours(3))],
        "slow": [pay("slow-1", "Paris", hours(2)), pay("slow-2", "London", hours(12))],
        "alone": [pay("alone-1", "Paris", hours(2))],
        "placeless": [pay("placeless-1", "Paris", hours(2)), pay("placeless-2", None, hours(3))],
        "loose": [pay("loose-1", "Paris", hours(2)), pay("loose-2", "London", hours(2) + minutes(100))],
        "weak": [
            pay("weak-1", "Paris", hours(2), entry_mode="fallback"),
            pay("weak-2", "Rome", hours(2) + minutes(9), entry_mode="fallback"),
        ],
        "old": [pay("old-1", "Paris", hours(2)), pay("old-2", "Rome", hours(90))],
        "gone": [b'{"card_id": "gone"}'],
        "absent": [pay("absent-1", "Rome", hours(5), channel="card_not_present", entry_mode="ecommerce")],
    }


FRAUDS = ("found-2", "same-2", "slow-2", "alone-1", "placeless-2", "loose-2", "weak-2", "old-2", "gone-1", "absent-1")


@cache
def truth() -> Truth:
    rows = [
        FraudRow(
            name, name.partition("-")[0], int(TEN.timestamp() * 1e6), present=name != "absent-1", cents=5_000 + number
        )
        for number, name in enumerate(FRAUDS)
    ]
    return cases_from(rows)


@cache
def judged() -> tuple[Outcome, Part]:
    lines = [(number, raw) for number, raw in enumerate(raw for rows in rows_of().values() for raw in rows)]
    part = judge_partition(lines, {LIVE: RULES, "against": OTHER}, truth(), stamp_ms=STAMP_MS)
    factors = judge_factors(lines, RULES, truth(), stamp_ms=STAMP_MS)
    found = outcome([part], factors, truth(), file="story.ndjson", ruleset=RULES.version, against=OTHER.version)
    return found, part


@cache
def mistakes() -> dict[str, Mistake]:
    _, part = judged()
    told = part.told[LIVE]
    found = explain(worst(told, truth()), rows_of(), truth(), {"false-2": "registered elsewhere"}, RULES)
    return {each.card_id: each for each in found}


RIVALS = ("Elastic", "Panther", "Splunk", "Okta", "Egnyte")


def test_rules_that_are_alike_have_one_name_together() -> None:
    one = msgspec.structs.replace(judged()[0].live, recall_case=Share(2, 10, 0.2, 0.1, 0.3))
    chart = str(precision_recall([], one, dict.fromkeys(RIVALS, one)))
    assert re.findall(r'<text class="name"[^>]*>([^<]+)<', chart) == [", ".join(RIVALS)]


@pytest.mark.parametrize("recall", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("precision", [0.0, 0.5, 1.0])
def test_names_lie_neither_on_each_other_nor_on_the_axes(recall: float, precision: float) -> None:
    def at(step: float) -> Score:
        shares = [Share(2, 10, min(value + step, 1.0), value, 1.0) for value in (recall, precision)]
        return msgspec.structs.replace(judged()[0].live, recall_case=shares[0], precision_case=shares[1])

    others = {name: at(0.03 * number) for number, name in enumerate(RIVALS)}
    chart = str(precision_recall([], at(0.0), others))
    found = re.findall(r'<text class="(?:name|strong)"[^>]* x="([-0-9.]+)" y="([-0-9.]+)">([^<]+)<', chart)
    assert {name for _, _, names in found for name in names.split(", ")} == {"Ringback", *RIVALS}
    boxes = [(float(x) - 3.5 * len(name), float(y), 7 * len(name)) for x, y, name in found]
    for number, (left, y, wide) in enumerate(boxes):
        assert left >= 46
        assert y <= 380  # the figures of the axis stand below
        for other_left, other_y, other_wide in boxes[:number]:
            assert abs(y - other_y) >= 12 or left >= other_left + other_wide or other_left >= left + wide


@pytest.mark.parametrize(
    ("highest", "ends"), [(0.0, "10%"), (0.31, "40%"), (0.4, "40%"), (0.51, "60%"), (0.97, "100%")]
)
def test_the_picture_ends_at_the_next_round_figure(highest: float, ends: str) -> None:
    share = Share(1, 10, highest / 2, 0.0, highest)
    one = msgspec.structs.replace(judged()[0].live, recall_case=share, precision_case=share)
    assert re.findall(r'<text class="tick" x="406.0"[^>]*>([^<]+)<', str(precision_recall([], one, {}))) == [ends]


def test_the_figures_are_those_of_the_story() -> None:
    found, _ = judged()
    assert (found.cases, found.cases_visible, found.frauds) == (10, 9, 10)
    assert (found.live.recall_case.hits, found.live.precision_case.hits, found.live.precision_case.of) == (1, 1, 3)
    assert found.refused == {"missing_field: transaction_id": 1}
    assert found.cards == 11
    assert {(row.one, row.other) for row in found.pairs} == {("FR", "KH"), ("GB", "IT"), ("FR", "IT")}
    assert [row.alerts_true + row.alerts_false for row in found.daily] == [2, 0, 1]
    assert found.delay_case.count == 1


def test_of_each_kind_it_is_known_how_many_were_found() -> None:
    found, _ = judged()
    by_kind = {row.kind: row.recall for row in found.kinds}
    assert (by_kind["card_present"].hits, by_kind["card_present"].of) == (1, 9)
    assert by_kind["card_absent"].of == 1


def test_the_other_rule_set_is_compared_case_by_case() -> None:
    changes = judged()[0].changes
    assert changes is not None
    assert (changes.both, changes.only_live, changes.only_against) == (3, 0, 1)
    assert [each.case_id for each in changes.alerts] == changes.cases_only_against
    assert (changes.alerts[0].only_in, changes.alerts[0].countries) == ("against", ("FR", "GB"))


def test_a_looser_threshold_finds_no_less() -> None:
    hits = [point.score.recall_case.hits for point in judged()[0].curve]
    assert hits == sorted(hits)
    assert hits[-1] == 2


@pytest.mark.parametrize(
    ("card", "why"),
    [
        ("false", "no journey is that fast"),
        ("same", "within 50 km"),
        ("slow", "time enough"),
        ("alone", "nothing to hold"),
        ("placeless", "says where the card was"),
        ("loose", "time enough"),
        ("weak", "Both sides are weak"),
        ("old", "not seen within the memory"),
        ("gone", "None of the thief's payments was judged"),
    ],
)
def test_every_mistake_is_explained(card: str, why: str) -> None:
    assert why in mistakes()[card].why


def test_a_false_alarm_has_its_evidence_and_its_truth() -> None:
    false = mistakes()["false"]
    assert false.truth == "registered elsewhere"
    assert false.evidence is not None
    assert "London" in false.evidence["words"]
    assert mistakes()["again"].truth == "both sides ordinary payments"


def test_two_messages_of_one_city_with_points_apart_are_told_so() -> None:
    south, north = ({"lat": lat, "lon": 2.34} for lat in (48.37, 49.35))  # each as near to Paris as not to be doubted
    rows = [
        payment("x1", "Paris", card_id="x", location=south),
        payment("x2", "Paris", TEN + minutes(5), card_id="x", location=north),
    ]
    part = judge_partition(enumerate(rows), {LIVE: RULES}, truth(), stamp_ms=STAMP_MS)
    (found,) = explain(worst(part.told[LIVE], Truth()), {"x": rows}, Truth(), {}, RULES)
    assert "state the same city" in found.why


def test_what_cannot_be_replayed_is_left_out() -> None:
    wanted = worst(judged()[1].told[LIVE], truth())
    assert explain(wanted, {}, truth(), {}, RULES) == []
    (blind,) = explain([each for each in wanted if each.card_id == "false"], {"false": []}, truth(), {}, RULES)
    assert blind.evidence is None


def test_a_walk_that_another_sighting_made_possible_is_told_so() -> None:
    rows = [
        payment("k1", "Paris", card_id="k", entry_mode="fallback"),
        payment("k2", "London", TEN + minutes(20), card_id="k", repeat_of="k0"),
    ]
    known = cases_from([FraudRow("k2", "k", 0, present=True, cents=1)])
    (found,) = explain(worst([], known), {"k": rows}, known, {}, RULES)
    assert found.why.startswith(("The journey was impossible", "There was time enough"))


def test_the_page_shows_all_of_it_and_needs_nothing_beside_it() -> None:
    found, _ = judged()
    found.mistakes = list(mistakes().values())
    found.false_alarms, found.simulated = {"registered elsewhere": 1, "ordinary": 1}, True
    text = page(found, {LIVE: RULES, "against": OTHER})
    for said in ("story.ndjson", "2026.2", "registered elsewhere", "Panther", "Wilson", "GB – IT"):  # noqa: RUF001
        assert said in text
    for outside in ("http://", "https://", "<script", "@import", "url("):
        assert outside not in text
    assert text.count("<svg") == text.count("</svg>") > 5


def test_a_quiet_rule_set_has_a_page_too() -> None:
    quiet = Part(told={LIVE: []}, others={OUR_SIGHTINGS: {"Panther": Tally()}, AS_PUBLISHED: {"Panther": Tally()}})
    found = outcome([quiet], {1.0: Tally()}, truth(), file="own.csv", ruleset="2026.1", against=None)
    assert "Panther" in page(found, {LIVE: RULES})


def test_many_days_are_not_all_named() -> None:
    day = judged()[1].told[LIVE][0]
    told = [msgspec.structs.replace(day, at_us=day.at_us + number * 86_400_000_000) for number in range(12)]
    found = outcome([Part(told={LIVE: told})], {}, truth(), file="own.csv", ruleset="2026.1", against=None)
    assert len(found.daily) == 12
    assert page(found, {LIVE: RULES}).count(">03-") < 12


def test_a_withdrawn_alert_and_one_that_came_too_late_are_replayed_too() -> None:
    rows = [
        payment("late", "Paris", TEN + hours(20)),
        payment("early", "Phnom Penh", TEN + hours(19)),
        payment("late", "Phnom Penh", TEN + hours(19)),
        payment("forgotten", "Paris", TEN - hours(90)),
    ]
    known = cases_from([FraudRow("early", CARD, 0, present=True, cents=1)])
    (found,) = explain(worst([], known), {CARD: rows}, known, {}, RULES)
    assert found.kind == "missed"


def test_no_marked_rows_make_no_case() -> None:
    assert cases_from([]).cases == {}


def test_names_out_of_a_file_are_escaped() -> None:
    found = msgspec.structs.replace(judged()[0], file="<script>alert(1)</script>.csv", mistakes=[])
    assert "<script>" not in page(found, {LIVE: RULES})


def test_without_labels_the_page_says_so() -> None:
    bare = outcome([Part(told={LIVE: []})], {}, Truth(known=False), file="own.csv", ruleset="2026.1", against=None)
    assert "No labels were given" in page(bare, {LIVE: RULES})


def test_it_is_json_and_comes_back() -> None:
    found, _ = judged()
    again = json.loads(msgspec.json.encode(found))
    assert again["live"]["recall_case"]["hits"] == 1
