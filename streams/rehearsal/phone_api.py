"""The phone network over HTTP: Twilio's paths for the client, and ``/rehearsal/…`` for tests and onlookers."""

import base64
import hmac
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from streams.rehearsal.phone_network import VERSION, PhoneNetwork, Rejected
from streams.rehearsal.phones import Call, Fault, Message, Mode

_PAGE: Final = 50
_ACCOUNT: Final = f"/{VERSION}/Accounts/{{account}}"


class FaultWanted(BaseModel):
    """One misbehaviour: for the next ``count`` messages (null: until taken back), to ``to`` (null: to anybody)."""

    mode: Mode
    count: Annotated[int | None, Field(ge=1)] = 1
    to: str | None = None


class Dialled(BaseModel):
    """A phone from which the bank is rung."""

    phone: str


class Typed(Dialled):
    """What somebody types on a phone."""

    text: str


def twilio_router(network: PhoneNetwork) -> APIRouter:
    """The part of Twilio's API that we use: create, fetch and list messages."""
    router = APIRouter(include_in_schema=False)

    @router.post(_ACCOUNT + "/Messages.json")
    async def create(account: str, request: Request) -> JSONResponse:
        form = await request.form()
        values = {name: str(value) for name, value in form.items()}
        try:
            _authorise(network, account, request)
            message = await network.create(values)
        except Rejected as rejected:
            return _error(rejected)
        return JSONResponse(network.resource(message), status_code=201)

    @router.get(_ACCOUNT + "/Messages.json")
    async def listed(account: str, request: Request) -> JSONResponse:
        try:
            _authorise(network, account, request)
        except Rejected as rejected:
            return _error(rejected)
        size = min(int(request.query_params.get("PageSize", _PAGE)), 1000)
        found = network.phones.to(request.query_params.get("To", ""))[:size]
        uri = f"/{VERSION}/Accounts/{network.account}/Messages.json"
        page: dict[str, Any] = {"page": 0, "page_size": size, "start": 0, "end": max(0, len(found) - 1)}
        page |= {"uri": uri, "first_page_uri": uri, "next_page_uri": None, "previous_page_uri": None}
        return JSONResponse({"messages": [network.resource(message) for message in found], **page})

    @router.get(_ACCOUNT + "/Messages/{sid}.json")
    async def fetch(account: str, sid: str, request: Request) -> JSONResponse:
        try:
            _authorise(network, account, request)
            message = network.phones.messages.get(sid)
            if message is None:
                raise Rejected(404, 20404, f"The requested resource {sid} was not found")  # noqa: TRY301 - one way out
        except Rejected as rejected:
            return _error(rejected)
        return JSONResponse(network.resource(message))

    return router


def phones_router(network: PhoneNetwork) -> APIRouter:
    """What is on the phones, what somebody types on them, and the faults; open to whoever reaches the rehearsal."""
    router = APIRouter(prefix="/rehearsal", tags=["rehearsal"])

    @router.get("/messages")
    async def messages(to: str | None = None) -> list[dict[str, Any]]:
        """Every text message, oldest first; of one phone if ``to`` is given."""
        found = network.phones.messages.values()
        return [_message(one) for one in found if to is None or to in {one.to, one.sender}]

    @router.get("/phones")
    async def phones() -> list[str]:
        """The numbers that have got or sent anything, newest first."""
        return network.phones.numbers()

    @router.get("/phones/{number}/calls")
    async def calls(number: str) -> list[dict[str, Any]]:
        """The calls of a phone, with what was heard."""
        return [_call(one) for one in network.phones.calls_of(number)]

    @router.post("/reply")
    async def reply(typed: Typed) -> dict[str, Any]:
        """Somebody types a text to the bank; answers when the bank's webhook has."""
        return _message(await network.reply(typed.phone, typed.text))

    @router.post("/call")
    async def call(dialled: Dialled) -> dict[str, Any]:
        """Somebody rings the bank; answers with what was heard."""
        return _call(await network.call(dialled.phone))

    @router.get("/faults")
    async def faults() -> list[dict[str, Any]]:
        """The faults that are not used up."""
        return [{"mode": one.mode, "count": one.count, "to": one.to} for one in network.phones.faults]

    @router.post("/faults", status_code=201)
    async def misbehave(wanted: FaultWanted) -> FaultWanted:
        """Misbehaves from now on."""
        network.misbehave(Fault(mode=wanted.mode, count=wanted.count, to=wanted.to))
        return wanted

    @router.delete("/faults", status_code=204)
    async def behave() -> None:
        """Takes every fault back."""
        network.behave()

    return router


def _authorise(network: PhoneNetwork, account: str, request: Request) -> None:
    expected = "Basic " + base64.b64encode(f"{network.account}:{network.token}".encode()).decode()
    given = request.headers.get("Authorization", "")
    if account != network.account or not hmac.compare_digest(expected.encode(), given.encode()):
        raise Rejected(401, 20003, "Authenticate")


def _error(rejected: Rejected) -> JSONResponse:
    headers = {"Retry-After": str(rejected.retry_after_s)} if rejected.retry_after_s is not None else {}
    document = {
        "code": rejected.code,
        "message": rejected.message,
        "more_info": f"https://www.twilio.com/docs/errors/{rejected.code}",
        "status": rejected.status,
    }
    return JSONResponse(document, status_code=rejected.status, headers=headers)


def _message(message: Message) -> dict[str, Any]:
    return {
        "sid": message.sid,
        "to": message.to,
        "from": message.sender,
        "body": message.body,
        "inbound": message.inbound,
        "status": message.status,
        "error_code": message.error_code,
        "parts": message.parts,
        "validity_s": message.validity_s,
        "created_at": message.created_at.isoformat(),
    }


def _call(call: Call) -> dict[str, Any]:
    return {"sid": call.sid, "from": call.caller, "at": call.at.isoformat(), "heard": call.heard}
