"""A phone network that speaks the part of Twilio's HTTP API that we use, and calls our webhooks with valid signatures.

The real ``twilio`` client talks to it by address. Sources: Twilio's reference of the Message resource, of the status
callback, of the incoming message webhook and of request validation.
"""

import asyncio
import html
import re
import secrets
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import structlog
from twilio.request_validator import RequestValidator

from infra.clock import Clock
from infra.settings import Settings
from outreach.contact.encoding import measure
from streams.rehearsal.phones import LOST, Call, Fault, Message, Mode, Phones

VERSION: Final = "2010-04-01"
STOP_WORDS: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS: Final = frozenset({"START", "YES", "UNSTOP"})
STOP_CONFIRMED: Final = (
    "You have successfully been unsubscribed. You will not receive any more messages from this number."
)
START_CONFIRMED: Final = (
    "You have successfully been re-subscribed to messages from this number. Reply STOP to unsubscribe."
)

_HANG_S: Final = 60.0
_WEBHOOK_TIMEOUT_S: Final = 15.0
_RETRIES_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
_CALLBACK_MODES: Final = frozenset({Mode.CALLBACKS_DOUBLED, Mode.CALLBACKS_OUT_OF_ORDER, Mode.CALLBACKS_MISSING})
_REQUEST_MODES: Final = (
    Mode.TOO_MANY,
    Mode.SERVER_ERROR,
    Mode.TIMEOUT_AFTER_ACCEPT,
    Mode.SERVER_ERROR_AFTER_ACCEPT,
)

log = structlog.get_logger(__name__)


