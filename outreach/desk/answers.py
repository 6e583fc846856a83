"""How the desk answers: pages out of templates, problems as pages or documents, and the headers that go with each."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from psycopg.errors import DataError, UndefinedTable

from infra.history.errors import Unavailable
from infra.problems import Problem, problem_response
from outreach.desk.acting import history_away
from outreach.desk.desk import page_of
from outreach.desk.finding import is_number
from outreach.desk.words import phone_number, waited

HERE = Path(__file__).parent
ROUTE_TIMEOUT_S = 15.0

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""On every page. What is on it is a customer's: nothing is kept by the browser, nothing is loaded from elsewhere."""

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".txt": "text/plain", ".svg": "image/svg+xml"}

THEME_COOKIE = "ringback_theme"
THEMES = ("system", "light", "dark")


class Assets:
    """The files under ``static``, read once; their addresses change with their bytes, so that browsers keep them."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in MEDIA_TYPES}
        joined = b"".join(self._files[name] for name in sorted(self._files))
        self.digest = hashlib.sha256(joined).hexdigest()[:12]

    def address(self, name: str) -> str:
        """Where the page finds the file."""
        return f"/desk/static/{self.digest}/{name}"

    def answer(self, name: str) -> Response:
        """The file.

        Raises:
            Problem: 404.
        """
        if name not in self._files:
            raise Problem(404, "not-found", "There is no such file")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(self._files[name], media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)


ASSETS = Assets(HERE / "static")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = ASSETS.address
    environment.filters["waited"] = waited
    environment.filters["is_number"] = is_number
    environment.filters["phone"] = phone_number
    return environment


_TEMPLATES = _environment()


def theme_of(request: Request) -> str:
    """The theme that the operator chose: ``system`` follows the machine."""
    chosen = request.cookies.get(THEME_COOKIE, "system")
    return chosen if chosen in THEMES else "system"


def page(request: Request, template: str, *, status: int = 200, **shown: Any) -> HTMLResponse:
    """A page out of its template, with the headers of every page."""
    text = _TEMPLATES.get_template(template).render(theme=theme_of(request), path=page_of(request), **shown)
    return HTMLResponse(text, status_code=status, headers=SECURITY_HEADERS)


class DocumentRoute(APIRoute):
    """A route of the API: within its time, and its problems as RFC 9457 even where the application has no handler."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps the framework's handler."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                async with asyncio.timeout(ROUTE_TIMEOUT_S):
                    return await handle(request)
            except (Problem, Unavailable, UndefinedTable, TimeoutError, DataError) as error:
                return self.explained(request, _problem(error))

        return answered

    def explained(self, request: Request, problem: Problem) -> Response:
        """The problem as a document."""
        return problem_response(problem, request.url.path)


class PageRoute(DocumentRoute):
    """A route of a page: its problems are pages too, those that the framework finds in a form among them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps the framework's handler."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                return self.explained(request, _UNREADABLE)
            except HTTPException as error:
                return self.explained(request, Problem(error.status_code, "unreadable", _UNREADABLE.title))

        return answered

    def explained(self, request: Request, problem: Problem) -> Response:
        """The problem as a page; a redirect as itself."""
        if "Location" in problem.headers or "HX-Redirect" in problem.headers:
            return Response(status_code=problem.status, headers={**SECURITY_HEADERS, **problem.headers})
        response = page(request, "problem.html", status=problem.status, problem=problem, operator=None)
        response.headers.update(problem.headers)
        return response


_UNREADABLE = Problem(
    422,
    "invalid-request",
    "This cannot be read",
    "Nothing was done. The address or the form holds something that no page of the desk sends; go back, and try again.",
)


def _problem(error: Problem | Unavailable | UndefinedTable | TimeoutError | DataError) -> Problem:
    """A read model that is not there yet is being built: the same request works in a moment."""
    if isinstance(error, DataError):  # what no text of PostgreSQL can hold, a NUL for one
        return _UNREADABLE
    return error if isinstance(error, Problem) else history_away()
