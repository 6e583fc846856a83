import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import phonenumbers
import pytest

from rules.transaction import decode
from streams.contracts.customer import CustomerMessage
from streams.rehearsal.payments import Labelled, distance_km, payments, story
from streams.rehearsal.people import CITIES, City, customers, fictional_phone, story_customer

START = datetime(2026, 3, 14, 10, tzinfo=UTC)
PEOPLE = customers(100, seed=3)
HOMES = {city.name: city for city in CITIES}
CARDS: list[tuple[str, City]] = [
    (card["card_id"], HOMES[each["home"]["city"]]) for each in PEOPLE for card in each["cards"]
]


def stream(seed: int = 1, per_s: float = 5.0) -> list[Labelled]:
    return list(payments(CARDS, count=4000, impossible=40, seed=seed, start=START, per_s=per_s))


def test_the_same_seed_gives_the_same_payments_and_another_gives_others() -> None:
    assert stream(1) == stream(1)
    assert stream(1) != stream(2)


def test_every_payment_is_one_that_the_contract_accepts() -> None:
    for labelled in stream():
        decode(json.dumps(labelled.message).encode())


def test_no_message_carries_its_label() -> None:
    keys = {key for labelled in stream() for key in labelled.message}

    assert not keys & {"impossible", "label", "fraud"}


def test_the_impossible_ones_are_as_many_as_asked_and_each_has_its_own_card() -> None:
    impossible = [each.message["card_id"] for each in stream() if each.impossible]

    assert len(impossible) == len(set(impossible)) == 40


@pytest.mark.parametrize("per_s", [5.0, 0.002])
def test_what_is_impossible_contradicts_the_cards_payment_just_before_and_nothing_else_is_faster_than_a_flight(
    per_s: float,
) -> None:
    last: dict[str, tuple[datetime, City]] = {}
    for labelled in stream(per_s=per_s):
        message = labelled.message
        if message["channel"] == "card_not_present":
            continue
        at, city = datetime.fromisoformat(message["occurred_at"]), HOMES[message["merchant"]["city"]]
        known_at, known = last.get(message["card_id"], (at - timedelta(days=3), city))
        within = timedelta(hours=1 + distance_km(known, city) / 1000) if known != city else timedelta()
        assert (at - known_at < within) == labelled.impossible
        if not labelled.impossible:
            last[message["card_id"]] = (at, city)


def test_more_impossible_journeys_than_cards_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="as many cards"):
        next(payments(CARDS[:1], count=100, impossible=2, seed=1, start=START))


def test_every_customer_is_one_that_the_contract_accepts_and_that_can_be_nobody() -> None:
    for each in [*PEOPLE, story_customer()]:
        person = CustomerMessage.model_validate_json(json.dumps(each))
        assert person.phone[5:9] == "5550"
        assert "@example." in person.email
        assert phonenumbers.is_possible_number(phonenumbers.parse(person.phone))


def test_no_two_of_the_first_1900_customers_share_a_telephone() -> None:
    phones = Counter(fictional_phone(number) for number in range(1900))

    assert max(phones.values()) == 1
    assert not {"+14155550100", "+14155550142"} & set(phones)


def test_the_story_is_told_in_phnom_penh_and_three_suspects_in_paris() -> None:
    told = story(START)

    assert [(each.message["merchant"]["country"], each.impossible) for each in told] == [
        ("KH", False),
        ("KH", False),
        ("FR", True),
        ("FR", True),
        ("FR", True),
    ]