class Rejected(Exception):
    """An error as the API answers it. ``retry_after_s``: for the header of the same name."""

    def __init__(self, status: int, code: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after_s = status, code, message, retry_after_s


class PhoneNetwork:
    """The network. One a process; call its methods from the loop that runs it.

    Args:
        settings: the account with which the API is used, our number, and where our webhooks are.
        clock: stamps messages.
        pace_s: between two states of a message on its way.
    """

    def __init__(self, settings: Settings, clock: Clock, *, pace_s: float = 0.05) -> None:
        token = settings.twilio_auth_token
        if not (settings.twilio_account_sid and token and settings.twilio_from):
            raise ValueError("the phone network needs twilio_account_sid, twilio_auth_token and twilio_from")
        self.account = settings.twilio_account_sid
        self.token = token.get_secret_value()
        self.number = settings.twilio_from
        self.phones = Phones()
        self._web_url = settings.web_url
        self._clock = clock
        self._pace_s = pace_s
        self._validator = RequestValidator(self.token)
        # Webhooks are on this machine: a proxy of the environment has no part in it.
        self._http = httpx.AsyncClient(timeout=_WEBHOOK_TIMEOUT_S, trust_env=False)
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def hang_up(self) -> None:
        """Ends the requests that are kept waiting on purpose."""
        self._closing.set()

    async def close(self) -> None:
        """Stops what is on its way."""
        self.hang_up()
        for task in list(self._on_their_way):
            task.cancel()
        await asyncio.gather(*self._on_their_way, return_exceptions=True)
        await self._http.aclose()

    async def settled(self) -> None:
        """Returns when every message has come to its last state and every callback has been tried."""
        while self._on_their_way:
            await asyncio.wait(list(self._on_their_way))

    def misbehave(self, fault: Fault) -> None:
        """From now on, until the fault is used up."""
        self.phones.faults.append(fault)

    def behave(self) -> None:
        """Takes every fault back."""
        self.phones.faults.clear()

    # --- the phones ---------------------------------------------------------------------------------------------

    async def reply(self, phone: str, text: str) -> Message:
        """Somebody types a text to the bank on this phone; returns when our webhook has answered, or never will."""
        message = self._message(phone, self.number, text, inbound=True, status="received")
        self.phones.add(message)
        word = text.strip().upper()
        parameters = {
            "MessageSid": message.sid,
            "SmsMessageSid": message.sid,
            "SmsSid": message.sid,
            "AccountSid": self.account,
            "MessagingServiceSid": "",
            "From": phone,
            "To": self.number,
            "Body": text,
            "NumMedia": "0",
            "NumSegments": str(message.parts),
            "FromCity": "",
            "FromZip": "",
            "SmsStatus": "received",
            "ApiVersion": VERSION,
        }
        if word in STOP_WORDS:
            self.phones.opted_out.add(phone)
            self._arrived(phone, STOP_CONFIRMED)
            parameters["OptOutType"] = "STOP"
        elif word in START_WORDS and phone in self.phones.opted_out:
            self.phones.opted_out.discard(phone)
            self._arrived(phone, START_CONFIRMED)
            parameters["OptOutType"] = "START"
        answer = await self._webhook(f"{self._web_url}/webhooks/twilio/sms", parameters)
        if phone not in self.phones.opted_out:
            for words in _elements(answer, "Message"):
                self._arrived(phone, words)
        return message

    async def call(self, phone: str) -> Call:
        """Somebody rings the bank from this phone; returns with what they heard."""
        sid = _sid("CA")
        parameters = {
            "CallSid": sid,
            "AccountSid": self.account,
            "From": phone,
            "To": self.number,
            "Caller": phone,
            "Called": self.number,
            "CallStatus": "ringing",
            "Direction": "inbound",
            "ApiVersion": VERSION,
            "ForwardedFrom": "",
            "CallerName": "",
        }
        answer = await self._webhook(f"{self._web_url}/webhooks/twilio/voice", parameters)
        call = Call(sid=sid, caller=phone, at=self._clock(), heard=" ".join(_elements(answer, "Say")))
        self.phones.calls.append(call)
        return call

    # --- the API ------------------------------------------------------------------------------------------------

    async def create(self, form: Mapping[str, str]) -> Message:
        """Takes a message to a phone.

        Raises:
            Rejected: as the API answers it.
        """
        to, body = form.get("To", ""), form.get("Body", "")
        faults = self.phones.faults_for(to, _REQUEST_MODES)
        if Mode.TOO_MANY in faults:
            raise Rejected(429, 20429, "Too Many Requests", retry_after_s=1)
        if Mode.SERVER_ERROR in faults:
            raise Rejected(500, 20500, "Internal Server Error")
        if not re.fullmatch(r"\+[1-9]\d{6,14}", to):
            raise Rejected(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if to in self.phones.opted_out:
            raise Rejected(400, 21610, "Attempt to send to unsubscribed recipient")
        if form.get("From") != self.number:
            raise Rejected(400, 21606, "The 'From' phone number is not a valid, SMS-capable inbound phone number")
        if not body:
            raise Rejected(400, 21602, "Message body is required")
        message = self._message(self.number, to, body, inbound=False, status="queued")
        message.callback = form.get("StatusCallback", "")
        message.validity_s = int(form.get("ValidityPeriod", "36000"))
        message.faults = self.phones.faults_for(to, (*_CALLBACK_MODES, Mode.UNDELIVERED))
        self.phones.add(message)
        self._start(self._deliver(message))
        if Mode.TIMEOUT_AFTER_ACCEPT in faults:
            await self._hang()
        if Mode.SERVER_ERROR_AFTER_ACCEPT in faults:
            raise Rejected(500, 20500, "Internal Server Error")
        return message

    def resource(self, message: Message) -> dict[str, Any]:
        """The message as the API shows it."""
        base = f"/{VERSION}/Accounts/{self.account}/Messages/{message.sid}"
        created = format_datetime(message.created_at)
        return {
            "account_sid": self.account,
            "api_version": VERSION,
            "body": message.body,
            "date_created": created,
            "date_sent": format_datetime(message.sent_at) if message.sent_at else None,
            "date_updated": created,
            "direction": "inbound" if message.inbound else "outbound-api",
            "error_code": message.error_code,
            "error_message": None,
            "from": message.sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": str(message.parts),
            "price": None,
            "price_unit": "USD",
            "sid": message.sid,
            "status": message.status,
            "subresource_uris": {"media": f"{base}/Media.json"},
            "to": message.to,
            "uri": f"{base}.json",
        }

    # --- on the way ---------------------------------------------------------------------------------------------

    async def _deliver(self, message: Message) -> None:
        """Brings the message to the phone, a state at a time; the first state, ``queued``, has no callback."""
        last = "undelivered" if Mode.UNDELIVERED in message.faults else "delivered"
        reports: list[str] = []
        for state in ("sent", last):
            await asyncio.sleep(self._pace_s)
            message.status = state
            message.sent_at = message.sent_at or self._clock()
            if state in LOST:
                message.error_code = 30003
            reports.append(state)
            if Mode.CALLBACKS_OUT_OF_ORDER not in message.faults:
                await self._report(message, state)
        if Mode.CALLBACKS_OUT_OF_ORDER in message.faults:
            for state in reversed(reports):
                await self._report(message, state)

    async def _report(self, message: Message, state: str) -> None:
        if Mode.CALLBACKS_MISSING in message.faults or not message.callback:
            return
        parameters = {
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "MessageStatus": state,
            "SmsStatus": state,
            "AccountSid": self.account,
            "MessagingServiceSid": "",
            "From": message.sender,
            "To": message.to,
            "ApiVersion": VERSION,
        }
        if state in LOST:
            parameters["ErrorCode"] = str(message.error_code)
        for _ in range(2 if Mode.CALLBACKS_DOUBLED in message.faults else 1):
            await self._webhook(message.callback, parameters)

    async def _webhook(self, address: str, parameters: Mapping[str, str]) -> str:
        """Calls a webhook as the network does: signed, again on a connection failure, with one token for all tries."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": self._validator.compute_signature(address, dict(parameters)),
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
        }
        for wait_s in (*_RETRIES_S, None):
            try:
                answer = await self._http.post(address, content=urlencode(parameters), headers=headers)
            except httpx.TransportError as error:
                if wait_s is None:
                    log.warning("webhook not reached", error=type(error).__name__)
                    return ""
                await asyncio.sleep(wait_s)
                continue
            if answer.is_success:
                return answer.text
            log.warning("webhook refused", status=answer.status_code)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or wait_s is None:
                return ""
            await asyncio.sleep(wait_s)
        return ""

    async def _hang(self) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), _HANG_S)
        except TimeoutError:
            return

    def _arrived(self, phone: str, body: str) -> None:
        """A message that the network or an answer to a webhook brought to the phone."""
        self.phones.add(self._message(self.number, phone, body, inbound=False, status="delivered"))

    def _message(self, sender: str, to: str, body: str, *, inbound: bool, status: str) -> Message:
        return Message(
            sid=_sid("SM"),
            to=to,
            sender=sender,
            body=body,
            inbound=inbound,
            created_at=self._clock(),
            status=status,
            parts=measure(body).parts,
        )

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)


def _sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _elements(twiml: str, name: str) -> list[str]:
    """The texts of these elements in an answer of our own webhooks."""
    return [html.unescape(found) for found in re.findall(rf"<{name}[^>]*>(.*?)</{name}>", twiml, re.DOTALL)]
