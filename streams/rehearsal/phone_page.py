"""``/rehearsal/phone``: a customer's phone and mailbox side by side, to read, to answer and to ring the bank."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from infra.problems import Problem
from outreach.desk.answers import ASSETS, SECURITY_HEADERS, Assets
from outreach.desk.sessions import refuse_foreign_origin
from outreach.desk.words import local, phone_number
from streams.rehearsal.mail_server import Mail, Mailboxes
from streams.rehearsal.phone_network import PhoneNetwork
from streams.rehearsal.phones import Call, Message

HERE = Path(__file__).parent
MOST_SHOWN = 60
MOST_PEOPLE = 40
LONGEST_TEXT = 1600
"""As long as the phone network takes a text (ten parts)."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A customer of the rehearsal bank: whose phone and mailbox this is."""

    name: str
    phone: str
    email: str
    zone: str = "UTC"


class Bubble(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on the phone's screen. ``kind``: ``in`` (from the bank), ``out`` (typed here) or ``call``."""

    kind: str
    at: datetime
    time: str
    text: str
    state: str = ""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """One phone to pick. ``count``: the texts and mails that its owner has got."""

    person: Person
    count: int
    chosen: bool


def person_of(customer: dict[str, Any]) -> Person:
    """A customer as the topic ``customers`` carries them."""
    return Person(
        name=str(customer["name"]),
        phone=str(customer.get("phone", "")),
        email=str(customer.get("email", "")),
        zone=str(customer.get("home_zone", "UTC")),
    )


def phone_page_router(
    network: PhoneNetwork,
    mailboxes: Mailboxes,
    people: Callable[[], Sequence[Person]],
    *,
    bank: str,
    clock: Callable[[], datetime],
) -> APIRouter:
    """The page and what its buttons do.

    Args:
        network: holds what is on the phones, and takes what is typed on them.
        mailboxes: hold what was mailed.
        people: the customers whose phones there are, whoever comes first being shown when nobody has got anything.
        bank: its name, as the phone shows the sender.
        clock: for the phone's own clock.
    """
    router = APIRouter(include_in_schema=False)
    assets = Assets(HERE / "static")
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["phone"] = phone_number

    @router.get("/rehearsal/phone")
    async def phone(number: Annotated[str, Query(max_length=30)] = "") -> Response:
        callers = _callers(people(), network.phones.numbers(), number, network, mailboxes)
        person = next((caller.person for caller in callers if caller.chosen), None)
        html = templates.get_template("phone.html").render(
            bank=bank,
            callers=callers,
            person=person,
            bubbles=_bubbles(network, person) if person else [],
            mails=mailboxes.of(person.email)[::-1][:MOST_SHOWN] if person else [],
            now=local(clock(), person.zone if person else "UTC"),
            when=lambda mail: _when(mail, person),
            opted_out=person is not None and person.phone in network.phones.opted_out,
            digest=assets.digest + ASSETS.digest,
        )
        return HTMLResponse(html, headers=SECURITY_HEADERS)

    @router.post("/rehearsal/phone/reply")
    async def reply(
        request: Request,
        number: Annotated[str, Form(min_length=3, max_length=30)],
        text: Annotated[str, Form(min_length=1, max_length=LONGEST_TEXT)],
    ) -> Response:
        refuse_foreign_origin(request)
        await network.reply(number, text.strip())
        return _back_to(number)

    @router.post("/rehearsal/phone/call")
    async def call(request: Request, number: Annotated[str, Form(min_length=3, max_length=30)]) -> Response:
        refuse_foreign_origin(request)
        await network.call(number)
        return _back_to(number)

    @router.get("/rehearsal/static/{digest}/{name}")
    async def static(digest: str, name: str) -> Response:  # noqa: ARG001 - it only makes the address change
        try:
            return assets.answer(name)
        except Problem:
            return ASSETS.answer(name)

    return router


def _back_to(number: str) -> Response:
    return RedirectResponse(f"/rehearsal/phone?number={number.replace('+', '%2B')}", 303, headers=SECURITY_HEADERS)


def _callers(
    people: Sequence[Person], numbers: Sequence[str], chosen: str, network: PhoneNetwork, mailboxes: Mailboxes
) -> list[Caller]:
    """The phones to pick from: those on which something happened first, the newest on top."""
    by_phone = {person.phone: person for person in people if person.phone}
    order = list(dict.fromkeys([*numbers, *by_phone]))
    wanted = chosen if chosen in order else next(iter([*by_phone, *numbers]), "")
    # Whom one looks at stays in sight, however many others there are.
    shown = order[:MOST_PEOPLE] if wanted in order[:MOST_PEOPLE] else [wanted, *order[: MOST_PEOPLE - 1]]
    return [
        Caller(
            person=by_phone.get(number, Person(name=number, phone=number, email="")),
            count=sum(not message.inbound for message in network.phones.of(number))
            + (len(mailboxes.of(by_phone[number].email)) if number in by_phone else 0),
            chosen=number == wanted,
        )
        for number in shown
        if number
    ]


def _bubbles(network: PhoneNetwork, person: Person) -> list[Bubble]:
    """What the screen shows, newest first."""
    texts = [_text(message, person) for message in network.phones.of(person.phone)]
    calls = [_call(call, person) for call in network.phones.calls_of(person.phone)]
    return sorted([*texts, *calls], key=lambda bubble: bubble.at, reverse=True)[:MOST_SHOWN]


def _text(message: Message, person: Person) -> Bubble:
    return Bubble(
        kind="out" if message.inbound else "in",
        at=message.created_at,
        time=local(message.created_at, person.zone),
        text=message.body,
        state=f"{message.parts} parts" if message.parts > 1 else "",
    )


def _call(call: Call, person: Person) -> Bubble:
    return Bubble(kind="call", at=call.at, time=local(call.at, person.zone), text=call.heard or "Nobody answered.")


def _when(mail: Mail, person: Person | None) -> str:
    return local(mail.at, person.zone if person else "UTC")
