"""Problems as RFC 9457 has them: what every HTTP entrance answers when it cannot do what was asked."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Something to be told to whoever called, and nobody else's business.

    Attributes:
        status: the HTTP status.
        code: stable, short, kebab-case; the tail of the problem's ``type``.
        title: the same sentence for every occurrence of the code.
        detail: what happened this time; never personal data.
        extra: further members of the problem's document.
        headers: for example ``Retry-After``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def document(self, instance: str = "") -> dict[str, Any]:
        """The problem's JSON document; ``instance`` is the path that was asked for."""
        document: dict[str, Any] = {"type": f"urn:ringback:problem:{self.code}", "title": self.title}
        document["status"] = self.status
        if self.detail:
            document["detail"] = self.detail
        if instance:
            document["instance"] = instance
        # The standard members first, and never another's value under their names.
        return {**document, **{name: value for name, value in self.extra.items() if name not in document}}


def problem_response(problem: Problem, instance: str = "") -> JSONResponse:
    """The answer that carries the problem, under the RFC's media type."""
    return JSONResponse(
        problem.document(instance), status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def install_problems(app: FastAPI) -> None:
    """Makes the application answer its own problems, the framework's and invalid requests as RFC 9457."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)  # noqa: S101 - registered for this type only; narrows it for the checker
        return problem_response(error, request.url.path)

    async def frameworks(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - the same
        title = HTTPStatus(error.status_code).phrase
        code = title.lower().replace(" ", "-")
        detail = "" if error.detail == title else str(error.detail)
        problem = Problem(error.status_code, code, title, detail, headers=error.headers)
        return problem_response(problem, request.url.path)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - the same
        # The input itself is not repeated: it may hold what must not be written down.
        errors = [{"where": list(each["loc"]), "what": each["msg"]} for each in error.errors()]
        problem = Problem(422, "invalid-request", "The request is not as the contract has it", extra={"errors": errors})
        return problem_response(problem, request.url.path)

    app.add_exception_handler(Problem, ours)
    app.add_exception_handler(HTTPException, frameworks)
    app.add_exception_handler(RequestValidationError, invalid)
