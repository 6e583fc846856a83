"""``ringback rules``: the life of a rule set, from the draft to the retired one, and what it has raised."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import uuid4

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from infra.cli.acting import acting, signed
from infra.cli.connected import connected_settings
from infra.cli.keys import with_keys
from infra.cli.opened import history_settings, opened_history
from infra.cli.ruleset_option import chosen_ruleset, read_ruleset
from infra.cli.screen import harmless, print_entries
from infra.clock import utc_now
from infra.history.store import History
from infra.settings import Settings
from rules.ruleset_text import as_toml, differences
from streams.rulesets.alerts import Raised, raised_by
from streams.rulesets.decide import Command, Draft, Publish, Release, Retire, Shadow
from streams.rulesets.service import RuleSets, Version

app = typer.Typer(no_args_is_help=True)

ResultT = TypeVar("ResultT")
_SHOWN_AT_MOST: Final = 50

Name = Annotated[str, typer.Argument(metavar="VERSION", help="As it was drafted.", show_default=False)]
Who = Annotated[str | None, typer.Option("--as", "--author", metavar="NAME", help="Who acts; none: RINGBACK_OPERATOR.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in a sentence: it stands in the history.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")]


@app.command("list")
def list_command(*, as_json: AsJson = False) -> None:
    """Lists every rule set: its state, since when, by whom and why."""
    found = asyncio.run(_with(history_settings(), lambda _history, rules: rules.all(), readable=False))
    if as_json:
        for each in found:
            _print_json(_plain(each))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("version", "state", "since (UTC)", "by"):
        table.add_column(column, no_wrap=True)
    table.add_column("reason", overflow="fold")
    for each in found:
        since = f"{each.since:%Y-%m-%d %H:%M:%S}" if each.since else "always"
        table.add_row(each.life.version, _state(each), since, each.by or "built in", harmless(each.reason))
    Console(markup=False, highlight=False).print(table)


@app.command("show")
def show_command(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version, or a file.", show_default=False)],
    *,
    against: Annotated[
        str | None, typer.Option("--against", metavar="B", help="Only what another one, or a file, says differently.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prints a rule set as the file that one edits; with --against what differs."""
    ruleset = chosen_ruleset(version)
    if against is not None:
        other = chosen_ruleset(against)
        found = differences(other, ruleset)
        if as_json:
            for each in found:
                _print_json(each)
        else:
            alike = other.version == ruleset.version  # a draft, and the file that it is to become
            names = (against, version) if alike else (other.version, ruleset.version)
            _tell_differences(found, *(Path(name).name for name in names))
    elif as_json:
        _print_json(ruleset)
    else:
        typer.echo(as_toml(ruleset), nl=False)


@app.command("draft")
def draft_command(
    file: Annotated[Path, typer.Argument(help="TOML or JSON, as `rules show` prints it.", exists=True, dir_okay=False)],
    reason: Why,
    *,
    who: Who = None,
) -> None:
    """Takes a rule set in as a draft, or changes one that is a draft still. Everything wrong in it is named."""
    settings = history_settings()
    ruleset = read_ruleset(file)
    author = acting(settings, who)
    _do(settings, ruleset.version, Draft(ruleset=ruleset, author=author, reason=reason), "is a draft")


@app.command("shadow")
def shadow_command(version: Name, reason: Why, *, who: Who = None) -> None:
    """Runs it beside the live one: its alerts are counted and listed, and never acted on."""
    settings = history_settings()
    _do(settings, version, Shadow(author=acting(settings, who), reason=reason), "runs in the shadow")


@app.command("publish")
def publish_command(version: Name, reason: Why, *, who: Who = None) -> None:
    """Proposes it to be the live one; somebody else releases it. Signed."""
    settings = history_settings()
    command = Publish(author=acting(settings, who), reason=reason)
    _do(settings, version, command, "is published; somebody else releases it", sign=True)


