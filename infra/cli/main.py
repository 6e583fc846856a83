"""The command line's entrance: which commands there are, and what becomes of their errors.

A command is one line in ``COMMANDS``: its name, where it lives, what it does. It is a function with Typer's
annotations, or a ``typer.Typer`` that groups several. Only the one that is asked for is imported: help is quick.

Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 interrupted.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import typer

FAILED = 1
INTERRUPTED = 130
HOUSE = ("infra.", "outreach.", "rules.", "streams.")


@dataclass(frozen=True)
class CommandLine:
    """One command: its name, ``module:attribute``, and the sentence that help shows."""

    name: str
    target: str
    help: str

    def load(self) -> Callable[..., Any] | typer.Typer:
        """The function, or the group of commands."""
        module, attribute = self.target.split(":")
        loaded: Callable[..., Any] | typer.Typer = getattr(importlib.import_module(module), attribute)
        return loaded


COMMANDS = (  # help fits beside the names on a terminal of 80 columns
    CommandLine("demo", "infra.cli.demo:demo", "The whole system, rehearsed: tells one story, keeps running."),
    CommandLine("up", "infra.cli.up:up", "Every role on this machine, on your servers or embedded ones."),
    CommandLine("work", "infra.cli.work:work", "One role, for running many: ringback work detection."),
    CommandLine("serve", "infra.cli.serve:serve", "The web process: feed, webhooks, desk."),
    CommandLine("feed", "infra.cli.feed:feed", "Replays a file of transactions into the feed."),
    CommandLine("refused", "infra.cli.refused:app", "What was set aside as unreadable: list, show, retry."),
    CommandLine("judge", "infra.cli.judge:judge", "Transactions in, alerts out; no servers, no state kept."),
    CommandLine("simulate", "infra.cli.simulate:simulate", "Labelled transactions: known journeys, known fraud."),
    CommandLine("backtest", "infra.cli.backtest:backtest", "How right the rules are, on a labelled history."),
    CommandLine("rules", "infra.cli.rules:app", "Rule sets: draft, shadow, publish, release, retire, show."),
    CommandLine("case", "infra.cli.case:case", "A case's history as a person reads it."),
    CommandLine("customer", "infra.cli.case:customer", "What the history holds of a customer, as a person reads it."),
    CommandLine("erase", "infra.cli.erase:erase", "Destroys a customer's key: what is personal is gone for good."),
    CommandLine("keys", "infra.cli.master_keys:app", "The master key: what it wraps, and replacing it."),
    CommandLine("customers", "infra.cli.customers:app", "Who owns which card, from a file: import."),
    CommandLine("due", "infra.cli.due:app", "What the cases wait for, and what happens then: list."),
    CommandLine("history", "infra.cli.history:app", "The event store: verify, seals, export, diff, rebuild."),
    CommandLine("operators", "infra.cli.operators:app", "Accounts at the desk: add one, or send a sign-in link."),
    CommandLine("doctor", "infra.cli.doctor:doctor", "What is reachable, and what is misconfigured."),
    CommandLine("settings", "infra.cli.settings:settings", "Every setting, its value, and where that comes from."),
)


def build(arguments: Sequence[str], commands: Sequence[CommandLine] = COMMANDS) -> typer.Typer:
    """The command line for these arguments: the command that they name is loaded, of the others only help is known."""
    app = typer.Typer(
        name="ringback",
        help="Fraud alerts and the calls that follow: impossible journeys become cases, and customers are asked.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    for command in commands:
        loaded = command.load() if command.name == wanted else _unloaded
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=command.name, help=command.help)
        else:
            said = None if command.name == wanted else command.help  # none: what its docstring says, all of it
            app.command(command.name, help=said, short_help=command.help)(loaded)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code; a domain error is one clear line on standard error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app = build(given)
        if "structlog" in sys.modules:  # a command without it starts sooner
            from infra.cli.logs import keep_logs_apart  # noqa: PLC0415 - loaded only where there may be a log

            keep_logs_apart()
        app(args=given, prog_name="ringback")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # who read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        text = explain(error)
        if text is None or os.environ.get("RINGBACK_LOG_LEVEL", "").upper() == "DEBUG":
            raise
        typer.secho(f"ringback: {text}", err=True, fg=typer.colors.RED)
        sys.exit(FAILED)


def explain(error: Exception) -> str | None:
    """What to tell of an error that the house knows; None for a defect, whose traceback is wanted."""
    kind = type(error)
    if kind.__module__.startswith(HOUSE):
        return str(error)
    if kind.__name__ == "ValidationError" and kind.__module__.startswith("pydantic_core"):
        return _explain_settings(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if kind.__module__.startswith(("psycopg", "redis")):
        return f"{kind.__module__.split('.')[0]}: {str(error).strip()}"
    return None


def _explain_settings(error: Any) -> str:
    if error.title != "Settings":
        return str(error)
    wrong = (f"RINGBACK_{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors())
    return "settings that cannot be used:\n  " + "\n  ".join(wrong)


def _root() -> None:
    """Takes no options of its own; its being there makes every command a subcommand, even if there is one alone."""


def _unloaded() -> None:
    """Stands for a command that was not asked for."""


if __name__ == "__main__":
    main()
