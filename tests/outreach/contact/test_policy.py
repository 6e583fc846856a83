from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from outreach.contact.policy import MOST_ALERTS, Forbidden, Permitted, Reason, Wish, judge

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ALERT = Wish(
    channel="sms",
    purpose="alert",
    configured=True,
    address="+14155550123",
    text="Mekong Bank: ...",
    jurisdiction="US",
    now=NOW,
)


def wish(**changes: Any) -> Wish:
    return structs.replace(ALERT, **changes)


def test_an_alert_to_the_number_on_file_goes_out_under_the_exemption() -> None:
    assert judge(ALERT) == Permitted(legal_basis="exemption", remaining=2)


def test_consent_is_named_where_she_gave_it() -> None:
    decision = judge(wish(consents=frozenset({"sms"})))
    assert isinstance(decision, Permitted)
    assert decision.legal_basis == "consent"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"configured": False}, Reason.NOT_CONFIGURED),
        ({"address": ""}, Reason.NO_ADDRESS),
        ({"address": "4155550123"}, Reason.BAD_ADDRESS),
        ({"address": "+1 415 555 0123"}, Reason.BAD_ADDRESS),
        ({"channel": "email"}, Reason.BAD_ADDRESS),
        ({"channel": "email", "address": "sokha@mail.example\nBcc: x@y.example"}, Reason.BAD_ADDRESS),
        ({"opted_out": frozenset({"sms"})}, Reason.OPTED_OUT),
        ({"answered": True}, Reason.ALREADY_ANSWERED),
        ({"text": "x" * 161}, Reason.TOO_LONG),
        ({"purpose": "acknowledgement"}, Reason.NOTHING_TO_ANSWER),
        ({"purpose": "acknowledgement", "replied": True, "opted_out": frozenset({"sms"})}, Reason.OPTED_OUT),
        ({"earlier": [NOW - timedelta(hours=1)] * 3}, Reason.ALLOWANCE_USED),
    ],
)
def test_each_refusal_has_its_reason(changes: dict[str, Any], reason: Reason) -> None:
    decision = judge(wish(**changes))
    assert isinstance(decision, Forbidden)
    assert decision.reason == reason
    assert decision.policy_version


def test_an_opt_out_from_texts_leaves_email_open() -> None:
    decision = judge(wish(channel="email", address="sokha@mail.example", opted_out=frozenset({"sms"})))
    assert isinstance(decision, Permitted)


def test_one_confirmation_may_follow_an_opt_out() -> None:
    decision = judge(wish(purpose="opt_out_confirmation", opted_out=frozenset({"sms"}), replied=True))
    assert decision == Permitted(legal_basis="reply", remaining=3)


def test_an_answer_to_her_own_message_may_follow_after_she_has_answered() -> None:
    assert isinstance(judge(wish(purpose="acknowledgement", replied=True, answered=True)), Permitted)


def test_the_length_binds_only_where_the_exemption_asks_for_it() -> None:
    long = "x" * 400
    assert isinstance(judge(wish(text=long, jurisdiction="GB")), Permitted)
    assert isinstance(judge(wish(text=long, consents=frozenset({"sms"}))), Permitted)
    assert isinstance(judge(wish(text=long, channel="email", address="a@b.example")), Permitted)


times = st.lists(st.timedeltas(timedelta(0), timedelta(days=10)), max_size=8)


@given(times)
def test_the_fourth_alert_of_three_days_is_refused_and_the_allowance_is_what_is_left(ages: list[timedelta]) -> None:
    decision = judge(wish(earlier=[NOW - age for age in ages]))
    recent = sum(age < timedelta(days=3) for age in ages)
    if recent >= MOST_ALERTS:
        assert decision == Forbidden(reason=Reason.ALLOWANCE_USED)
    else:
        assert decision == Permitted(legal_basis="exemption", remaining=MOST_ALERTS - recent - 1)


ages = st.lists(st.timedeltas(timedelta(0), timedelta(days=10)).map(lambda age: NOW - age), max_size=8)
channels = st.sampled_from(["sms", "voice", "email"])
addresses = st.sampled_from(["+14155550123", "sokha@mail.example", ""]) | st.text(max_size=30)
wishes = st.builds(
    Wish,
    channel=channels,
    purpose=st.sampled_from(["alert", "acknowledgement", "opt_out_confirmation"]),
    configured=st.booleans(),
    address=addresses,
    text=st.text(max_size=200),
    jurisdiction=st.sampled_from(["US", "GB", "DE"]),
    consents=st.frozensets(channels),
    opted_out=st.frozensets(channels),
    answered=st.booleans(),
    earlier=ages,
    replied=st.booleans(),
    now=st.just(NOW),
)


@given(wishes)
def test_nothing_but_the_confirmation_ever_reaches_a_channel_that_she_closed(any_wish: Wish) -> None:
    closed = structs.replace(any_wish, opted_out=any_wish.opted_out | {any_wish.channel})
    if closed.purpose != "opt_out_confirmation":
        assert isinstance(judge(closed), Forbidden)


@given(wishes)
def test_what_is_permitted_has_an_address_a_ground_and_an_allowance(any_wish: Wish) -> None:
    decision = judge(any_wish)
    assert decision.policy_version
    if isinstance(decision, Permitted):
        assert any_wish.address
        assert 0 <= decision.remaining <= MOST_ALERTS
        assert (decision.legal_basis == "reply") == (any_wish.purpose != "alert")


@given(wishes)
def test_no_alert_starts_once_she_has_answered(any_wish: Wish) -> None:
    assert isinstance(judge(structs.replace(any_wish, purpose="alert", answered=True)), Forbidden)


@given(wishes)
def test_opting_out_never_permits_what_was_forbidden(any_wish: Wish) -> None:
    if isinstance(judge(any_wish), Forbidden):
        assert isinstance(
            judge(structs.replace(any_wish, opted_out=any_wish.opted_out | {any_wish.channel})), Forbidden
        )
