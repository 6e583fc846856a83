"""Coming to the desk and leaving it."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from outreach.desk.accounts import Account, SignInRefused, TooManyAttempts
from outreach.desk.answers import SECURITY_HEADERS, THEME_COOKIE, THEMES, PageRoute, page, theme_of
from outreach.desk.desk import Desk
from outreach.desk.sessions import refuse_foreign_origin

THEME_S = 365 * 86400


def safe_next(wanted: str) -> str:
    """A path of the desk to go on to; the queue, if what is wanted leads anywhere else."""
    parts = urlsplit(wanted)
    local = not parts.scheme and not parts.netloc and wanted.startswith("/") and "\\" not in wanted
    return wanted if local and not wanted.startswith("//") else "/"


def sign_in_router(desk: Desk) -> APIRouter:  # noqa: C901 - routes share the desk by closure; each is simple
    """The routes of signing in and out, and of the theme."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False)

    def address_of(request: Request) -> str:
        return request.client.host if request.client else "unknown"

    def welcome(account: Account, to: str) -> Response:
        response = RedirectResponse(to, status_code=303, headers=SECURITY_HEADERS)
        desk.sessions.start(response, account, desk.new_id())
        return response

    def form(
        request: Request, problem: str = "", *, status: int = 200, next_page: str = "/", name: str = ""
    ) -> Response:
        bank = desk.settings.bank_name
        return page(
            request,
            "sign_in.html",
            status=status,
            problem=problem,
            next_page=next_page,
            name=name,
            bank=bank,
            operator=None,
        )

    @router.get("/sign-in")
    async def ask(request: Request) -> Response:
        return form(request, next_page=safe_next(request.query_params.get("next", "/")))

    @router.post("/sign-in")
    async def by_password(
        request: Request,
        name: Annotated[str, Form(max_length=100)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
        next_page: Annotated[str, Form(alias="next", max_length=500)] = "/",
    ) -> Response:
        refuse_foreign_origin(request)
        to = safe_next(next_page)
        try:
            account = await desk.accounts.verify(name, password, address=address_of(request))
        except SignInRefused as refused:
            return form(request, str(refused), status=401, next_page=to, name=name)
        except TooManyAttempts as limited:
            response = form(request, str(limited), status=429, next_page=to, name=name)
            response.headers["Retry-After"] = str(limited.wait_s)
            return response
        return welcome(account, to)

    @router.get("/sign-in/{token}")
    async def ask_link(request: Request, token: str) -> Response:
        # Mail scanners and previews open links: only the button uses it up.
        return page(request, "sign_in_link.html", token=token[:200], bank=desk.settings.bank_name, operator=None)

    @router.post("/sign-in/{token}")
    async def by_link(request: Request, token: str) -> Response:
        refuse_foreign_origin(request)
        try:
            account = await desk.accounts.redeem(token[:200], address=address_of(request))
        except SignInRefused as refused:
            return form(request, str(refused), status=401)
        except TooManyAttempts as limited:
            return form(request, str(limited), status=429)
        return welcome(account, "/")

    @router.post("/sign-out")
    async def sign_out(request: Request, csrf: Annotated[str, Form()] = "") -> Response:
        operator = await desk.at_page(request)
        desk.sessions.check_csrf(operator.session, csrf)
        await desk.accounts.sign_out(operator.name)
        response = RedirectResponse("/sign-in", status_code=303, headers=SECURITY_HEADERS)
        desk.sessions.end(response)
        return response

    @router.post("/theme")
    async def theme(request: Request, back: Annotated[str, Form(max_length=500)] = "/") -> Response:
        refuse_foreign_origin(request)
        chosen = THEMES[(THEMES.index(theme_of(request)) + 1) % len(THEMES)]
        response = RedirectResponse(safe_next(back), status_code=303, headers=SECURITY_HEADERS)
        response.set_cookie(THEME_COOKIE, chosen, max_age=THEME_S, samesite="lax", httponly=True, path="/")
        return response

    return router
