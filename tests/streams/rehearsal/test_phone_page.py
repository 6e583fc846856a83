"""The page of the customer's phone, on a phone network and mailboxes that are really there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from infra.settings import Settings
from streams.rehearsal.mail_server import Mailboxes
from streams.rehearsal.phone_network import PhoneNetwork
from streams.rehearsal.phone_page import Person, phone_page_router

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
SOKHA = Person(name="Sokha Chan", phone="+14155550142", email="sokha@example.com", zone="Asia/Phnom_Penh")
OTHER = Person(name="Ana Silva", phone="+14155550143", email="ana@example.com")
OURS = "+14155550199"


@pytest.fixture
async def network(free_port: int) -> AsyncIterator[PhoneNetwork]:
    settings = Settings(
        http_port=free_port,
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token=SecretStr("token"),
        twilio_from=OURS,
    )
    made = PhoneNetwork(settings, lambda: NOW, pace_s=0)
    bank = FastAPI()
    transport = httpx.ASGITransport(app=bank)

    @bank.post("/webhooks/twilio/{what}")
    async def webhook(what: str) -> str:
        return f"<Response><Say>{what} was heard</Say></Response>"

    await made._http.aclose()
    made._http = httpx.AsyncClient(transport=transport)
    yield made
    await made.close()


@pytest.fixture
async def phone(network: PhoneNetwork) -> AsyncIterator[httpx.AsyncClient]:
    mailboxes = Mailboxes(lambda: NOW)
    mailboxes.take(
        b"From: bank@example.com\r\nTo: sokha@example.com\r\nSubject: Please call us\r\nMessage-ID: <1@x>\r\n\r\n"
        b"A payment in Paris <script>\r\n",
        ["sokha@example.com"],
    )
    app = FastAPI()
    router = phone_page_router(network, mailboxes, lambda: [SOKHA, OTHER], bank="Mekong Bank", clock=lambda: NOW)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://phone.test") as client:
        yield client


async def test_it_says_that_it_is_a_rehearsal(phone: httpx.AsyncClient) -> None:
    assert "nothing here reaches a real phone" in (await phone.get("/rehearsal/phone")).text


async def test_the_first_customer_is_shown_until_another_is_picked(phone: httpx.AsyncClient) -> None:
    assert "Rehearsal phone of Sokha Chan" in (await phone.get("/rehearsal/phone")).text
    picked = await phone.get("/rehearsal/phone", params={"number": OTHER.phone})
    assert "Rehearsal phone of Ana Silva" in picked.text


async def test_a_message_of_the_bank_is_on_the_phone(phone: httpx.AsyncClient, network: PhoneNetwork) -> None:
    await network.create({"To": SOKHA.phone, "From": OURS, "Body": "Was this you? Reply 1 or 2."})
    await network.settled()
    assert "Was this you? Reply 1 or 2." in (await phone.get("/rehearsal/phone")).text


async def test_an_answer_goes_to_the_bank_and_stays_on_the_screen(
    phone: httpx.AsyncClient, network: PhoneNetwork
) -> None:
    answer = await phone.post("/rehearsal/phone/reply", data={"number": SOKHA.phone, "text": " 2 "})
    assert answer.headers["location"] == "/rehearsal/phone?number=%2B14155550142"
    assert [(message.inbound, message.body) for message in network.phones.of(SOKHA.phone)] == [(True, "2")]


async def test_a_call_shows_what_was_heard(phone: httpx.AsyncClient) -> None:
    await phone.post("/rehearsal/phone/call", data={"number": SOKHA.phone})
    assert "voice was heard" in (await phone.get("/rehearsal/phone")).text


async def test_the_mailbox_is_beside_it_and_its_words_are_only_words(phone: httpx.AsyncClient) -> None:
    page = (await phone.get("/rehearsal/phone")).text
    assert "Please call us" in page
    assert "A payment in Paris &lt;script&gt;" in page


async def test_an_empty_answer_is_none(phone: httpx.AsyncClient) -> None:
    assert (await phone.post("/rehearsal/phone/reply", data={"number": SOKHA.phone, "text": ""})).status_code == 422


async def test_the_phone_loads_its_own_files(phone: httpx.AsyncClient) -> None:
    for name in ("phone.css", "desk.css", "htmx-2.0.11.min.js", "mark.svg"):
        assert (await phone.get(f"/rehearsal/static/x/{name}")).status_code == 200
