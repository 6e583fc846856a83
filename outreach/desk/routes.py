"""The desk's routes, to be put into the web process's application."""

from fastapi import APIRouter, Response

from outreach.desk.answers import ASSETS, PageRoute
from outreach.desk.api import api_router
from outreach.desk.desk import Desk
from outreach.desk.pages import page_router
from outreach.desk.queue_page import queue_router
from outreach.desk.sign_in import sign_in_router
from outreach.desk.supervising import supervision_router

__all__ = ["Desk", "desk_router"]


def desk_router(desk: Desk) -> APIRouter:
    """Pages, API and files. Call ``await desk.prepare()`` before serving, ``desk.close()`` on the signal to stop."""
    router = APIRouter()
    files = APIRouter(route_class=PageRoute, include_in_schema=False)

    @files.get("/desk/static/{digest}/{name}")
    async def static(digest: str, name: str) -> Response:  # noqa: ARG001 - it only makes the address change
        return ASSETS.answer(name)

    for part in (
        files,
        sign_in_router(desk),
        api_router(desk),
        queue_router(desk),
        page_router(desk),
        supervision_router(desk),
    ):
        router.include_router(part)
    return router
