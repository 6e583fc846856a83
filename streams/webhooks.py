"""What the phone network tells us: delivery reports, texts and calls; believed only with its signature.

The signature covers the public address exactly as it is configured and every parameter, blank ones included. It carries
no time: a replay is caught because the same report, text or call is recorded once.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Request, Response
from psycopg.errors import UndefinedTable
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import VoiceResponse

from infra.clock import Clock
from infra.history.errors import Unavailable
from infra.history.store import History
from infra.metrics import DELIVERIES
from infra.problems import Problem
from infra.settings import Settings
from outreach.cases.commands import AcceptContact, ReportDelivery
from outreach.cases.errors import Busy, Refused
from outreach.cases.service import Cases
from outreach.contact.codes import Advice, explain
from outreach.contact.incoming import Incoming
from outreach.customers.service import Customers

ACTOR: Final = "provider:twilio"
VOICES: Final = {"en": "en-US", "de": "de-DE", "es": "es-ES"}
"""Language tags that the provider speaks."""

ValueT = TypeVar("ValueT")
Parameters = ImmutableMultiDict[str, str]

log = structlog.get_logger(__name__)


def webhook_router(
    *, history: History, cases: Cases, customers: Customers, settings: Settings, clock: Clock
) -> APIRouter:
    """The routes under ``/webhooks/twilio``; without an auth token in the settings each answers 403."""
    router = APIRouter(prefix="/webhooks/twilio", tags=["webhooks"], default_response_class=Response)
    checked = _Signature(settings).checked
    incoming = Incoming(
        history,
        cases,
        customers,
        clock,
        master_key=history.lookup_key,
        bank_name=settings.bank_name,
        bank_phone=settings.bank_phone,
        default_language=settings.default_language,
    )

    @router.post("/status/{case_id}/{contact_id}", status_code=204)
    async def status(case_id: str, contact_id: str, request: Request) -> Response:
        """A delivery report; recorded once for each message and state."""
        said = await checked(request)
        await _available(lambda: _report(cases, case_id, contact_id, said))
        return Response(status_code=204)

    @router.post("/sms")
    async def sms(request: Request) -> Response:
        """A text from a customer; answered through her case, or at once where there is none."""
        said = await checked(request)
        answer = await _available(
            lambda: incoming.text(
                _named(said, "MessageSid"),
                said.get("From", ""),
                said.get("Body", ""),
                carrier_opt_out=said.get("OptOutType", "").upper() == "STOP",
            )
        )
        twiml = MessagingResponse()
        if answer.words:
            twiml.message(answer.words)
        return _twiml(twiml)

    @router.post("/voice")
    async def voice(request: Request) -> Response:
        """A call from a customer: she is promised a call back on the number on file."""
        said = await checked(request)
        answer = await _available(lambda: incoming.call(_named(said, "CallSid"), said.get("From", "")))
        twiml = VoiceResponse()
        twiml.say(answer.words, language=VOICES[answer.language])
        twiml.hangup()
        return _twiml(twiml)

    return router


async def _report(cases: Cases, case_id: str, contact_id: str, said: Parameters) -> None:
    provider_id, status = _named(said, "MessageSid"), _named(said, "MessageStatus")
    code = said.get("ErrorCode", "")
    if code.isdigit() and explain(int(code)).advice is Advice.TELL_ENGINEER:
        log.error("sms misconfigured", code=code, reason=explain(int(code)).reason)
    state, _ = await cases.load(case_id)
    contact = state.contacts.get(contact_id)
    if contact is None or not contact.attempt:
        log.warning("report about nothing of ours", case_id=case_id, contact_id=contact_id)
        return
    cause = f"twilio:{provider_id}:{status}"
    try:
        if not contact.provider_id:
            # The report is here before the answer to the request was: it says that the provider has the message.
            accept = AcceptContact(
                contact_id=contact_id, provider_id=provider_id, reconciled=contact.status != "intended"
            )
            await cases.handle(case_id, accept, actor=ACTOR, cause=cause)
        report = ReportDelivery(
            contact_id=contact_id, provider_id=provider_id, status=status, code=code, raw=dict(said.multi_items())
        )
        handled = await cases.handle(case_id, report, actor=ACTOR, cause=cause)
    except Refused as refused:
        log.warning("report refused", case_id=case_id, contact_id=contact_id, code=refused.code)
        return
    if handled.events:
        DELIVERIES.labels(contact.channel, status).inc()


class _Signature:
    """Lets through only what the phone network has signed with our token."""

    def __init__(self, settings: Settings) -> None:
        token = settings.twilio_auth_token
        self._web_url = settings.web_url
        self._validator = RequestValidator(token.get_secret_value()) if token else None

    async def checked(self, request: Request) -> Parameters:
        """The request's parameters.

        Raises:
            Problem: 403, where the signature is missing or wrong.
        """
        body = (await request.body()).decode("utf-8", errors="replace")
        parameters = Parameters(parse_qsl(body, keep_blank_values=True))
        query = f"?{request.url.query}" if request.url.query else ""
        address = f"{self._web_url}{request.url.path}{query}"
        signature = request.headers.get("X-Twilio-Signature", "")
        if self._validator is None or not self._validator.validate(address, parameters, signature):
            log.warning("webhook signature wrong")
            raise Problem(403, "signature-wrong", "The request is not signed by the phone network")
        return parameters


def _named(said: Parameters, name: str) -> str:
    value = said.get(name, "")
    if not value:
        raise Problem(422, "parameter-missing", "The request lacks what names it", f"{name} is missing")
    return value


async def _available(work: Callable[[], Awaitable[ValueT]]) -> ValueT:
    try:
        return await work()
    except (Unavailable, Busy, UndefinedTable) as error:  # the read models may not be made yet
        raise Problem(503, "history-away", "The history cannot be written now", headers={"Retry-After": "2"}) from error


def _twiml(twiml: MessagingResponse | VoiceResponse) -> Response:
    return Response(str(twiml), media_type="application/xml")
