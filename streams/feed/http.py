"""``POST /v1/transactions``: batches of card transactions over HTTP, answered when the broker has them.

A row that is answered ``accepted`` is acknowledged by the broker. Sending a batch again is harmless: the same
``transaction_id`` is the same transaction.
"""

import asyncio
import hmac
from collections.abc import Sequence
from hashlib import sha256
from time import perf_counter
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from infra import metrics
from infra.clock import Clock
from infra.problems import Problem
from streams.errors import StreamsError, Undeliverable
from streams.feed.batch import BYTES_AT_MOST, Form, TooLarge, Unpackable, split, unpack
from streams.feed.refused import Origin, refusal_message
from streams.feed.resend import Resend
from streams.feed.rows import Bad, Good, read_row
from streams.producer import Outgoing, Producer, Sent
from streams.topics import TRANSACTIONS, TRANSACTIONS_REFUSED

BODY_WITHIN_S: Final = 20.0
RETRY_AFTER_S: Final = 5

_FORMS: Final[dict[str, Form]] = {"application/json": "json", "application/x-ndjson": "ndjson"}


class Answer(NamedTuple):
    """What became of a batch, a result a row in the rows' order."""

    results: list[dict[str, Any]]
    accepted: int
    refused: int
    unacknowledged: int


def feed_router(
    producer: Producer,
    *,
    feed_key: str | None,
    clock: Clock,
    resend: Resend | None = None,
    allow_card_numbers: bool = False,
) -> APIRouter:
    """The feed's routes.

    Args:
        producer: started; answers when the broker has acknowledged.
        feed_key: the bearer key with the scope ``feed``; none: nobody has it, and every request is refused.
        clock: for the moment of a refusal.
        resend: answers ``GET /v1/transactions/resend``; none: the route says that there is nothing to send again.
        allow_card_numbers: whether this bank's tokens look like card numbers and are taken nevertheless.
    """
    router = APIRouter(prefix="/v1/transactions", tags=["feed"])

    @router.post("", status_code=202, summary="Takes a batch of card transactions", openapi_extra=_OPENAPI)
    async def take(request: Request) -> JSONResponse:
        begun_s = perf_counter()
        try:
            authorise(request, feed_key)
            body = await _body(request)
            form = _form(request)
            encoding = request.headers.get("content-encoding", "").strip().lower()
            rows = await asyncio.to_thread(_read, body, encoding, form, allow_card_numbers=allow_card_numbers)
            answer = await _hand_over(rows, producer, request.state.request_id, clock)
            response = _response(answer, request.state.request_id)
        except Problem as problem:
            metrics.FEED_BATCHES.labels(str(problem.status)).inc()
            raise
        metrics.FEED_BATCHES.labels("202").inc()
        metrics.FEED_BATCH_SECONDS.observe(perf_counter() - begun_s)
        return response

    @router.get("/resend", summary="From when the feed has to send again")
    async def send_again(request: Request) -> dict[str, Any]:
        authorise(request, feed_key)
        return await resend.advice() if resend is not None else {"from": None, "gaps": []}

    @router.delete("/resend/{partition}", status_code=204, summary="The feed has sent again what this partition lost")
    async def sent_again(partition: int, request: Request) -> None:
        authorise(request, feed_key)
        if resend is not None:
            await resend.done(partition)

    return router


def authorise(request: Request, feed_key: str | None) -> None:
    """Lets pass who shows the key; the comparison takes as long for a wrong one.

    Raises:
        Problem: 401 without the key, 403 where no key has the scope.
    """
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not shown:
        raise Problem(
            401,
            "unauthenticated",
            "A bearer key is required",
            "send the header Authorization: Bearer KEY; KEY is the setting feed_key",
            headers={"WWW-Authenticate": 'Bearer realm="feed"'},
        )
    if not feed_key:
        raise Problem(403, "no-feed-key", "No key has the scope feed", "the setting feed_key is not set")
    if not hmac.compare_digest(sha256(shown.strip().encode()).digest(), sha256(feed_key.encode()).digest()):
        raise Problem(
            403,
            "wrong-key",
            "This key does not have the scope feed",
            "compare it with the setting feed_key of the site",
        )


