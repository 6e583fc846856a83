"""Text messages through Twilio's own client, with an honest answer for every way in which that can go wrong.

Creating a message is not idempotent and takes no idempotency key: only what is known not to have been processed may be
sent again. The client blocks, so it runs in threads of its own.
"""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import requests
import structlog
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from infra.clock import Clock
from infra.settings import Settings
from outreach.contact.channel import Accepted, Busy, Delivery, Failed, Outcome, Outgoing, Unknown
from outreach.contact.codes import Advice, explain
from outreach.contact.errors import ProviderAway

AT_ONCE: Final = 16
"""Requests that may be under way together."""

_LISTED: Final = 50
_SKEW: Final = timedelta(minutes=2)
"""How far the provider's clock may be from ours; a message found before the intent by more is another one."""

_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_NOT_FOUND: Final = 404

AnswerT = TypeVar("AnswerT")

log = structlog.get_logger(__name__)


class _TooMany(TwilioException):  # type: ignore[misc]  # the library ships no types
    """429, which is refused before it is processed (20429)."""

    def __init__(self, retry_after: str | None) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after


class _Http(TwilioHttpClient):  # type: ignore[misc]  # the same
    """Twilio's HTTP client; a 429 keeps its ``Retry-After``, which the library's own exception does not carry."""

    def request(self, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().request(*args, **kwargs)
        if response.status_code == _TOO_MANY:
            headers = response.headers or {}
            raise _TooMany(headers.get("Retry-After"))
        return response


class TwilioSms:
    """The SMS channel. Nothing of a message's text, number or answer is logged.

    Args:
        settings: account, sender, time-out, validity, and where the API and our webhooks are.
        clock: for a ``Retry-After`` that is a date.

    Raises:
        ValueError: the account or the sender is not set.
    """

    recognises_repeats = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        if not (settings.twilio_account_sid and settings.twilio_auth_token and settings.twilio_from):
            raise ValueError("SMS needs twilio_account_sid, twilio_auth_token and twilio_from")
        self._settings = settings
        self._clock = clock
        self._from = settings.twilio_from
        http = _Http(timeout=settings.twilio_timeout_s)
        # Region and edge of the environment would rewrite another host's name: they belong to Twilio's own.
        environment = {"TWILIO_EDGE": "", "TWILIO_REGION": ""} if settings.twilio_api_url else None
        self._client = Client(
            settings.twilio_account_sid,
            settings.twilio_auth_token.get_secret_value(),
            http_client=http,
            environment=environment,
        )
        if settings.twilio_api_url:
            self._client.api.base_url = settings.twilio_api_url.rstrip("/")
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ringback-sms")

    def close(self) -> None:
        """Ends the threads; what is under way is left to its time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(self, message: Outgoing) -> Outcome:
        """Creates the message at the provider; the delivery callback carries case and contact in its address."""
        callback = f"{self._settings.web_url}/webhooks/twilio/status/{message.case_id}/{message.contact_id}"

        def create() -> Outcome:
            created = self._client.messages.create(
                to=message.to,
                from_=self._from,
                body=message.body,
                status_callback=callback,
                validity_period=self._settings.sms_validity_s,
            )
            return Accepted(provider_id=created.sid) if created.sid else Unknown(reason="the answer names no message")

        try:
            return await self._in_thread(create)
        except Exception as error:  # noqa: BLE001 - whatever it is, something may have gone out: never lost, never raised
            return self._outcome(error)

    async def find(self, message: Outgoing, taken: Collection[str]) -> str | None:
        """Looks for the message among those to this number, by its case code and text.

        No filter on ``date_sent``: it is empty while a message is queued.

        Raises:
            ProviderAway: the list could not be had.
        """
        messages = await self._ask(lambda: self._client.messages.list(to=message.to, limit=_LISTED))
        for found in messages or ():
            body = found.body or ""
            ours = found.sid and found.sid not in taken and message.case_code in body and message.body in body
            since = message.intended_at - _SKEW
            if ours and (found.date_created is None or found.date_created >= since):
                return str(found.sid)
        return None

    async def delivery(self, provider_id: str) -> Delivery | None:
        """The message's state; None where the provider has no such message.

        Raises:
            ProviderAway: it could not be asked.
        """
        found = await self._ask(lambda: self._client.messages(provider_id).fetch())
        if found is None or not found.status:
            return None
        return Delivery(status=str(found.status), code=str(found.error_code or ""))

    async def _in_thread(self, work: Callable[[], AnswerT]) -> AnswerT:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _ask(self, question: Callable[[], AnswerT]) -> AnswerT | None:
        try:
            return await self._in_thread(question)
        except TwilioRestException as error:
            if error.status == _NOT_FOUND:
                return None
            raise ProviderAway(f"status {error.status}") from error
        except (TwilioException, TwilioServiceException, requests.RequestException, ValueError) as error:
            raise ProviderAway(type(error).__name__) from error

    def _outcome(self, error: Exception) -> Outcome:
        match error:
            case _TooMany():
                return Busy(reason="429", retry_after_s=self._seconds(error.retry_after))
            case TwilioRestException() | TwilioServiceException() if error.status < _SERVER_ERROR:
                return _refused(error.code)
            case TwilioRestException() | TwilioServiceException():
                return Unknown(reason=f"status {error.status}")
            case requests.ConnectionError() if _never_connected(error):
                return Busy(reason="the provider cannot be reached")
            case _:
                return Unknown(reason=type(error).__name__)

    def _seconds(self, retry_after: str | None) -> float | None:
        """RFC 9110, 10.2.3: seconds, or a date."""
        if not retry_after:
            return None
        if retry_after.strip().isdigit():
            return float(retry_after)
        try:
            return max(0.0, (parsedate_to_datetime(retry_after) - self._clock()).total_seconds())
        except (ValueError, TypeError):
            return None


def _refused(code: int | None) -> Failed:
    explanation = explain(code)
    if explanation.advice is Advice.TELL_ENGINEER:
        log.error("sms.misconfigured", code=code, reason=explanation.reason)
    return Failed(code=str(code or ""), reason=explanation.reason, opted_out=explanation.advice is Advice.OPTED_OUT)


def _never_connected(error: requests.ConnectionError) -> bool:
    """Whether not one byte can have left: refused, no route, no name, or no connection in time."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)
