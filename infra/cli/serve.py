"""``ringback serve``: the web process."""

from infra.cli.work import run_role


def serve() -> None:
    """Runs the web process (feed, webhooks, desk) until it is told to stop."""
    run_role("web")
