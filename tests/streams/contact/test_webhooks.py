from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from infra.history.event import Event
from outreach.cases import events as e
from outreach.contact.events import StrayReceived
from outreach.contact.scrub import MASK
from tests.streams.contact.world import EMAIL, PHONE, World, until

STRANGER = "+14155550177"


def signature(world: World, path: str, parameters: dict[str, str]) -> str:
    token = world.settings.twilio_auth_token
    assert token is not None
    signed: str = RequestValidator(token.get_secret_value()).compute_signature(
        world.settings.web_url + path, parameters
    )
    return signed


async def post(world: World, path: str, parameters: dict[str, str], *, signed: str | None = None) -> Any:
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": signature(world, path, parameters) if signed is None else signed,
    }
    return await world.http.post(path, content=urlencode(parameters), headers=headers)


async def reached(world: World, **customer: Any) -> str:
    """A case whose text has arrived."""
    await world.customer(**customer)
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "delivered")
    await world.caught_up()
    return case_id


@pytest.mark.parametrize("path", ["/webhooks/twilio/sms", "/webhooks/twilio/voice", "/webhooks/twilio/status/a/b"])
@pytest.mark.parametrize("signed", ["", "bm90IGEgc2lnbmF0dXJl"])
async def test_what_is_not_signed_is_forbidden(world: World, path: str, signed: str) -> None:
    answer = await post(world, path, {"MessageSid": "SM1", "CallSid": "CA1", "From": PHONE}, signed=signed)
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_the_signature_covers_every_parameter_blank_ones_included(world: World) -> None:
    parameters = {"MessageSid": "SM1", "From": STRANGER, "Body": "hello", "FromCity": ""}
    assert (await post(world, "/webhooks/twilio/sms", parameters)).status_code == 200
    without_blank = signature(world, "/webhooks/twilio/sms", {k: v for k, v in parameters.items() if v})
    assert (await post(world, "/webhooks/twilio/sms", parameters, signed=without_blank)).status_code == 403


async def test_a_changed_parameter_is_forbidden(world: World) -> None:
    case_id = await reached(world)
    path = "/webhooks/twilio/sms"
    signed = signature(world, path, {"MessageSid": "SM1", "From": STRANGER, "Body": "1"})
    answer = await post(world, path, {"MessageSid": "SM1", "From": PHONE, "Body": "1"}, signed=signed)
    assert answer.status_code == 403
    assert await world.events(case_id, e.ReplyReceived) == []


async def test_a_delivery_report_that_is_replayed_is_recorded_once(world: World) -> None:
    case_id = await reached(world)
    contact = await world.contact(case_id)
    assert contact is not None
    path = f"/webhooks/twilio/status/{case_id}/{contact.contact_id}"
    parameters = {"MessageSid": contact.provider_id, "MessageStatus": "read", "ErrorCode": ""}
    for _ in range(3):
        assert (await post(world, path, parameters)).status_code == 204
    reports = await world.events(case_id, e.DeliveryReported)
    assert [one.status for one in reports].count("read") == 1
    assert next(one for one in reports if one.status == "read").raw == parameters


async def test_a_report_about_nothing_of_ours_is_answered_and_changes_nothing(world: World) -> None:
    parameters = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    head = (await world.history.head()).position
    assert (await post(world, "/webhooks/twilio/status/nobody/nothing", parameters)).status_code == 204
    assert (await world.history.head()).position == head


async def test_the_first_digit_closes_the_case_and_is_acknowledged(world: World) -> None:
    case_id = await reached(world)
    await world.network.reply(PHONE, "1")
    assert (await world.state(case_id)).resolution == "genuine"
    await world.until_status(case_id, "delivered", purpose="acknowledgement")
    assert "it was you" in world.texts()[-1]
    assert (await world.events(case_id, e.ContactIntended))[-1].legal_basis == "reply"


async def test_the_second_digit_brings_the_case_to_the_front_and_is_acknowledged(world: World) -> None:
    case_id = await reached(world)
    await world.network.reply(PHONE, "2.")
    task = (await world.state(case_id)).task
    assert task is not None
    assert (task.reason, task.front) == ("denied_by_reply", True)
    await world.until_status(case_id, "delivered", purpose="acknowledgement")
    assert "it was not you" in world.texts()[-1]


