"""What every HTTP request of ours passes: an id, a rate, a size, a time, safe headers, a count and one line of log.

Neither the log nor the figures hold a path's parameters, a query, a body, an address or a name: a request is known by
its route's pattern and its id.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from time import perf_counter
from typing import Final
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra import metrics
from infra.problems import Problem, problem_response
from streams.rate import RateLimit

_log: Final = structlog.get_logger("ringback.http")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-store",
}
"""Set on every answer, unless the answer itself says otherwise."""


class Entrance:
    """ASGI middleware around the whole application.

    Answers 429 above the caller's rate, 413 above the route's body limit, and 503 when the application has not begun to
    answer in time. Event streams have no time-out; they end as soon as ``closing`` is set.

    Args:
        app: the application.
        rate: tokens of each caller, known by the bearer key that we gave, else by the address.
        closing: set when the process has been asked to end.
        body_limits: bytes that a request's body may have, by the beginning of the path; the longest one counts.
        timeout_s: how long the application may take, event streams aside.
        keys: digests (``key_digest``) of the bearer keys that we have given out.
        secure: whether the outside reaches us under TLS, so that browsers are told to insist on it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        rate: RateLimit,
        closing: asyncio.Event,
        body_limits: Mapping[str, int],
        timeout_s: float = 30.0,
        keys: frozenset[str] = frozenset(),
        secure: bool = False,
    ) -> None:
        self.app = app
        self.rate = rate
        self.closing = closing
        self.timeout_s = timeout_s
        self.keys = keys
        self.headers = dict(SECURITY_HEADERS)
        if secure:
            self.headers["Strict-Transport-Security"] = "max-age=31536000"
        self._body_limits = sorted(body_limits.items(), key=lambda each: -len(each[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; other things than HTTP pass through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Passage(self, scope, receive, send).go()

    def body_limit(self, path: str) -> int:
        """How many bytes the body of a request to ``path`` may have."""
        return next((limit for prefix, limit in self._body_limits if path.startswith(prefix)), 0)


def key_digest(key: str) -> str:
    """What a bearer key is known by where it is only counted: its SHA-256."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


class _TooLong(Exception):
    """The body has more bytes than its route allows."""


class _Passage:
    """One request on its way through."""

    def __init__(self, entrance: Entrance, scope: Scope, receive: Receive, send: Send) -> None:
        self._entrance = entrance
        self._scope = scope
        self._receive = receive
        self._send = send
        asked = Headers(scope=scope)
        given = asked.get("x-request-id", "")
        self._request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        self._asked = asked
        self._status = 0
        self._streams = False
        self._over = False
        self._body_bytes = 0
        self._body_read = False
        self._timer: asyncio.Timeout | None = None

    async def go(self) -> None:
        begun_s = perf_counter()
        self._scope.setdefault("state", {})["request_id"] = self._request_id
        with structlog.contextvars.bound_contextvars(request_id=self._request_id):
            try:
                await self._serve()
            finally:
                self._note(perf_counter() - begun_s)

    async def _serve(self) -> None:
        wait_s = self._entrance.rate.take(self._caller())
        if wait_s:
            await self._answer(
                Problem(
                    429,
                    "too-many-requests",
                    "Too many requests",
                    f"again after {wait_s} s, nothing of this one was done; send fewer and larger batches",
                    headers={"Retry-After": str(wait_s)},
                )
            )
            return
        limit = self._entrance.body_limit(self._scope["path"])
        declared = self._asked.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await self._answer(_too_long(limit))
            return
        try:
            async with asyncio.timeout(self._entrance.timeout_s) as self._timer:
                await self._entrance.app(self._scope, self._bounded_receive, self._noting_send)
        except _TooLong:
            pass
        except TimeoutError:
            if self._timer is None or not self._timer.expired():
                raise
            await self._answer(Problem(503, "took-too-long", "It took too long", headers={"Retry-After": "1"}))
        if self._over:
            await self._answer(_too_long(limit))

    def _caller(self) -> str:
        digest = key_digest(self._asked.get("authorization", "").removeprefix("Bearer "))
        if digest in self._entrance.keys:  # a stranger's key is no way to a bucket of one's own
            return digest
        client = self._scope.get("client")
        address = client[0] if client else ""
        # Behind a proxy the phone network and the operators may share an address: neither takes the other's rate.
        return f"{address} webhooks" if self._scope["path"].startswith("/webhooks/") else address

    async def _bounded_receive(self) -> Message:
        if self._body_read:
            return await self._disconnect()
        message = await self._receive()
        if message["type"] == "http.request":
            self._body_bytes += len(message.get("body", b""))
            self._body_read = not message.get("more_body", False)
            if self._body_bytes > self._entrance.body_limit(self._scope["path"]):
                self._over = True
                raise _TooLong
        return message

    async def _disconnect(self) -> Message:
        """Waits for the client to go; for an event stream, the end of the process counts as that."""
        gone = asyncio.ensure_future(self._receive())
        closing = asyncio.ensure_future(self._entrance.closing.wait())
        try:
            await asyncio.wait({gone, closing}, return_when=asyncio.FIRST_COMPLETED)
            if closing.done() and self._streams and not gone.done():
                return {"type": "http.disconnect"}
            return await gone
        finally:
            for task in (gone, closing):
                if not task.done():
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    async def _noting_send(self, message: Message) -> None:
        if self._over and not self._status:
            return  # the framework calls a cut-off body broken; what the caller is told is that it is too long
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._entrance.headers.items():
                headers.setdefault(name, value)
            headers["X-Request-ID"] = self._request_id
            if headers.get("content-type", "").startswith("text/event-stream"):
                self._streams = True
                if self._timer is not None:
                    self._timer.reschedule(None)
        await self._send(message)

    async def _answer(self, problem: Problem) -> None:
        if self._status:  # too late to say anything else: the connection is closed on the half answer
            raise ConnectionAbortedError(problem.title)
        self._over = False
        await problem_response(problem, self._scope["path"])(self._scope, self._receive, self._noting_send)

    def _note(self, elapsed_s: float) -> None:
        route = getattr(self._scope.get("route"), "path", "") or "unmatched"
        status = self._status or 500
        metrics.HTTP_REQUESTS.labels(route, str(status)).inc()
        if not self._streams:
            metrics.HTTP_REQUEST_SECONDS.labels(route).observe(elapsed_s)
        _log.info("answered", method=self._scope["method"], route=route, status=status, elapsed_s=round(elapsed_s, 4))


def _too_long(limit: int) -> Problem:
    return Problem(413, "too-large", "The request is too large", f"at most {limit} bytes; nothing of it was taken")