def _form(request: Request) -> Form:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _FORMS:
        raise Problem(
            415,
            "unsupported-media-type",
            "The content type is not one of ours",
            f"{media[:40]!r} came; send application/json (an array) or application/x-ndjson (one object a line)",
        )
    return _FORMS[media]


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    held = 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                parts.append(part)
                held += len(part)
                if held > BYTES_AT_MOST:
                    raise Problem(413, "too-large", "The batch is too large", f"at most {BYTES_AT_MOST} bytes")
    except TimeoutError as error:
        raise Problem(408, "too-slow", "The batch did not arrive in time", f"within {BODY_WITHIN_S:g} s") from error
    return b"".join(parts)


def _read(body: bytes, encoding: str, form: Form, *, allow_card_numbers: bool) -> list[Good | Bad]:
    try:
        rows = split(unpack(body, encoding), form)
    except TooLarge as error:
        raise Problem(
            413, "too-large", "The batch is too large", f"{error}; none was taken; send it in several batches"
        ) from error
    except Unpackable as error:
        known = encoding in {"gzip", "x-gzip", "zstd"}
        raise Problem(
            400 if known else 415, "unreadable-encoding", "The body is not what its content encoding says", str(error)
        ) from error
    return [read_row(row, allow_card_numbers=allow_card_numbers) for row in rows]


async def _hand_over(rows: Sequence[Good | Bad], producer: Producer, request_id: str, clock: Clock) -> Answer:
    now = clock()
    messages = [
        Outgoing(TRANSACTIONS, row.card_id, row.raw)
        if isinstance(row, Good)
        else Outgoing(
            TRANSACTIONS_REFUSED,
            None,
            refusal_message(
                row.raw,
                reason=row.reason,
                detail=row.detail,
                origin=Origin(kind="http", name=request_id, row=number),
                refused_at=now,
            ),
        )
        for number, row in enumerate(rows)
    ]
    sent = await producer.send_all(messages)
    results = [_result(number, row, outcome) for number, (row, outcome) in enumerate(zip(rows, sent, strict=True))]
    counts = {
        kind: sum(each["result"] == kind for each in results) for kind in ("accepted", "refused", "unacknowledged")
    }
    for kind, count in counts.items():
        metrics.FEED_ROWS.labels(kind).inc(count)
    for each in results:
        if each["result"] == "refused":
            metrics.TRANSACTIONS_REFUSED.labels("feed", each["reason"]).inc()
    return Answer(results, counts["accepted"], counts["refused"], counts["unacknowledged"])


def _result(number: int, row: Good | Bad, outcome: Sent | StreamsError) -> dict[str, Any]:
    if isinstance(outcome, StreamsError) and not isinstance(outcome, Undeliverable):
        return {"row": number, "result": "unacknowledged", "reason": "broker_away"}
    if isinstance(row, Bad):
        return {"row": number, "result": "refused", "reason": row.reason, "detail": row.detail}
    if isinstance(outcome, Undeliverable):
        return {"row": number, "result": "refused", "reason": "undeliverable", "detail": "the broker does not take it"}
    return {"row": number, "result": "accepted", "transaction_id": row.transaction_id}


def _response(answer: Answer, request_id: str) -> JSONResponse:
    document = {
        "request_id": request_id,
        "accepted": answer.accepted,
        "refused": answer.refused,
        "unacknowledged": answer.unacknowledged,
        "results": answer.results,
    }
    if answer.unacknowledged:
        raise Problem(
            503,
            "broker-away",
            "The broker did not take everything",
            "send the whole batch again; what has been taken already is not counted twice",
            extra=document,
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    if not answer.accepted:
        detail = (
            "every row was refused: results says of each row why; all are kept in transactions-refused"
            if answer.results
            else "the batch has no rows"
        )
        raise Problem(422, "no-good-row", "No row is a transaction", detail, extra=document)
    return JSONResponse(document, status_code=202)


_OPENAPI: Final[dict[str, Any]] = {
    "security": [{"bearer": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}, "maxItems": 5000}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One JSON object a line."}},
        },
    },
    "responses": {
        "202": {"description": "Every good row is acknowledged by the broker; a result a row."},
        "401": {"description": "No key."},
        "403": {"description": "The key does not have the scope `feed`."},
        "408": {"description": "The body did not arrive in time."},
        "413": {"description": "More than 5,000 rows, or too many bytes."},
        "415": {"description": "Another content type or content encoding."},
        "422": {"description": "No row is good; a result a row."},
        "503": {"description": "The broker took only some; a result a row, and `Retry-After`."},
    },
}
