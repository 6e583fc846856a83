import asyncio

import pytest

from infra.metrics import REGISTRY
from outreach.cases import events as e
from streams.rehearsal.mail_server import PERMANENT
from streams.rehearsal.phones import Fault, Mode
from tests.streams.contact.world import EMAIL, PATIENCE, PHONE, World, until


async def test_an_alert_becomes_one_text_with_its_intent_before_and_its_outcome_after(world: World) -> None:
    await world.customer()
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "delivered")
    kinds = [one.event.wire_name for one in await world.cases.timeline(case_id) if "contact." in one.event.wire_name]
    assert kinds[:2] == ["contact.requested", "contact.intended"]
    assert kinds.count("contact.accepted") == 1
    [intended] = await world.events(case_id, e.ContactIntended)
    assert world.texts() == [intended.body]
    assert (intended.legal_basis, intended.template, intended.template_version) == ("exemption", "alert.sms.US.en", "2")
    assert (intended.remaining, intended.parts) == (2, 1)
    assert len(intended.template_hash) == 64
    assert intended.policy_version


async def test_the_text_is_valid_only_for_as_long_as_it_is_news(world: World) -> None:
    await world.customer()
    world.role().start()
    await world.until_status(await world.alert(), "delivered")
    [message] = world.network.phones.to(PHONE)
    assert message.validity_s == world.settings.sms_validity_s


async def test_the_time_from_the_payments_arrival_to_acceptance_is_measured(world: World) -> None:
    def measured() -> float:
        labels = {"channel": "sms"}
        return REGISTRY.get_sample_value("ringback_payment_to_message_seconds_count", labels) or 0.0

    before = measured()
    await world.customer()
    world.role().start()
    await world.until_status(await world.alert(), "delivered")
    await until(lambda: measured() == before + 1, "the histogram has one more")


@pytest.mark.parametrize(("language", "words"), [("de", "war ich"), ("es-MX", "fui yo")])
async def test_she_is_written_to_in_her_language(world: World, language: str, words: str) -> None:
    await world.customer(language=language)
    world.role().start()
    await world.until_status(await world.alert(), "delivered")
    assert words in world.texts()[0]


@pytest.mark.parametrize("mode", [Mode.TIMEOUT_AFTER_ACCEPT, Mode.SERVER_ERROR_AFTER_ACCEPT])
async def test_a_text_that_was_taken_without_an_answer_is_found_and_not_sent_again(world: World, mode: Mode) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=mode))
    world.network.misbehave(Fault(mode=Mode.CALLBACKS_MISSING))
    world.role().start()
    case_id = await world.alert()
    contact = await world.until_status(case_id, "accepted")
    assert contact.attempt == 1
    assert len(await world.events(case_id, e.ContactUnknown)) == 1
    [accepted] = await world.events(case_id, e.ContactAccepted)
    assert accepted.reconciled
    assert len(world.texts()) == 1


async def test_a_text_whose_fate_is_known_from_a_callback_needs_no_second_look(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.TIMEOUT_AFTER_ACCEPT))
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "delivered")
    assert len(await world.events(case_id, e.ContactAccepted)) == 1
    assert len(world.texts()) == 1


async def test_a_text_that_the_provider_lost_is_sent_anew_after_two_looks(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.SERVER_ERROR))
    world.role().start()
    case_id = await world.alert()
    contact = await world.until_status(case_id, "delivered")
    assert contact.attempt == 2
    assert len(await world.events(case_id, e.ContactUnknown)) == 1
    assert len(world.texts()) == 1


async def test_a_provider_that_never_takes_it_loses_it_to_email_after_a_few_attempts(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.SERVER_ERROR, count=None))
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "accepted", channel="email")
    sms = await world.contact(case_id)
    assert sms is not None
    assert (sms.status, sms.attempt) == ("failed", 3)
    assert world.texts() == []


async def test_a_busy_provider_is_asked_again_under_the_same_intent(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.TOO_MANY, count=2))
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "delivered")
    assert len(await world.events(case_id, e.ContactIntended)) == 1
    assert await world.events(case_id, e.ContactUnknown) == []
    assert len(world.texts()) == 1


async def test_a_provider_that_stays_busy_loses_the_message_to_email(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.TOO_MANY, count=None))
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "accepted", channel="email")
    [failed] = await world.events(case_id, e.ContactFailed)
    assert failed.code == "busy"
    assert world.texts() == []


@pytest.mark.parametrize("mode", [Mode.CALLBACKS_DOUBLED, Mode.CALLBACKS_OUT_OF_ORDER])
async def test_callbacks_doubled_or_out_of_order_leave_one_record_a_state_and_the_right_end(
    world: World, mode: Mode
) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=mode))
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "delivered")
    await world.network.settled()
    reports = [(one.provider_id, one.status) for one in await world.events(case_id, e.DeliveryReported)]
    assert len(reports) == len(set(reports)) == 2
    contact = await world.contact(case_id)
    assert contact is not None
    assert contact.status == "delivered"
    assert len(world.texts()) == 1


async def test_where_callbacks_are_missing_the_provider_is_asked(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.CALLBACKS_MISSING))
    world.role(delivery_due_after=world.settings.silence_after / 10).start()
    case_id = await world.alert()
    await world.until_status(case_id, "delivered")
    assert len(world.texts()) == 1


async def test_a_message_of_which_no_end_is_ever_reported_goes_on_to_email(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.CALLBACKS_MISSING))
    role = world.role(
        patience=type(PATIENCE)(first_wait_s=0.05, report_for_s=0.3),
        delivery_due_after=world.settings.silence_after / 10,
    )
    role.start()
    case_id = await world.alert()
    await world.until_status(case_id, "accepted")
    world.network.phones.messages.clear()  # the provider says nothing about it any more
    await world.until_status(case_id, "accepted", channel="email")
    [failed] = await world.events(case_id, e.ContactFailed)
    assert failed.code == "no_report"


