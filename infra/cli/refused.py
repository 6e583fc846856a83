"""``ringback refused``: what was set aside as unreadable, why, and sending it again once the reason is gone."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from infra.cli.connected import connected_settings
from infra.cli.keys import with_keys
from infra.cli.screen import harmless, print_entries
from infra.clock import utc_now
from infra.settings import Settings
from streams.errors import StreamsError
from streams.feed.refused import Origin, Refused
from streams.feed.retry import Retried
from streams.feed.retry import retry as send_again
from streams.feed.set_aside import Entry, folded, refusals

FAILED: Final = 1
_SHOWN_AT_MOST: Final = 50
_ID_SHOWN: Final = 8
_CHARACTERS_SHOWN: Final = 4_000

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")]
Reason = Annotated[str | None, typer.Option(metavar="WORD", help="Only of this reason, for example missing_field.")]


class UnknownRefusalError(StreamsError):
    """There is no refusal whose id begins so, or more than one."""


@app.command("list")
def list_command(
    *,
    reason: Reason = None,
    retried: Annotated[bool, typer.Option("--retried", help="Also what was sent again since.")] = False,
    last: Annotated[int, typer.Option(metavar="N", min=1, help="The newest N.")] = _SHOWN_AT_MOST,
    as_json: AsJson = False,
) -> None:
    """Lists what is set aside and open, oldest first, and counts it by reason."""
    entries = _open(_settings(), reason, retried=retried)
    if as_json:
        _print_json(entries[-last:])
        return
    console = Console(markup=False, highlight=False)
    if not entries:
        console.print("nothing is set aside")
        return
    rows = [
        (
            (
                each.refusal_id[:_ID_SHOWN],
                f"{each.refused_at:%Y-%m-%d %H:%M:%S}",
                harmless(_place(each.origin)),
                harmless(each.reason),
            ),
            harmless(each.detail) + (f" (sent again {each.retried_at:%Y-%m-%d %H:%M})" if each.retried_at else ""),
        )
        for each in entries[-last:]
    ]
    print_entries(console, ("id", "refused at (UTC)", "from", "reason"), rows)
    counts = Counter(each.reason for each in entries)
    console.print(
        f"\n{len(entries)} set aside: " + ", ".join(f"{n} {harmless(why)}" for why, n in counts.most_common())
    )


@app.command("show")
def show_command(
    refusal: Annotated[str, typer.Argument(help="The id, or how it begins.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Shows one refusal with what is kept of its bytes; card numbers are masked there."""
    settings = _settings()
    wanted = _named(folded(_servers(settings)), refusal)
    found = _whole(settings, wanted)
    if as_json:
        _print_json([found])
        return
    console = Console(markup=False, highlight=False)
    table = Table.grid(padding=(0, 2, 0, 0))
    kept = f"{len(found.kept)} of {found.length_bytes} bytes" if found.cut else f"{found.length_bytes} bytes"
    for name, value in (
        ("id", found.refusal_id),
        ("refused at", f"{found.refused_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("from", _place(found.origin)),
        ("reason", f"{found.reason}: {found.detail}" if found.detail else found.reason),
        ("kept", kept + (", card numbers masked" if found.masked else "")),
        ("sent again", f"{wanted.retried_at:%Y-%m-%d %H:%M:%S} UTC" if wanted.retried_at else "no"),
    ):
        table.add_row(name, harmless(value))
    console.print(table)
    console.print()
    console.print(harmless(found.original[:_CHARACTERS_SHOWN]), soft_wrap=True)
    if len(found.original) > _CHARACTERS_SHOWN:
        console.print(f"\nand {len(found.original) - _CHARACTERS_SHOWN:,} characters more; --json has all that is kept")


@app.command("retry")
def retry_command(
    refused: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or how they begin.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is open.")] = False,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only says what would go out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Reads what was set aside once more, and sends on what can be read now; doing it twice is harmless.

    Exit code 1 where something stays set aside: each is listed with what to do about it.
    """
    if not (refused or everything or reason):
        raise typer.BadParameter("name ids, or say --all, or --reason WORD", param_hint="ID")
    settings = _settings()
    answers = asyncio.run(send_again(settings, utc_now, only=_chosen(settings, refused, reason), dry_run=dry_run))
    if as_json:
        _print_json(answers)
    else:
        _tell(answers, dry_run=dry_run)
    if not all(each.taken for each in answers):
        raise typer.Exit(FAILED)


def _settings() -> Settings:
    """What reaches the broker, and no more."""
    read = Settings()
    return with_keys(read, generate=False) if read.kafka_servers else connected_settings(read)


def _servers(settings: Settings) -> str:
    return settings.kafka_servers or ""


def _open(settings: Settings, reason: str | None, *, retried: bool) -> list[Entry]:
    return [
        each
        for each in folded(_servers(settings)).values()
        if (retried or each.retried_at is None) and (reason is None or each.reason == reason)
    ]


def _chosen(settings: Settings, ids: list[str] | None, reason: str | None) -> Collection[str] | None:
    if not ids and reason is None:
        return None
    known = folded(_servers(settings))
    named = {_named(known, each).refusal_id for each in ids} if ids else set(known)
    return {name for name in named if reason is None or known[name].reason == reason}


def _named(known: dict[str, Entry], beginning: str) -> Entry:
    found = [entry for name, entry in known.items() if name.startswith(beginning.strip().lower())]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnknownRefusalError(f"there is no refusal {harmless(beginning)}; see: ringback refused list --retried")
    raise UnknownRefusalError(f"{len(found)} refusals begin with {harmless(beginning)}; give more of the id")


def _whole(settings: Settings, wanted: Entry) -> Refused:
    for _key, found in refusals(_servers(settings)):
        if found.refusal_id == wanted.refusal_id:
            return found
    raise UnknownRefusalError(f"the refusal {wanted.refusal_id} has just left the topic")


def _place(origin: Origin) -> str:
    match origin.kind:
        case "http":
            return f"request {origin.name}, row {origin.row}"
        case "file":
            return f"{origin.name}, line {origin.row}"
        case _:
            return f"{origin.name}/{origin.partition} at {origin.offset}"


def _tell(answers: list[Retried], *, dry_run: bool) -> None:
    console = Console(markup=False, highlight=False)
    taken = Counter(each.topic for each in answers if each.taken)
    for topic, count in taken.items():
        console.print(f"{count} {'would go' if dry_run else 'sent'} to {harmless(topic)}")
    left = [each for each in answers if not each.taken]
    if not answers:
        console.print("nothing is open")
    if left:
        console.print(f"{len(left)} stay set aside:")
        for each in left[:_SHOWN_AT_MOST]:
            console.print(f"  {each.refusal_id[:_ID_SHOWN]}  {harmless(each.why)}", soft_wrap=True)
        if len(left) > _SHOWN_AT_MOST:
            console.print(f"  and {len(left) - _SHOWN_AT_MOST} more; --json lists all")


def _print_json(found: Collection[Any]) -> None:
    for each in found:
        typer.echo(msgspec.json.encode(each))