async def test_a_grave_case_is_not_closed_by_a_digit_and_she_is_told_so(world: World) -> None:
    await world.customer()
    world.role().start()
    case_id = await world.alert(severity="high")
    await world.until_status(case_id, "delivered")
    await world.caught_up()
    await world.network.reply(PHONE, "1")
    assert (await world.state(case_id)).resolution == ""
    await world.until_status(case_id, "delivered", purpose="acknowledgement")
    assert "an operator will call you" in world.texts()[-1]


async def test_anything_else_is_acknowledged_and_goes_to_an_operator(world: World) -> None:
    case_id = await reached(world, language="de")
    await world.network.reply(PHONE, "Wer sind Sie?")
    task = (await world.state(case_id)).task
    assert task is not None
    assert task.reason == "read_reply"
    await world.until_status(case_id, "delivered", purpose="acknowledgement")
    assert "wir haben Ihre Nachricht" in world.texts()[-1]


async def test_a_text_that_comes_twice_is_one_reply(world: World) -> None:
    case_id = await reached(world)
    parameters = {"MessageSid": "SM77", "From": PHONE, "Body": "what is this"}
    for _ in range(2):
        assert (await post(world, "/webhooks/twilio/sms", parameters)).status_code == 200
    assert len(await world.events(case_id, e.ReplyReceived)) == 1


async def test_a_card_number_in_a_text_is_never_kept(world: World) -> None:
    case_id = await reached(world)
    await world.network.reply(PHONE, "my card is 4111 1111 1111 1111")
    [reply] = await world.events(case_id, e.ReplyReceived)
    assert reply.text == f"my card is {MASK}"


async def test_stop_is_honoured_at_once_and_nothing_is_texted_afterwards(world: World) -> None:
    case_id = await reached(world)
    await world.network.reply(PHONE, "STOP")
    profile = await world.customers.profile("sokha")
    assert profile is not None
    assert "sms" in profile.opted_out
    before = world.texts()
    await world.network.reply(PHONE, "who is this?")
    await world.until_status(case_id, "refused", purpose="acknowledgement")
    assert world.texts() == before
    assert await world.contact(case_id, purpose="opt_out_confirmation") is None


async def test_an_answer_after_stop_is_acknowledged_by_email(world: World) -> None:
    case_id = await reached(world)
    await world.network.reply(PHONE, "STOP")
    before = world.texts()
    await world.network.reply(PHONE, "2")
    assert (await world.state(case_id)).denied
    await world.until_status(case_id, "accepted", channel="email", purpose="acknowledgement")
    assert world.texts() == before
    assert "it was not you" in world.mailboxes.of(EMAIL)[-1].text


async def test_two_who_share_a_number_are_told_apart_by_the_newest_message_or_the_code(world: World) -> None:
    first = await reached(world)
    await world.customer("dara")
    second = await world.alert("dara")
    await world.until_status(second, "delivered")
    await world.caught_up()
    await world.network.reply(PHONE, "2")
    assert (await world.state(second)).denied
    assert not (await world.state(first)).denied
    await world.network.reply(PHONE, f"1 {(await world.state(first)).case_code}")
    assert (await world.state(first)).resolution == "genuine"
    await world.network.reply(PHONE, "STOP")
    for customer_id in ("sokha", "dara"):
        profile = await world.customers.profile(customer_id)
        assert profile is not None
        assert "sms" in profile.opted_out


async def test_stop_in_other_words_is_confirmed_once_by_us(world: World) -> None:
    case_id = await reached(world)
    await world.network.reply(PHONE, "please stop texting me")
    await world.until_status(case_id, "delivered", purpose="opt_out_confirmation")
    assert "no more text messages" in world.texts()[-1]
    assert len(world.texts()) == 2
    profile = await world.customers.profile("sokha")
    assert profile is not None
    assert "sms" in profile.opted_out


async def test_start_takes_messages_again(world: World) -> None:
    case_id = await reached(world)
    await world.network.reply(PHONE, "STOP")
    await world.network.reply(PHONE, "START")
    profile = await world.customers.profile("sokha")
    assert profile is not None
    assert profile.opted_out == frozenset()
    await world.until_status(case_id, "delivered", purpose="acknowledgement")