async def test_an_undelivered_text_goes_on_to_email(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.UNDELIVERED))
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "accepted", channel="email")
    [mail] = world.mailboxes.of(EMAIL)
    state = await world.state(case_id)
    assert state.case_code in mail.text
    assert state.case_code in mail.html
    assert "http" not in mail.text + mail.html
    assert state.case_code in mail.subject
    assert mail.language == "en"


async def test_a_text_to_a_number_that_cannot_be_goes_on_to_email(world: World) -> None:
    await world.customer(phone="")
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "accepted", channel="email")
    [refused] = await world.events(case_id, e.ContactRefused)
    assert refused.reason == "no_address"


async def test_whoever_told_the_carrier_to_stop_is_on_our_list_from_then_on(world: World) -> None:
    await world.customer()
    world.network.phones.opted_out.add(PHONE)
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "accepted", channel="email")
    [failed] = await world.events(case_id, e.ContactFailed)
    assert failed.code == "21610"
    profile = await world.customers.profile("sokha")
    assert profile is not None
    assert "sms" in profile.opted_out


async def test_a_customer_without_any_address_is_left_to_an_operator(world: World) -> None:
    await world.customer(phone="", email="")
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "refused", channel="email")
    task = (await world.state(case_id)).task
    assert task is not None
    assert (task.reason, task.front) == ("not_reached", True)


async def test_a_bank_without_a_phone_network_writes_emails(world: World) -> None:
    await world.customer()
    world.role(twilio_account_sid=None).start()
    case_id = await world.alert()
    await world.until_status(case_id, "accepted", channel="email")
    [refused] = await world.events(case_id, e.ContactRefused)
    assert refused.reason == "not_configured"


async def test_a_mail_server_that_says_later_is_tried_again_and_shows_one_mail(world: World) -> None:
    await world.customer(phone="")
    world.mailboxes.refuse(count=2)
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "accepted", channel="email")
    assert len(world.mailboxes.of(EMAIL)) == 1


async def test_a_mail_server_that_says_never_leaves_her_to_an_operator(world: World) -> None:
    await world.customer(phone="")
    world.mailboxes.refuse(PERMANENT)
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "failed", channel="email")
    task = (await world.state(case_id)).task
    assert task is not None
    assert task.reason == "not_reached"


async def test_a_mail_server_that_is_away_is_waited_for_and_then_given_up(world: World) -> None:
    await world.customer(phone="")
    patience = type(PATIENCE)(first_wait_s=0.05, longest_wait_s=0.1, retry_for_s=0.5)
    world.role(patience=patience, smtp_port=1).start()
    case_id = await world.alert()
    await world.until_status(case_id, "failed", channel="email")
    [failed] = await world.events(case_id, e.ContactFailed)
    assert failed.code == "busy"


async def test_a_worker_that_dies_between_intent_and_answer_leaves_nothing_lost_and_nothing_doubled(
    world: World,
) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.TIMEOUT_AFTER_ACCEPT))
    world.network.misbehave(Fault(mode=Mode.CALLBACKS_MISSING))
    first = world.role(twilio_timeout_s=30.0)
    first.start()
    case_id = await world.alert()
    await until(lambda: len(world.texts()) == 1, "the network has it")
    await first.kill()
    await world.caught_up()
    world.role().start()
    contact = await world.until_status(case_id, "accepted")
    assert contact.attempt == 1
    assert len(world.texts()) == 1


async def test_a_worker_that_dies_before_it_sent_leaves_the_message_to_the_next(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.TOO_MANY, count=None))
    patience = type(PATIENCE)(first_wait_s=0.05, longest_wait_s=0.2, second_look_s=0.6)
    first = world.role(patience=patience)
    first.start()
    case_id = await world.alert()
    await world.until_status(case_id, "intended")
    await first.kill()
    world.network.behave()
    await world.caught_up()
    world.role(patience=patience).start()
    contact = await world.until_status(case_id, "delivered")
    assert contact.attempt == 2
    assert len(world.texts()) == 1


async def test_every_misbehaviour_at_once_gives_each_customer_one_message(world: World) -> None:
    modes = list(Mode)
    phones = [f"+141555502{number:02}" for number, _ in enumerate(modes)]
    for number, (mode, phone) in enumerate(zip(modes, phones, strict=True)):
        await world.customer(f"c{number}", phone=phone, email=f"c{number}@example.com")
        world.network.misbehave(Fault(mode=mode, to=phone))
    world.role().start()
    cases = await asyncio.gather(*(world.alert(f"c{number}") for number, _ in enumerate(modes)))

    async def over() -> bool:
        for case_id in cases:
            contacts = (await world.state(case_id)).contacts.values()
            if not contacts or any(one.status not in {"accepted", "delivered", "undelivered"} for one in contacts):
                return False
        return True

    await until(over, "every message has its outcome")
    assert [len(world.texts(phone)) for phone in phones] == [1] * len(modes)


async def test_nothing_more_of_an_alert_starts_once_she_has_answered(world: World) -> None:
    await world.customer()
    world.network.misbehave(Fault(mode=Mode.TOO_MANY, count=None))
    world.role().start()
    case_id = await world.alert()
    await world.until_status(case_id, "intended")
    await world.network.call(PHONE)
    world.network.behave()
    await world.until_status(case_id, "failed")
    assert world.texts() == []