@app.command("release")
def release_command(
    version: Name,
    reason: Why,
    *,
    who: Who = None,
    yes: Annotated[bool, typer.Option("--yes", help="Does not ask, once it has shown what changes.")] = False,
) -> None:
    """Makes it the live one, if somebody else has published it; the one before is retired. Signed."""
    settings = history_settings()
    author = acting(settings, who)

    async def release(history: History, rules: RuleSets) -> bool:
        listed, seen = await rules.look(version)
        before, _ = await rules.look((await rules.standing()).live)
        _tell_differences(differences(before.ruleset, listed.ruleset), before.life.version, version)
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Release {version}, published by {listed.life.published_by or 'nobody'}?", abort=True)
        await signed(history, settings, author)
        command = Release(author=author, reason=reason)
        return bool(await rules.handle(version, command, cause=_cause(), seen=seen))

    changed = asyncio.run(_with(settings, release))
    typer.echo(f"{version} {'is live' if changed else 'was so already; nothing has changed'}")


@app.command("retire")
def retire_command(version: Name, reason: Why, *, who: Who = None) -> None:
    """Ends a draft, a shadow, or a publication; the live one ends when another is released. Signed."""
    settings = history_settings()
    _do(settings, version, Retire(author=acting(settings, who), reason=reason), "is retired", sign=True)


@app.command("alerts")
def alerts_command(
    version: Name,
    *,
    mode: Annotated[
        Literal["live", "shadow", "both"], typer.Option("--mode", help="Those of its time as the live one, or beside.")
    ] = "both",
    last: Annotated[int, typer.Option(metavar="N", min=1, help="The newest N.")] = _SHOWN_AT_MOST,
    as_json: AsJson = False,
) -> None:
    """Lists what a version has raised, in the shadow or live, as far back as the topic goes, and counts it."""
    read = Settings()
    settings = with_keys(read, generate=False) if read.kafka_servers else connected_settings(read)
    found = raised_by(settings.kafka_servers or "", version, None if mode == "both" else mode)
    if as_json:
        for each in found[-last:]:
            _print_json(each)
        return
    console = Console(markup=False, highlight=False)
    rows = [
        (
            (
                f"{each.raised_at:%Y-%m-%d %H:%M:%S}",
                each.mode,
                harmless(each.card_id),
                each.status,
                harmless(each.verdict),
            ),
            harmless(each.evidence.words or each.suspect),
        )
        for each in found[-last:]
    ]
    if rows:
        print_entries(console, ("raised at (UTC)", "mode", "card", "status", "verdict"), rows)
        console.print()
    console.print(_counted(found, version))


def _counted(found: list[Raised], version: str) -> str:
    if not found:
        return f"no alert of {version} is on the topic"
    parts = []
    for mode in ("live", "shadow"):
        own = [each for each in found if each.mode == mode]
        withdrawn = sum(each.status == "withdrawn" for each in own)
        if own:
            parts.append(f"{len(own)} {mode} on {len({each.card_id for each in own})} cards, {withdrawn} withdrawn")
    return f"{version}: " + "; ".join(parts)


def _do(settings: Settings, version: str, command: Command, said: str, *, sign: bool = False) -> None:
    async def handle(history: History, rules: RuleSets) -> bool:
        if sign:
            await signed(history, settings, command.author)
        return bool(await rules.handle(version, command, cause=_cause()))

    changed = asyncio.run(_with(settings, handle))
    typer.echo(f"{version} {said if changed else 'was so already; nothing has changed'}")


async def _with(
    settings: Settings, ask: Callable[[History, RuleSets], Awaitable[ResultT]], *, readable: bool = True
) -> ResultT:
    async with opened_history(settings, readable=readable) as history:
        return await ask(history, RuleSets(history, utc_now))


def _cause() -> str:
    return f"command-line:{uuid4()}"


def _state(version: Version) -> str:
    published = f", published by {version.life.published_by}" if version.life.published_by else ""
    return f"{version.life.state}{published}"


def _plain(version: Version) -> dict[str, Any]:
    return {
        "version": version.life.version,
        "state": version.life.state,
        "published_by": version.life.published_by,
        "since": version.since,
        "by": version.by,
        "reason": version.reason,
    }


def _tell_differences(found: list[Any], before: str, after: str) -> None:
    console = Console(markup=False, highlight=False)
    if not found:
        console.print(f"{after} decides as {before} does")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("threshold", no_wrap=True)
    table.add_column(before, overflow="fold")
    table.add_column(after, overflow="fold")
    for each in found:
        table.add_row(harmless(each.what), harmless(each.before or "-"), harmless(each.after or "-"))
    console.print(table)


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.encode(value))