async def test_the_newest_message_decides_the_case_unless_a_code_names_another(world: World) -> None:
    older = await reached(world)
    await world.network.reply(PHONE, "1")
    await world.until_status(older, "delivered", purpose="acknowledgement")  # or it may be the newest message
    newer = await world.alert(suspect="orsay")
    await world.until_status(newer, "delivered")
    await world.caught_up()
    await world.network.reply(PHONE, "hello?")
    assert [one.text for one in await world.events(newer, e.ReplyReceived)] == ["hello?"]
    code = (await world.state(older)).case_code
    await world.network.reply(PHONE, f"about {code.lower()} again")
    assert len(await world.events(older, e.ReplyReceived)) == 2
    assert len(await world.events(newer, e.ReplyReceived)) == 1


async def test_a_stranger_is_told_where_to_turn_once_a_day_and_is_recorded(world: World) -> None:
    await world.network.reply(STRANGER, "hello, 4111111111111111")
    await world.network.reply(STRANGER, "hello?")
    got = [one.body for one in world.network.phones.of(STRANGER) if not one.inbound]
    assert len(got) == 1
    assert "number that is printed on your card" in got[0]
    strays = [one.event for one in await strays_in(world)]
    assert [one.text for one in strays] == [f"hello, {MASK}", "hello?"]
    assert [one.answered for one in strays] == [True, False]


async def strays_in(world: World) -> list[Any]:
    recorded: list[Any] = await world.history.read(after=0, types=[StrayReceived.wire_name])
    return recorded


async def test_a_caller_is_promised_a_call_back_in_her_language(world: World) -> None:
    case_id = await reached(world, language="es")
    call = await world.network.call(PHONE)
    assert "le devolverá la llamada" in call.heard
    task = (await world.state(case_id)).task
    assert task is not None
    assert (task.reason, task.front) == ("customer_called", True)


async def test_a_call_that_comes_twice_is_one_call(world: World) -> None:
    case_id = await reached(world)
    for _ in range(2):
        answer = await post(world, "/webhooks/twilio/voice", {"CallSid": "CA9", "From": PHONE, "CallerName": ""})
        assert answer.status_code == 200
        assert 'language="en-US"' in answer.text
    assert len(await world.events(case_id, e.CallReceived)) == 1


async def test_a_calling_stranger_hears_where_to_turn(world: World) -> None:
    call = await world.network.call(STRANGER)
    assert "number that is printed on your card" in call.heard
    [stray] = await strays_in(world)
    assert stray.event.channel == "voice"


async def test_a_report_that_comes_before_the_answer_is_the_acceptance(world: World) -> None:
    await world.customer()
    case_id = await world.alert()
    contact = await world.contact(case_id)
    assert contact is not None
    role = world.role(twilio_api_url="http://127.0.0.1:1")
    role.start()
    await world.until_status(case_id, "intended")
    path = f"/webhooks/twilio/status/{case_id}/{contact.contact_id}"
    assert (await post(world, path, {"MessageSid": "SM5", "MessageStatus": "delivered"})).status_code == 204
    after = await world.contact(case_id)
    assert after is not None
    assert (after.status, after.provider_id) == ("delivered", "SM5")


async def test_the_rehearsal_can_be_used_over_http(world: World) -> None:
    case_id = await reached(world)
    answer = await world.rehearsal_http.post("/rehearsal/reply", json={"phone": PHONE, "text": "1"})
    assert answer.status_code == 200
    assert (await world.state(case_id)).resolution == "genuine"
    answer = await world.rehearsal_http.post("/rehearsal/faults", json={"mode": "429", "count": 2})
    assert answer.status_code == 201
    listed = await world.rehearsal_http.get("/rehearsal/messages", params={"to": PHONE})
    assert listed.json()[0]["status"] == "delivered"
    called = await world.rehearsal_http.post("/rehearsal/call", json={"phone": STRANGER})
    assert called.json()["heard"]
    assert (await world.rehearsal_http.get("/rehearsal/mails")).json() == []


async def test_the_networks_api_wants_the_accounts_token(world: World) -> None:
    path = f"/2010-04-01/Accounts/{world.settings.twilio_account_sid}/Messages.json"
    answer = await world.rehearsal_http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def kinds(events: list[Event]) -> list[str]:
    return [event.wire_name for event in events]


async def test_every_callback_of_a_message_is_kept_as_it_came(world: World) -> None:
    case_id = await reached(world)
    await until(lambda: not world.network._on_their_way, "callbacks are over")
    reports = await world.events(case_id, e.DeliveryReported)
    assert [one.status for one in reports] == ["sent", "delivered"]
    assert reports[0].raw["MessagingServiceSid"] == ""
    assert kinds(list(reports)) == ["contact.delivery-reported"] * 2
