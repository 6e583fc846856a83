"""``ringback history verify``: the chain against itself and against the seals, in the database or in an export."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from infra.cli.keys import with_keys
from infra.cli.opened import history_settings, opened_history
from infra.cli.screen import harmless, progress_bar
from infra.history.against import Against, verify_against
from infra.history.exporting import verify_file
from infra.history.moments import NoMoment, moment
from infra.history.seal_file import read_seals, seal_of
from infra.history.seals import HistorySealed, PublicKeys, Seals, public_keys, public_text, signing_key
from infra.history.store import History
from infra.history.verify import Verification, verify, verify_stream
from infra.settings import Settings
from outreach.cases.identity import case_stream

FAILED = 1
USAGE = 2
_BATCH = 1_000


def verify_command(
    *,
    case: Annotated[str | None, typer.Option(help="One case alone, by its id.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First position, or the moment before it.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last position, or a moment.")] = None,
    file: Annotated[Path | None, typer.Option(help="An export, in place of the database.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="An earlier export: each of its events must stand as it was.")
    ] = None,
    seals: Annotated[
        Path | None, typer.Option(help="Seals that were kept; else those of the home and history.")
    ] = None,
    public_key: Annotated[
        list[str] | None, typer.Option(help="Who may have sealed, base64; else the keys of the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, for scripts.")] = False,
) -> None:
    """Walks the chain; ends with 1 where anything was altered, removed, put in, moved or rewritten. Needs no key."""
    if sum(choice is not None for choice in (case, first or last, file, against)) > 1:
        _usage("one of --case, --from and --to, --file, or --against")
    settings = with_keys(Settings(), generate=False)
    keys = trusted(settings, public_key)
    if seals is not None and not seals.is_file():
        _usage(f"{seals}: there is no such file of seals")
    if seals is not None and not keys:
        _usage("--seals needs --public-key: the key under which they count (ringback history seals key)")
    compared = None if against is None else asyncio.run(_compare(against))
    result = asyncio.run(_verify(settings, keys, case=case, first=first, last=last, file=file, kept=seals))
    if compared is not None and compared.problem is not None:
        problems = sorted([*result.problems, compared.problem], key=lambda problem: problem.position)
        result = msgspec.structs.replace(result, problems=tuple(problems))
    if as_json:
        exported = {} if compared is None else {"exported": compared.last - compared.first + 1, "same": compared.same}
        typer.echo(msgspec.json.encode(_told(result) | exported))
    else:
        _tell(result, sealed=bool(keys))
        if compared is not None:
            _tell_compared(compared, against)
    if not result.intact:
        raise typer.Exit(FAILED)


def trusted(settings: Settings, given: Iterable[str] | None = None) -> PublicKeys:
    """The public keys that seals are checked by: as given, else those of the settings and the home.

    Raises:
        UnusableKey: one is none.
    """
    if given:
        return public_keys(given)
    ours = signing_key(settings.seal_key.get_secret_value()).public_key() if settings.seal_key else None
    return public_keys([*settings.earlier_seal_keys, *([public_text(ours)] if ours else [])])


async def _verify(
    settings: Settings,
    keys: PublicKeys,
    *,
    case: str | None,
    first: str | None,
    last: str | None,
    file: Path | None,
    kept: Path | None,
) -> Verification:
    found = read_seals(kept) if kept is not None else []
    with progress_bar(quiet=not Console(stderr=True).is_terminal) as progress:
        task = progress.add_task("verifying", total=None)

        def show(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        if file is not None:
            return await verify_file(file, show, seals=Seals(found, keys))
        async with opened_history(history_settings(), readable=False) as history:
            if keys:
                found += await of_history(history) + (read_seals(settings.seals_path) if kept is None else [])
            known = Seals(found, keys)
            if case is not None:
                result = await verify_stream(history, case_stream(case.strip().lower()), known)
                if not result.events and not result.problems:
                    _usage(f"there is no case {case}")
                return result
            begin = 1 if first is None else await _first(history, first)
            end = None if last is None else (await moment(history, last)).position
            if (first or last) and begin > (stop := end if end is not None else (await history.head()).position):
                raise NoMoment(f"nothing stands from position {begin} to {stop}")
            return await verify(history, show, first=begin, last=end, seals=known)


async def _compare(file: Path) -> Against:
    with progress_bar(quiet=not Console(stderr=True).is_terminal) as progress:
        task = progress.add_task("comparing", total=None)
        async with opened_history(history_settings(), readable=False) as history:
            return await verify_against(history, file, lambda done, of: progress.update(task, completed=done, total=of))


async def of_history(history: History) -> list[HistorySealed]:
    """The seals that stand in the history itself; one that cannot be read counts as one that nobody signed.

    Raises:
        Unavailable: retryable.
    """
    seals: list[HistorySealed] = []
    after = 0
    while rows := await history.read_stored(after=after, limit=_BATCH, types=[HistorySealed.wire_name]):
        after = rows[-1].position
        for row in rows:
            try:
                seals.append(seal_of(row.payload))
            except msgspec.DecodeError:
                unsigned: dict[str, Any] = {"hash": "", "key_id": "", "signature": "", "sealed_at": row.recorded_at}
                seals.append(
                    HistorySealed(number=row.version, position=row.position, recorded_at=row.recorded_at, **unsigned)
                )
    return seals


async def _first(history: History, given: str) -> int:
    """A position is the first one itself; of a moment the one behind it."""
    found = await moment(history, given)
    return max(1, found.position if given.strip().isdigit() else found.position + 1)


def _told(result: Verification) -> dict[str, Any]:
    return {
        "intact": result.intact,
        "events": result.events,
        "position": result.head.position,
        "hash": result.head.hash.hex(),
        "seals": result.seals,
        "sealed_up_to": result.sealed_up_to,
        "problems": result.problems,
    }


def _tell(result: Verification, *, sealed: bool) -> None:
    console = Console(markup=False, highlight=False)
    if result.intact:
        console.print(f"The chain is whole: {result.events} events, head {result.head.hash.hex()}", soft_wrap=True)
    else:
        table = Table(
            *("position", "what", "how it shows"),
            title=f"{'1 finding' if len(result.problems) == 1 else f'{len(result.problems)} findings'}"
            f" in {result.events} events",
        )
        for problem in result.problems:
            table.add_row(str(problem.position), problem.kind, harmless(problem.why))
        console.print(table)
    if result.seals:
        count = "1 seal" if result.seals == 1 else f"{result.seals} seals"
        console.print(f"Compared with {count}; as it was sealed up to position {result.sealed_up_to}.")
    else:
        none = "none is known for these positions (--seals names a file that was kept)"
        why = none if sealed else "no public key is known (--public-key)"
        console.print(f"Not compared with seals: {why}. Whoever computed the whole chain again is not seen.")


def _tell_compared(compared: Against, file: Path | None) -> None:
    exported = f"{compared.last - compared.first + 1} events of {file}, positions {compared.first} to {compared.last}"
    if compared.problem is None:
        typer.echo(f"Compared with the {exported}: each stands as it was exported.")
    else:
        typer.echo(
            f"Compared with the {exported}: {compared.same} stand as they were exported; the first that does not is"
            f" at position {compared.problem.position}."
        )


def _usage(text: str) -> None:
    typer.secho(f"ringback: {text}", err=True, fg=typer.colors.RED)
    raise typer.Exit(USAGE)
