"""The three people of a rehearsal, each at their own public entrance: the bank's feed, the customer, the operator."""

from collections.abc import Sequence
from typing import Any, Self

import httpx
import msgspec

PATIENCE_S = 15.0


class EntranceError(Exception):
    """An entrance answered otherwise than it should; the message says which, and what it said."""


class EntranceAway(EntranceError):
    """Nobody answered, or only that the entrance is closed for the moment: the same again later is right."""


class _Visitor:
    """Speaks HTTP to one address, and takes nothing but success for an answer."""

    def __init__(self, base_url: str, *, headers: dict[str, str] | None = None) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=PATIENCE_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, **how)
        except httpx.HTTPError as error:
            raise EntranceAway(f"{method} {path}: {type(error).__name__}: {error}") from error
        if answer.status_code in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}:
            raise EntranceAway(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise EntranceError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer


class Bank(_Visitor):
    """The bank's transaction feed."""

    def __init__(self, web_url: str, feed_key: str) -> None:
        super().__init__(web_url, headers={"Authorization": f"Bearer {feed_key}"})

    async def feed(self, payments: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Sends a batch; the answer has a result for each row.

        Raises:
            EntranceError: it was not taken.
        """
        body = msgspec.json.encode(payments)
        answer = await self._ask("POST", "/v1/transactions", content=body, headers={"Content-Type": "application/json"})
        result: dict[str, Any] = answer.json()
        return result


class Telephone(_Visitor):
    """A customer's phone in the rehearsal's network."""

    def __init__(self, rehearsal_url: str, number: str) -> None:
        super().__init__(rehearsal_url)
        self._number = number

    async def reply(self, text: str) -> None:
        """Answers the bank's newest message.

        Raises:
            EntranceError: the network did not take it.
        """
        await self._ask("POST", "/rehearsal/reply", json={"phone": self._number, "text": text})

    async def call(self) -> None:
        """Rings the bank.

        Raises:
            EntranceError: the network did not take it.
        """
        await self._ask("POST", "/rehearsal/call", json={"phone": self._number})


class Desk(_Visitor):
    """An operator at the desk, signed in by a link."""

    async def sign_in(self, link: str) -> None:
        """Uses the link up.

        Raises:
            EntranceError: the link is not good (any more).
        """
        await self._ask("POST", link)

    async def do(self, case_id: str, action: str, **what: Any) -> None:
        """Does something with the case as it is now.

        Raises:
            EntranceError: the desk refused.
        """
        await self._ask("POST", f"/v1/cases/{case_id}/{action}", json=what, headers={"If-Match": "*"})
