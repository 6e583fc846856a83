"""What the web process answers in place of webhooks and desk while PostgreSQL has not been reached since its start."""

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from infra.problems import Problem, problem_response

RETRY_AFTER_S: Final = 5

_PAGE: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="{RETRY_AFTER_S}"><title>Ringback: not ready yet</title>
</head>
<body>
<h1>Ringback cannot reach its history</h1>
<p>PostgreSQL does not answer. No case can be shown or changed until it does. Payments are still taken, and their
alerts wait. This page tries again every {RETRY_AFTER_S} seconds.</p>
</body>
</html>
"""


def waiting_router() -> APIRouter:
    """Answers 503 on every path that no route before it has taken: a page for a browser, else a problem."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    async def wait(request: Request) -> Response:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_PAGE, status_code=503, headers=headers)
        problem = Problem(
            503,
            "history-away",
            "The history cannot be reached",
            "PostgreSQL has not answered since this process started; the feed is served, nothing else",
            headers=headers,
        )
        return problem_response(problem, request.url.path)

    return router
